"""Every module class that linen exports is one of torch's, or known to be none."""

import inspect

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

import fanwise as fw
from fanwise.frameworks.flax_cells import CELLS, UNKNOWN_CELLS
from fanwise.frameworks.flax_layers import CLAIMS

# With parameters that torch has no counterpart for; they keep linen's own init.
WITHOUT_COUNTERPART = {
    "ConvLocal": "convolution with weights of its own at every place",
    "Einsum": "a product of any axes",
    "Fp8DirectDotGeneralOp": "scales of quantization",
    "Fp8DotGeneral": "scales of quantization",
    "Fp8DotGeneralOp": "scales of quantization",
    "Fp8Einsum": "scales of quantization",
    "NANOOFp8DotGeneralOp": "scales of quantization",
}
# Without parameters of their own, or seen through to the modules in them.
COMPOSED = {"Bidirectional", "RNN", "Sequential", "SpectralNorm", "WeightNorm"}
WITHOUT_PARAMETERS = {"Dropout", "Module", "RNNCellBase"}


def exported(namespace):
    return {
        name
        for name, member in vars(namespace).items()
        if inspect.isclass(member) and issubclass(member, nn.Module)
    }


def unaccounted(names):
    known = {*CLAIMS, *CELLS, *UNKNOWN_CELLS, *WITHOUT_COUNTERPART, *COMPOSED, *WITHOUT_PARAMETERS}
    return names - known


def test_every_exported_class_is_accounted_for():
    assert unaccounted(exported(nn)) == set()


def test_nothing_is_listed_that_linen_does_not_have():
    listed = {*WITHOUT_COUNTERPART, *COMPOSED, *WITHOUT_PARAMETERS, *UNKNOWN_CELLS}
    assert listed <= exported(nn)


def test_the_walk_can_fail():
    class New(nn.Module):
        """A class that nobody has heard of."""

    namespace = type("namespace", (), {"New": New, "Dense": nn.Dense})
    assert unaccounted(exported(namespace)) == {"New"}


QUANTIZED = {
    "Fp8DirectDotGeneralOp": nn.Fp8DirectDotGeneralOp,
    "NANOOFp8DotGeneralOp": nn.NANOOFp8DotGeneralOp,
}


@pytest.mark.parametrize("name", QUANTIZED)
def test_quantized_layers_are_seen_through(name):
    model = nn.Dense(16, dot_general_cls=QUANTIZED[name])
    x = jnp.zeros((16, 32))
    layers = fw.linen.layers(model, x)
    assert [layer.kind for layer in layers if layer.kind] == ["Linear"]
    assert [layer.source for layer in layers if layer.kind is None] == [name]
    ours, own = fw.linen.init(model, jax.random.key(0), x), model.init(jax.random.key(0), x)
    assert jax.tree.structure(ours) == jax.tree.structure(own)
