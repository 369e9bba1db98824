"""Weights across: what arrives, and all that is refused, at once."""

import re
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

import fanwise as fw
from fanwise.layers import Layer, Leaf, Piece
from fanwise.porting import Correspondence, Pair
from fanwise.porting.weights import weights
from tests.porting.nets import LAYERS, NET, Net, X, refusal
from tests.porting.twins import correspond, random_state


@pytest.fixture
def state():
    return random_state(NET, np.random.default_rng(0))


def test_the_tree_is_that_of_init(state):
    variables = weights(state, NET)
    own = jax.eval_shape(lambda: Net().init(jax.random.key(0), X))
    assert jax.tree.structure(variables) == jax.tree.structure(own)
    for ours, theirs in zip(jax.tree.leaves(variables), jax.tree.leaves(own), strict=True):
        assert isinstance(ours, jax.Array)
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    Net().apply(variables, X)


def test_values_are_torchs_rearranged(state):
    variables = weights(state, NET)
    conv = variables["params"]["conv"]["kernel"]
    np.testing.assert_array_equal(conv, state["conv.weight"].transpose(2, 3, 1, 0))
    statistics = variables["batch_stats"]["norm"]
    np.testing.assert_array_equal(statistics["var"], state["norm.running_var"])
    stacked = variables["params"]["stacked"]["blocks"]["Dense_0"]["kernel"]
    for index in range(3):
        weight = state[f"stacked.blocks.{index}.Dense_0.weight"]
        np.testing.assert_array_equal(stacked[index], weight.T)


def test_jax_arrays_and_modules_of_anything_do_as_well(state):
    class Module:
        def state_dict(self):
            return {name: jnp.asarray(array) for name, array in floats(state).items()}

    same = jax.tree.map(np.array_equal, weights(Module(), NET), weights(state, NET))
    assert all(jax.tree.leaves(same))


def floats(state):
    """Without the count, which would be an int64."""
    return {name: array for name, array in state.items() if array.dtype.kind != "i"}


def test_nothing_shares_memory_with_what_was_given(state):
    variables = weights(state, NET)
    before = jax.tree.map(np.array, variables)
    for array in state.values():
        array[...] = 7
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, variables, before)))


def test_an_nnx_model_takes_them():
    def build(rngs):
        return nnx.Sequential(
            nnx.Linear(3, 4, rngs=rngs), nnx.Dropout(0.5, rngs=rngs), nnx.BatchNorm(4, rngs=rngs)
        )

    correspondence = correspond(fw.nnx.layers(build))
    state = random_state(correspondence, np.random.default_rng(1))
    model, abstract = build(nnx.Rngs(0)), nnx.eval_shape(lambda: build(nnx.Rngs(0)))
    for each in (model, abstract):
        nnx.update(each, weights(state, correspondence))
        np.testing.assert_array_equal(each.layers[0].kernel[...], state["layers.0.weight"].T)
        np.testing.assert_array_equal(each.layers[2].mean[...], state["layers.2.running_mean"])
    model.eval()
    assert np.isfinite(model(jnp.ones((2, 3)))).all()


def test_everything_that_is_wrong_is_said_at_once(state):
    del state["conv.weight"], state["stacked.head.bias"]
    state["extra"] = np.zeros(3, np.float32)
    state["conv.bias"] = np.zeros(5, np.float32)
    state["norm.weight"][2] = np.nan
    state["stacked.stem.bias"] = state["stacked.stem.bias"].astype(np.float16)
    text = refusal(state, lossy=("nowhere",))
    expected = [
        "missing:\n  conv.weight (4, 3, 3, 3)\n  stacked.head.bias (2,)\n",
        "not expected:\n  extra (3,)\n",
        "wrong shapes:\n  conv.bias: (5,), and the model's is (4,)\n",
        "stored as float16, and float32 in the model",
        "norm.weight: 1 of 4 values are NaN",
        "lossy names 'nowhere', which is no layer here",
    ]
    for each in expected:
        assert each in text


def test_a_count_of_batches_may_be_there_or_not(state):
    assert "norm.num_batches_tracked" in state
    weights(state, NET)
    weights(floats(state), NET)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod."])
def test_a_prefix_of_all_names_is_pointed_out(prefix, state):
    wrapped = {prefix + name: array for name, array in state.items()}
    assert f"begin with {prefix!r}" in refusal(wrapped)
    line = re.search(r"pass (\{.*\})", refusal(wrapped)).group(1)
    weights(eval(line, {"state_dict": wrapped}), NET)


def test_a_prefix_that_is_lacking_is_pointed_out():
    inner = nn.Sequential([nn.Dense(3)])
    correspondence = correspond(fw.linen.layers(inner, jnp.zeros((1, 2))))
    state = random_state(correspondence, np.random.default_rng(2))
    short = {name.removeprefix("layers_0."): array for name, array in state.items()}
    line = re.search(r"pass (\{.*\})", refusal(short, correspondence)).group(1)
    weights(eval(line, {"state_dict": short}), correspondence)


TIED = correspond(LAYERS, ties={"head.weight": "conv.weight", "other.weight": "conv.weight"})


def test_tied_tensors_may_be_stored_under_any_of_their_names(state):
    weights(state, TIED)
    expected = weights(state, NET)
    for names in (("head.weight",), ("conv.weight", "head.weight", "other.weight")):
        own = dict(state)
        weight = own.pop("conv.weight")
        own |= dict.fromkeys(names, weight)
        same = jax.tree.map(np.array_equal, weights(own, TIED), expected)
        assert all(jax.tree.leaves(same))
    state["other.weight"] = state["conv.weight"] + 1
    assert "conv.weight and other.weight are one tensor in the model" in refusal(state, TIED)
    del state["conv.weight"], state["other.weight"]
    assert "missing:\n  conv.weight" in refusal(state, TIED)


def test_what_the_model_has_no_array_for_may_be_stored(state):
    state["positions"] = np.zeros((4, 2), np.float32)
    assert "not expected:\n  positions" in refusal(state)
    leaf = Leaf("positions", "positions", (4, 2), np.dtype("f4"), (Piece("positions"),))
    table = Layer("", None, buffers={"positions": (4, 2)}, leaves=(leaf,))
    weights(state, correspond(LAYERS, unused=(table,)))


def gru():
    """nnx's GRU has no place for a part of torch's hidden bias."""
    layers = fw.nnx.layers(lambda rngs: nnx.RNN(nnx.GRUCell(3, 5, rngs=rngs), rngs=rngs))
    correspondence = correspond(layers)
    return correspondence, random_state(correspondence, np.random.default_rng(3))


def test_a_loss_is_refused_by_name_and_may_be_allowed():
    correspondence, state = gru()
    text = refusal(state, correspondence)
    assert "values without a place:\n  cell: block 3 of 3 of bias_hh_l0: RNN (cell)" in text
    allowed = weights(state, correspondence, lossy=re.search(r"lossy=\('(\w+)',\)", text).groups())
    zeroed = dict(state)
    zeroed["cell.bias_hh_l0"] = state["cell.bias_hh_l0"].copy()
    zeroed["cell.bias_hh_l0"][10:] = 0
    # Zeros are added to nothing: no permission is needed.
    same = jax.tree.map(np.array_equal, weights(zeroed, correspondence), allowed)
    assert all(jax.tree.leaves(same))
    zeroed["cell.bias_hh_l0"][14] = 1e-30
    assert "bias_hh_l0" in refusal(zeroed, correspondence)
    with pytest.raises(TypeError, match="lossy must be a collection of layers' names, got 'cell'"):
        weights(state, correspondence, lossy="cell")


def test_a_parameter_that_the_counterpart_has_not_is_a_loss_even_if_zero(state):
    (pair, *rest) = NET.pairs
    extra = Leaf("conv.bias_k", "conv.bias_k", (1, 1, 4), np.dtype("f4"), (Piece("bias_k"),))
    torch = replace(
        pair.torch,
        parameters={**pair.torch.parameters, "bias_k": (1, 1, 4)},
        leaves=(*pair.torch.leaves, extra),
    )
    correspondence = Correspondence((Pair(torch, pair.flax), *rest))
    state["conv.bias_k"] = np.zeros((1, 1, 4), np.float32)
    assert "conv: bias_k: Conv (conv) has no place for it" in refusal(state, correspondence)
    weights(state, correspondence, lossy=("conv",))


def test_layers_that_cannot_be_each_other(state):
    (first, *rest) = NET.pairs
    smaller = replace(first.torch, parameters={"weight": (4, 3, 3, 3)})
    text = refusal(state, Correspondence((Pair(smaller, first.flax), *rest)))
    assert "layers that do not fit:\n  conv bias (4,): not in torch (conv)" in text


def test_shardings_are_chosen_by_path(state):
    mesh = jax.make_mesh((1,), ("x",))
    seen = {}

    def choose(path, shape):
        seen[path] = shape
        return jax.NamedSharding(mesh, jax.P("x")) if path[-1] == "bias" else None

    def bias(variables):
        return variables["params"]["conv"]["bias"].sharding

    variables = weights(state, NET, sharding=choose)
    assert seen["params", "stacked", "blocks", "Dense_0", "kernel"] == (3, 4, 4)
    assert bias(variables).spec == jax.P("x")
    assert not isinstance(variables["params"]["conv"]["kernel"].sharding, jax.NamedSharding)
    tree = {"params": {"conv": {"bias": jax.NamedSharding(mesh, jax.P("x"))}}}
    assert bias(weights(state, NET, sharding=tree)).spec == jax.P("x")
    everywhere = weights(state, NET, sharding=jax.NamedSharding(mesh, jax.P()))
    assert all(isinstance(a.sharding, jax.NamedSharding) for a in jax.tree.leaves(everywhere))
    with pytest.raises(TypeError, match="out_sharding must be"):
        weights(state, NET, sharding=lambda path, shape: "x")
    with pytest.raises(ValueError, match="there is no mesh"):
        weights(state, NET, sharding=jax.P("x"))
    with jax.set_mesh(mesh):
        assert bias(weights(state, NET, sharding=jax.P())).spec == jax.P()


def _wide(count, width):
    shape = (width, width)
    layers = []
    for index in range(count):
        leaf = Leaf(("params", str(index)), str(index), shape, np.dtype("f4"), (Piece("weight"),))
        layers.append(Layer(str(index), "Linear", {}, {"weight": shape}, leaves=(leaf,)))
    return correspond(layers)


class _Made(Mapping):
    """A state dict whose tensors are made when they are asked for."""

    def __init__(self, correspondence, is_kept):
        leaves = [leaf for pair in correspondence.pairs for leaf in pair.torch.leaves]
        self.shapes = {leaf.path: leaf.shape for leaf in leaves}
        self.kept = {}
        self.is_kept = is_kept

    def __iter__(self):
        return iter(self.shapes)

    def __len__(self):
        return len(self.shapes)

    def __getitem__(self, name):
        array = np.full(self.shapes[name], 0.5, np.float32)
        return self.kept.setdefault(name, array) if self.is_kept else array


@pytest.mark.parametrize("is_kept", [False, True])
def test_tensors_are_read_one_after_the_other(is_kept):
    count, width = 16, 512
    correspondence = _wide(count, width)
    made = _Made(correspondence, is_kept)
    tracemalloc.start()
    try:
        weights(made, correspondence)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # numpy's memory, which the result is over as well: it, and a few tensors of sixteen.
    tensor = 4 * width**2
    assert (peak < (count + 4) * tensor) is not is_kept
