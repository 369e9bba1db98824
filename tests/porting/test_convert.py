"""Between the arrays of a model and torch's parameters: to the bit, there and back."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

from fanwise.frameworks import linen
from fanwise.frameworks import nnx as fanwise_nnx
from fanwise.layers import Layer, Leaf, Piece, View
from fanwise.porting.assemble import assembled
from fanwise.porting.convert import hub_array, hub_arrays, leaf_arrays
from tests.frameworks import linen_models, nnx_models
from tests.porting.twins import random_arrays

F4 = np.dtype(np.float32)


def _linen(name):
    model, x, _ = linen_models.LAYERS[name]
    return linen.layers(model, x, **linen_models.OPTIONS.get(name, {}))


EVERY = [
    *(
        pytest.param(layer, id=f"linen {name}: {layer.path or '.'}")
        for name in linen_models.LAYERS
        for layer in _linen(name)
    ),
    *(
        pytest.param(layer, id=f"nnx {name}: {layer.path or '.'}")
        for name, (build, *_) in nnx_models.LAYERS.items()
        for layer in fanwise_nnx.layers(build)
    ),
]


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert np.asarray(a[name]).dtype == np.asarray(b[name]).dtype, name
        assert np.asarray(a[name]).tobytes() == np.asarray(b[name]).tobytes(), name


def sums(layer):
    """Names of what is added to another."""
    found = set()
    for leaf in layer.leaves:
        for at in {piece.at for piece in leaf.pieces}:
            found |= {piece.name for piece in [p for p in leaf.pieces if p.at == at][1:]}
    return found


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16])
@pytest.mark.parametrize("layer", EVERY)
def test_from_the_model_and_back_every_bit_is_the_same(layer, dtype):
    generator = np.random.default_rng(0)
    arrays = {p: a.astype(dtype) for p, a in random_arrays(layer, generator).items()}
    hub = hub_arrays(layer, arrays)
    assert {name: array.shape for name, array in hub.items()} == layer.shapes
    same(leaf_arrays(layer, hub), arrays)


@pytest.mark.parametrize("layer", EVERY)
def test_from_torch_and_back(layer):
    generator = np.random.default_rng(1)
    hub = {n: generator.normal(size=s).astype(np.float32) for n, s in layer.shapes.items()}
    back = hub_arrays(layer, leaf_arrays(layer, hub))
    # Of a sum the first has all of it, which in the model is the same.
    same(leaf_arrays(layer, back), leaf_arrays(layer, hub))
    summed = sums(layer) | {name.replace("_hh", "_ih") for name in sums(layer)}
    rest = set(hub) - summed
    same({name: back[name] for name in rest}, {name: hub[name] for name in rest})
    for name in sums(layer):
        first, size = name.replace("_hh", "_ih"), len(hub[name])
        # In Flax's GRU the two biases of the new gate are apart; one class has no second.
        added = size - 5 if layer.kind.startswith("GRU") else size
        assert not back[name][:added].any()
        np.testing.assert_array_equal(back[first][:added], (hub[first] + hub[name])[:added])
        np.testing.assert_array_equal(back[first][added:], hub[first][added:])
        own = 0 * hub[name] if layer.lost else hub[name]
        np.testing.assert_array_equal(back[name][added:], own[added:])


def test_what_a_kernel_is():
    generator = np.random.default_rng(2)
    x = jnp.zeros((1, 5, 5, 4))
    weight = generator.normal(size=(6, 4, 3, 2)).astype(np.float32)
    (conv,) = linen.layers(nn.Conv(6, (3, 2), use_bias=False), x)
    kernel = leaf_arrays(conv, {"weight": weight})["params", "kernel"]
    np.testing.assert_array_equal(kernel, weight.transpose(2, 3, 1, 0))
    (up,) = linen.layers(nn.ConvTranspose(6, (3, 2), use_bias=False), x)
    weight = generator.normal(size=(4, 6, 3, 2)).astype(np.float32)
    kernel = leaf_arrays(up, {"weight": weight})["params", "kernel"]
    np.testing.assert_array_equal(kernel, weight[:, :, ::-1, ::-1].transpose(2, 3, 0, 1))


def test_what_the_kernels_of_attention_are():
    generator = np.random.default_rng(3)
    (layer,) = linen.layers(nn.MultiHeadDotProductAttention(3), jnp.zeros((1, 2, 12)))
    hub = {n: generator.normal(size=s).astype(np.float32) for n, s in layer.shapes.items()}
    arrays = leaf_arrays(layer, hub)
    value = hub["in_proj_weight"][24:].T.reshape(12, 3, 4)
    np.testing.assert_array_equal(arrays["params", "value", "kernel"], value)
    np.testing.assert_array_equal(
        arrays["params", "key", "bias"], hub["in_proj_bias"][12:24].reshape(3, 4)
    )
    out = hub["out_proj.weight"].T.reshape(3, 4, 12)
    np.testing.assert_array_equal(arrays["params", "out", "kernel"], out)


def test_what_the_gates_of_an_lstm_are():
    generator = np.random.default_rng(4)
    (layer,) = linen.layers(nn.RNN(nn.LSTMCell(5)), jnp.zeros((1, 2, 3)))
    hub = {n: generator.normal(size=s).astype(np.float32) for n, s in layer.shapes.items()}
    arrays = leaf_arrays(layer, hub)
    found = {path[-2:]: array for path, array in arrays.items()}
    # torch's gates are input, forget, cell, output.
    np.testing.assert_array_equal(found["if", "kernel"], hub["weight_ih_l0"][5:10].T)
    np.testing.assert_array_equal(found["hg", "kernel"], hub["weight_hh_l0"][10:15].T)
    both = hub["bias_ih_l0"] + hub["bias_hh_l0"]
    np.testing.assert_array_equal(found["ho", "bias"], both[15:])


def _spoilt(layer):
    """The same layer with one view that is another of the same shape."""
    (leaf,) = [leaf for leaf in layer.leaves if leaf.path[-1] == "kernel"]
    wrong = Piece("weight", View("o i h w -> h w i o", flipped=("h",)))
    rest = tuple(other for other in layer.leaves if other is not leaf)
    return replace(layer, leaves=(replace(leaf, pieces=(wrong,)), *rest))


def test_an_axis_the_other_way_round_is_noticed():
    (layer,) = linen.layers(nn.Conv(6, (3, 2), use_bias=False), jnp.zeros((1, 5, 5, 4)))
    arrays = random_arrays(layer, np.random.default_rng(5))
    hub = hub_arrays(layer, arrays)
    assert not np.array_equal(
        *[leaf_arrays(e, hub)[layer.leaves[0].path] for e in (layer, _spoilt(layer))]
    )


def _summed():
    leaf = Leaf("b", "b", (2,), F4, (Piece("bias_ih"), Piece("bias_hh")))
    return Layer("rnn", "RNN", {}, {"bias_ih": (2,), "bias_hh": (2,)}, leaves=(leaf,))


def test_zero_adds_nothing():
    minus = np.array([-0.0, 1e-45], np.float32)
    zero = np.zeros(2, np.float32)
    arrays = leaf_arrays(_summed(), {"bias_ih": minus, "bias_hh": zero})
    assert arrays["b"].tobytes() == minus.tobytes()
    # By plain addition the sign would be lost.
    assert (minus + zero).tobytes() != minus.tobytes()


def _half(name="weight", at=((0, 2), (0, 3)), part=None):
    leaf = Leaf("qkv", "qkv", (4, 3), F4, (Piece(name, at=at, part=part),))
    return Layer("q", "Linear", {}, {name: (2, 3)}, leaves=(leaf,))


def test_layers_that_share_an_array():
    low, high = _half(), _half(at=((2, 4), (0, 3)))
    packed = np.arange(12, dtype=np.float32).reshape(4, 3)
    hubs = [hub_arrays(layer, {"qkv": packed}) for layer in (low, high)]
    np.testing.assert_array_equal(hubs[0]["weight"], packed[:2])
    np.testing.assert_array_equal(hubs[1]["weight"], packed[2:])
    same(dict(assembled([low, high], lambda index: hubs[index])), {"qkv": packed})
    with pytest.raises(ValueError, match="12 elements, and layers say of 6"):
        dict(assembled([low], lambda index: hubs[index]))


@pytest.mark.parametrize("axis", [0, 1])
def test_a_stack_is_taken_apart_and_put_together(axis):
    x = jnp.zeros((2, 12))
    layers = linen.layers(linen_models.Stacked(axis=axis), x)
    model = linen_models.Stacked(axis=axis).init(jax.random.key(0), x)
    arrays = {
        tuple(k.key for k in path): np.asarray(array)
        for path, array in jax.tree_util.tree_leaves_with_path(model)
    }
    generator = np.random.default_rng(6)
    arrays = {p: generator.normal(size=a.shape).astype(a.dtype) for p, a in arrays.items()}
    hubs = [hub_arrays(layer, arrays) for layer in layers]
    dense = [hub for hub, layer in zip(hubs, layers, strict=True) if "blocks/1/Dense" in layer.path]
    kernel = arrays["params", "blocks", "Dense_0", "kernel"]
    np.testing.assert_array_equal(dense[0]["weight"], np.take(kernel, 1, axis).T)
    same(dict(assembled(layers, lambda index: hubs[index])), arrays)


def test_a_scalar_in_a_stack():
    stacked = [
        Layer(
            str(index),
            "PReLU",
            {},
            {"weight": (1,)},
            leaves=(Leaf("s", "s", (), F4, (Piece("weight", View("1 ->")),), ((0, index),)),),
        )
        for index in range(3)
    ]
    array = np.array([1, 2, 3], np.float32)
    hubs = [hub_arrays(layer, {"s": array}) for layer in stacked]
    assert [hub["weight"].tolist() for hub in hubs] == [[1.0], [2.0], [3.0]]
    same(dict(assembled(stacked, lambda index: hubs[index])), {"s": array})


def test_stacks_in_stacks():
    def layer(outer, inner):
        stack = ((1, outer), (0, inner))
        leaf = Leaf("w", "w", (4, 5), F4, (Piece("weight"),), stack)
        return Layer(f"{outer}/{inner}", "Linear", {}, {"weight": (4, 5)}, leaves=(leaf,))

    # The outer stack is axis 1 of three; in what is left the inner one is axis 0.
    array = np.random.default_rng(7).normal(size=(2, 3, 4, 5)).astype(np.float32)
    layers = [layer(outer, inner) for outer in range(3) for inner in range(2)]
    hubs = [hub_arrays(each, {"w": array}) for each in layers]
    np.testing.assert_array_equal(hubs[3]["weight"], array[1, 1])
    same(dict(assembled(layers, lambda index: hubs[index])), {"w": array})


def test_an_array_of_which_nothing_is_said():
    layer = Layer("fc", "Linear", {}, {"weight": (2, 3), "bias": (2,)}, leaves=_half().leaves)
    with pytest.raises(ValueError, match="fc: no array of the model holds bias"):
        hub_arrays(layer, {"qkv": np.zeros((4, 3), np.float32)})
    third = _half("weight", at=None, part=(1, 3))
    third = replace(third, parameters={"weight": (12, 3)})
    with pytest.raises(ValueError, match="holds all of weight"):
        hub_arrays(third, {"qkv": np.zeros((4, 3), np.float32)})


def test_wrong_shapes():
    with pytest.raises(ValueError, match=r"qkv must have the shape \(4, 3\), got \(3, 4\)"):
        hub_arrays(_half(), {"qkv": np.zeros((3, 4), np.float32)})
    with pytest.raises(ValueError, match=r"q: weight must have the shape \(2, 3\), got \(3, 2\)"):
        leaf_arrays(_half(), {"weight": np.zeros((3, 2), np.float32)})


def test_under_a_trace():
    (layer,) = fanwise_nnx.layers(lambda rngs: nnx.RNN(nnx.GRUCell(3, 5, rngs=rngs), rngs=rngs))
    arrays = random_arrays(layer, np.random.default_rng(8))
    traced = jax.jit(lambda arrays: hub_arrays(layer, arrays))(arrays)
    same({n: np.asarray(a) for n, a in traced.items()}, hub_arrays(layer, arrays))
    assert isinstance(hub_array(layer, "weight_ih_l0", arrays), np.ndarray)
