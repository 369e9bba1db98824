"""Under vmap, scan, remat, jit and eval_shape every layer is drawn as if it stood alone.

Transforms stack the parameters of several layers, but an initializer sees the shape of one of
them (trap 6), so its fans are those of one layer. Each slice must equal the initializer called
directly with the key that this layer got, bit for bit: batching and compiling may not change a
value, which XLA's fused multiply-adds would do if nothing kept them away (trap 23).
"""

import math
from functools import cache, partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from flax.traverse_util import flatten_dict

import fanwise as fw
from fanwise.distributions import Normal
from tests.flax.witness import Witness, assert_same_bits

KEY = jax.random.key(5)
LAYERS = 3
SHAPES = {"up/kernel": (6, 8), "down/kernel": (8, 6), "down/bias": (6,)}
INITS = {
    "up/kernel": fw.kaiming_normal(),
    "down/kernel": fw.orthogonal(),
    "down/bias": fw.bias_uniform(fan_in=8),
}
OTHER_INITS = {
    "up/kernel": fw.lecun_normal(),
    "down/kernel": fw.sparse(sparsity=0.3),
    "down/bias": fw.constant(0.1),
}


class LinenBlock(nn.Module):
    inits: dict

    @nn.compact
    def __call__(self, x, _=None):
        up, down, bias = (self.inits[path] for path in SHAPES)
        x = nn.relu(nn.Dense(8, use_bias=False, kernel_init=up, name="up")(x))
        return nn.Dense(6, kernel_init=down, bias_init=bias, name="down")(x), None


class NnxBlock(nnx.Module):
    def __init__(self, inits, rngs):
        up, down, bias = (inits[path] for path in SHAPES)
        self.up = nnx.Linear(6, 8, use_bias=False, kernel_init=up, rngs=rngs)
        self.down = nnx.Linear(8, 6, kernel_init=down, bias_init=bias, rngs=rngs)


def linen_parameters(transform, inits, key):
    return transform(LinenBlock)(inits).init(key, jnp.ones((2, 6)), None)["params"]


def nnx_parameters(transform, inits, key):
    model = transform(partial(NnxBlock, inits))(nnx.Rngs(key))
    return nnx.to_pure_dict(nnx.state(model, nnx.Param))


def linen_vmap(axis):
    lifted = {"variable_axes": {"params": axis}, "split_rngs": {"params": True}}
    return partial(nn.vmap, in_axes=None, axis_size=LAYERS, **lifted)


def linen_scan(block):
    lifted = {"variable_axes": {"params": 0}, "split_rngs": {"params": True}}
    return nn.scan(block, length=LAYERS, **lifted)


def nnx_vmap(axis):
    return lambda make: nnx.split_rngs(splits=LAYERS)(nnx.vmap(make, out_axes=axis))


def nnx_scan(make):
    return nnx.split_rngs(splits=LAYERS)(nnx.scan(make, in_axes=0, out_axes=0))


# Per transform: how a model is built, and the axis along which layers are stacked.
TRANSFORMS = {
    "linen remat": (partial(linen_parameters, nn.remat), None),
    "linen vmap": (partial(linen_parameters, linen_vmap(0)), 0),
    "linen vmap, stacked inside": (partial(linen_parameters, linen_vmap(1)), 1),
    "linen scan": (partial(linen_parameters, linen_scan), 0),
    "linen scan of remat": (partial(linen_parameters, lambda cls: linen_scan(nn.remat(cls))), 0),
    "nnx remat": (partial(nnx_parameters, nnx.remat), None),
    "nnx vmap": (partial(nnx_parameters, nnx_vmap(0)), 0),
    "nnx vmap, stacked inside": (partial(nnx_parameters, nnx_vmap(1)), 1),
    "nnx scan": (partial(nnx_parameters, nnx_scan), 0),
    "nnx scan of remat": (partial(nnx_parameters, lambda make: nnx_scan(nnx.remat(make))), 0),
}
by_transform = pytest.mark.parametrize("name", TRANSFORMS)


def layers_of(parameter, axis):
    return [parameter] if axis is None else list(jnp.moveaxis(parameter, axis, 0))


@cache
def witnessed(name):
    """The shapes that one initializer was asked for, and the keys of each parameter's layers."""
    build, axis = TRANSFORMS[name]
    witnesses = {path: Witness() for path in SHAPES}
    spelled = flatten_dict(jax.jit(partial(build, witnesses))(KEY), sep="/")
    keys = {
        path: [Witness.key(layer) for layer in layers_of(parameter, axis)]
        for path, parameter in spelled.items()
    }
    return {path: set(witness.shapes) for path, witness in witnesses.items()}, keys


def check(name, inits, build):
    _, keys = witnessed(name)
    parameters = flatten_dict(build(KEY), sep="/")
    assert set(parameters) == set(SHAPES)
    for path, shape in SHAPES.items():
        layers = layers_of(parameters[path], TRANSFORMS[name][1])
        assert len(layers) == len(keys[path])
        for layer, key in zip(layers, keys[path], strict=True):
            assert_same_bits(layer, inits[path](key, shape, jnp.float32))


@by_transform
def test_an_initializer_sees_one_layer(name):
    shapes, keys = witnessed(name)
    assert shapes == {path: {shape} for path, shape in SHAPES.items()}
    # The fans are those of one layer: no factor of LAYERS in them.
    (shape,) = shapes["up/kernel"]
    assert INITS["up/kernel"].distribution(shape) == Normal(0.0, math.sqrt(2) / math.sqrt(6))
    # And layers do not repeat each other: every one of them has a key of its own.
    every = [tuple(jax.random.key_data(key).tolist()) for path in keys for key in keys[path]]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize(
    "name", ["linen vmap, stacked inside", "linen scan", "nnx vmap, stacked inside", "nnx scan"]
)
def test_every_layer_is_the_initializer_called_with_its_key(name):
    check(name, INITS, partial(TRANSFORMS[name][0], INITS))


@pytest.mark.parametrize(
    "name",
    [f"{api} {name}" for api in ("linen", "nnx") for name in ("remat", "vmap", "scan of remat")],
)
def test_every_layer_is_the_same_under_jit(name):
    check(name, INITS, jax.jit(partial(TRANSFORMS[name][0], INITS)))


@pytest.mark.parametrize("name", ["linen vmap", "nnx scan"])
def test_truncated_and_sparse_layers_are_the_same_under_jit(name):
    check(name, OTHER_INITS, jax.jit(partial(TRANSFORMS[name][0], OTHER_INITS)))


@by_transform
def test_eval_shape_tells_shapes_and_draws_nothing(name):
    build, axis = TRANSFORMS[name]
    parameters = flatten_dict(jax.eval_shape(partial(build, INITS), KEY), sep="/")
    for path, shape in SHAPES.items():
        stacked = list(shape)
        if axis is not None:
            stacked.insert(axis, LAYERS)
        assert isinstance(parameters[path], jax.ShapeDtypeStruct)
        assert parameters[path].shape == tuple(stacked)
        assert parameters[path].dtype == jnp.float32
