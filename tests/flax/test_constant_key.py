"""Fixed random features: a key written inside of the model gives the same bits under jit.

There the key is a constant of the program. Small arrays are then computed while it is compiled,
with every operation rounded, and larger ones by machine code, where a product and a sum may become
one fused multiply-add (trap 23).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from flax import nnx

import fanwise as fw
from tests.flax.witness import assert_same_bits

KEY = jax.random.key(37)
# What is computed while compiling ends at a few dozen elements: shapes on both sides of that. Means
# and bounds that are not symmetric, for only a sum with something else than zero can be fused.
# Normals of a dozen elements are left out: even the polynomial of the inverse error function is
# computed at compile time then, and nothing here can round its terms.
FEATURES = {
    "uniform": (fw.uniform(-0.3, 0.9), (8,)),
    "uniform, partly folded": (fw.uniform(-0.3, 0.9), (31,)),
    "uniform, compiled": (fw.uniform(-0.3, 0.9), (6, 8)),
    "bias_uniform": (fw.bias_uniform(fan_in=7), (16,)),
    "kaiming_uniform": (fw.kaiming_uniform(), (2, 5)),
    "normal": (fw.normal(0.3, 0.7), (31,)),
    "normal, compiled": (fw.normal(0.3, 0.7), (6, 8)),
    "trunc_normal": (fw.trunc_normal(0.1, 0.5, -0.3, 0.7), (31,)),
    "lecun_normal": (fw.lecun_normal(), (6, 8)),
    "orthogonal": (fw.orthogonal(gain=1.3), (4, 6)),
    "sparse": (fw.sparse(0.3), (4, 6)),
}


class LinenFeatures(nn.Module):
    @nn.compact
    def __call__(self):
        for name, (init, shape) in FEATURES.items():
            self.variable("features", name, init, KEY, shape, jnp.float32)


class NnxFeatures(nnx.Module):
    def __init__(self):
        for name, (init, shape) in FEATURES.items():
            setattr(self, name, nnx.Variable(init(KEY, shape, jnp.float32)))


def linen_features():
    return LinenFeatures().init({})["features"]


def nnx_features():
    return nnx.to_pure_dict(nnx.state(NnxFeatures()))


APIS = {"linen": linen_features, "nnx": nnx_features}


@pytest.fixture(scope="module")
def eager_and_jitted():
    return {api: (build(), jax.jit(build)()) for api, build in APIS.items()}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", FEATURES)
def test_a_key_inside_of_jit_gives_the_same_bits(api, name, eager_and_jitted):
    eager, jitted = eager_and_jitted[api]
    assert_same_bits(jitted[name], eager[name])
