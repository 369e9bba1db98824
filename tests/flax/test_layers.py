"""Each layer of Flax gets exactly what its initializer gives for the shape that Flax asks for.

A parameter must equal, bit for bit, the initializer called directly with the same key, eagerly
and under jit. The shape and the fans are those of the table in ``layers.py``, so that a kernel
flattened, transposed or counted in another way is noticed.
"""

import math
from functools import cache

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from flax.traverse_util import flatten_dict

import fanwise as fw
from fanwise.distributions import Normal, Uniform
from tests.flax.layers import LAYERS, READINGS
from tests.flax.witness import Witness, assert_same_bits

KEY = jax.random.key(3)
BIAS = fw.bias_uniform(fan_in=7)


def linen_parameters(layer, key, transform, dtype=jnp.float32, **inits):
    model = layer.linen(param_dtype=dtype, dtype=dtype, **inits)
    inputs = jnp.ones(layer.inputs, layer.input_dtype or dtype)
    return flatten_dict(transform(model.init)(key, inputs)["params"], sep="/")


def nnx_parameters(layer, key, transform, dtype=jnp.float32, **inits):
    def build(key):
        return layer.nnx(param_dtype=dtype, dtype=dtype, rngs=nnx.Rngs(key), **inits)

    state = nnx.to_flat_state(nnx.state(transform(build)(key), nnx.Param))
    return {"/".join(path): parameter[...] for path, parameter in state}


APIS = {"linen": (linen_parameters, jax.jit), "nnx": (nnx_parameters, nnx.jit)}


def by_layer(layers):
    return pytest.mark.parametrize("layer", layers, ids=lambda layer: layer.name)


by_api = pytest.mark.parametrize("api", APIS)


@cache
def witnessed(layer, api):
    """The shapes that initializers were asked for, in order, and every parameter's key by path."""
    witness = Witness()
    build, jit = APIS[api]
    spelled = build(layer, KEY, jit, kernel_init=witness, bias_init=witness)
    return witness.shapes, {path: Witness.key(parameter) for path, parameter in spelled.items()}


# Compiling is what costs time here, so not everything is combined with everything: in float32
# linen is under jit and nnx is not, but for two of its layers.
@pytest.mark.parametrize(
    ("api", "layer", "dtype", "jitted"),
    [
        *(("linen", layer, jnp.float32, True) for layer in LAYERS),
        *(("linen", layer, jnp.bfloat16, False) for layer in LAYERS),
        *(("nnx", layer, jnp.float32, False) for layer in LAYERS),
        *(("nnx", layer, jnp.bfloat16, False) for layer in LAYERS),
        *(("nnx", layer, jnp.float32, True) for layer in (LAYERS[0], LAYERS[-1])),
    ],
    ids=lambda value: getattr(value, "name", getattr(value, "__name__", str(value))),
)
def test_a_parameter_is_the_initializer_called_with_its_key(api, layer, dtype, jitted):
    build, jit = APIS[api]
    make = fw.kaiming_normal if dtype == jnp.float32 else fw.kaiming_uniform
    initializer = make(layout=layer.layout)
    inits = {"kernel_init": initializer, "bias_init": BIAS, "dtype": dtype}
    parameters = build(layer, KEY, jit if jitted else lambda init: init, **inits)

    assert set(parameters) == {expected.path for expected in layer.parameters}
    _, keys = witnessed(layer, api)
    for expected in layer.parameters:
        own = BIAS if expected.is_bias else initializer
        drawn = own(keys[expected.path], expected.seen, dtype)
        assert_same_bits(parameters[expected.path], drawn.reshape(expected.stored))


def std(fan):
    return math.sqrt(2.0) / math.sqrt(fan)


@by_layer(LAYERS + READINGS)
@by_api
def test_an_initializer_sees_this_shape_and_these_fans(layer, api):
    shapes, _ = witnessed(layer, api)

    assert shapes == [parameter.seen for parameter in layer.parameters]
    for parameter in layer.parameters:
        if not parameter.is_bias:
            fan_in, fan_out = parameter.fans
            normal = fw.kaiming_normal(layout=layer.layout)
            assert normal.distribution(parameter.seen) == Normal(0.0, std(fan_in))
            uniform = fw.kaiming_uniform(mode="fan_out", layout=layer.layout)
            bound = math.sqrt(3.0) * std(fan_out)
            assert uniform.distribution(parameter.seen) == Uniform(-bound, bound)


@by_api
def test_different_parameters_have_different_keys(api):
    """Else the comparison of bits would pass for a model that repeats one draw."""
    attention = LAYERS[-1]
    _, keys = witnessed(attention, api)
    distinct = {tuple(jax.random.key_data(key).tolist()) for key in keys.values()}
    assert len(distinct) == len(attention.parameters)
