"""Variables back under torch's names: to the bit, whatever holds them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import core, nnx
from flax import linen as nn

import fanwise as fw
from fanwise.layers import Layer, Leaf, Piece
from fanwise.porting import Correspondence, Pair
from fanwise.porting.state_dict import state_dict
from fanwise.porting.weights import weights
from tests.frameworks import linen_models, nnx_models
from tests.porting.twins import correspond, random_state

X = jnp.zeros((2, 12))
STACKED = linen_models.Stacked()
NET = correspond(fw.linen.layers(STACKED, X))


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype, name
        assert a[name].shape == b[name].shape, name
        assert a[name].tobytes() == b[name].tobytes(), name


def test_there_and_back():
    state = random_state(NET, np.random.default_rng(0))
    same(state_dict(weights(state, NET), NET), state)


@pytest.mark.parametrize("name", nnx_models.LAYERS)
def test_from_a_model_to_torch_and_back(name):
    build = nnx_models.LAYERS[name][0]
    model = build(nnx.Rngs(0))
    correspondence = correspond(fw.nnx.layers(build))
    lossy = [pair.flax.path or "." for pair in correspondence.pairs if pair.flax.lost]
    variables = weights(state_dict(model, correspondence), correspondence, lossy=lossy)
    before = {path: np.asarray(array) for path, array in nnx_models.flat(model).items()}
    nnx.update(model, jax.tree.map(lambda array: array + 1, variables))
    moved = nnx_models.flat(model)
    nnx.update(model, variables)
    after = {path: np.asarray(array) for path, array in nnx_models.flat(model).items()}
    same(after, before)
    # Each array was really put there.
    still = {path for path in before if np.array_equal(moved[path], before[path])}
    assert all("rngs" in path for path in still)


def test_bfloat16_keeps_its_bits():
    state = random_state(NET, np.random.default_rng(1))
    half = {name: array.astype(jnp.bfloat16) for name, array in state.items()}
    same(state_dict(weights(half, NET, dtype="keep"), NET), half)


def test_arrays_are_torchs_to_write_to():
    variables = STACKED.init(jax.random.key(0), X)
    for array in state_dict(variables, NET).values():
        assert array.flags.writeable
        assert array.flags.c_contiguous
        array[...] = 0
    assert np.asarray(variables["params"]["stem"]["kernel"]).any()


def test_what_holds_the_variables_does_not_matter():
    variables = STACKED.init(jax.random.key(0), X)
    expected = state_dict(variables, NET)
    same(state_dict(core.freeze(variables), NET), expected)
    numpy = jax.tree.map(np.asarray, variables)
    same(state_dict({**numpy, "cache": {"index": np.zeros(())}}, NET), expected)


def test_boxes_are_opened():
    class Boxed(nn.Module):
        @nn.compact
        def __call__(self, x):
            kernel = nn.with_partitioning(nn.initializers.lecun_normal(), (None, "x"))
            return nn.Dense(4, kernel_init=kernel)(x)

    correspondence = correspond(fw.linen.layers(Boxed(), X))
    variables = Boxed().init(jax.random.key(0), X)
    plain = nn.unbox(variables)
    same(state_dict(variables, correspondence), state_dict(plain, correspondence))


def test_an_nnx_model_or_its_state():
    model = nnx.Sequential(nnx.Linear(12, 3, rngs=nnx.Rngs(0)), nnx.Dropout(0.1, rngs=nnx.Rngs(1)))
    correspondence = correspond(fw.nnx.layers(model))
    expected = {
        "layers.0.weight": np.asarray(model.layers[0].kernel[...]).T.copy(),
        "layers.0.bias": np.asarray(model.layers[0].bias[...]),
    }
    same(state_dict(model, correspondence), expected)
    same(state_dict(nnx.state(model), correspondence), expected)
    same(state_dict(nnx.state(model, nnx.Param), correspondence), expected)


def test_counts_of_batches_are_zero():
    correspondence = correspond(fw.linen.layers(nn.BatchNorm(use_running_average=True), X))
    variables = nn.BatchNorm(use_running_average=True).init(jax.random.key(0), X)
    count = state_dict(variables, correspondence)["num_batches_tracked"]
    assert (count.shape, count.dtype, count.item()) == ((), np.int64, 0)


def test_ties_are_there_under_all_their_names():
    correspondence = Correspondence(NET.pairs, ties={"out.weight": "head.weight"})
    found = state_dict(STACKED.init(jax.random.key(0), X), correspondence)
    same({"weight": found["out.weight"]}, {"weight": found["head.weight"]})


def test_tied_layers_must_be_equal_here():
    leaves = [Leaf(("params", n), n, (3,), np.dtype("f4"), (Piece("weight"),)) for n in ("a", "b")]
    flax = [Layer(leaf.name, "Linear", {}, {"weight": (3,)}, leaves=(leaf,)) for leaf in leaves]
    stored = Leaf("weight", "weight", (3,), np.dtype("f4"), (Piece("weight"),))
    torch = Layer("", "Linear", {}, {"weight": (3,)}, leaves=(stored,))
    correspondence = Correspondence(tuple(Pair(torch, layer) for layer in flax))
    equal = {"params": {"a": np.ones(3, np.float32), "b": np.ones(3, np.float32)}}
    same(state_dict(equal, correspondence), {"weight": np.ones(3, np.float32)})
    equal["params"]["b"][1] = 2
    with pytest.raises(ValueError, match="weight is one tensor in torch"):
        state_dict(equal, correspondence)


def test_what_is_wrong_is_said_at_once():
    variables = STACKED.init(jax.random.key(0), X)
    del variables["params"]["stem"]["bias"]
    del variables["params"]["blocks"]["Dense_0"]["kernel"]
    variables["params"]["more"] = jnp.zeros(3)
    variables["params"]["head"]["bias"] = jax.ShapeDtypeStruct((2,), jnp.float32)
    with pytest.raises(ValueError, match="variables must be those of the model") as caught:
        state_dict(variables, NET)
    assert "missing: params/stem/bias, params/blocks/Dense_0/kernel" in str(caught.value)
    assert "not expected: params/more" in str(caught.value)
    assert "without values: params/head/bias" in str(caught.value)


def test_wrong_shapes_and_types():
    variables = STACKED.init(jax.random.key(0), X)
    variables["params"]["stem"]["bias"] = jnp.zeros(5)
    with pytest.raises(ValueError, match=r"stem/bias must have the shape \(4,\), got \(5,\)"):
        state_dict(variables, NET)
    with pytest.raises(TypeError, match="variables must be linen's variables, an nnx model"):
        state_dict([1, 2], NET)


def test_what_torch_has_alone_has_no_value():
    (pair, *rest) = NET.pairs
    extra = Leaf("stem.bias_k", "stem.bias_k", (4,), np.dtype("f4"), (Piece("bias_k"),))
    torch = Layer(
        "stem",
        "Linear",
        {},
        {**pair.torch.parameters, "bias_k": (4,)},
        leaves=(*pair.torch.leaves, extra),
    )
    correspondence = Correspondence((Pair(torch, pair.flax), *rest))
    with pytest.raises(ValueError, match=r"no value here: stem.bias_k \(Dense stem\)"):
        state_dict(STACKED.init(jax.random.key(0), X), correspondence)
