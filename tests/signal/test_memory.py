"""What measuring needs in memory, beside what the gradient needs anyway."""

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

from fanwise.signal.models import observed_of
from fanwise.signal.program import program_of
from tests.signal.models import Chain, batch


def test_each_layer_needs_the_memory_that_its_gradient_needs(key):
    """Of ten layers more no activation is kept but the one that backward needs."""
    x = batch(key, 8, 32, 64)

    def summed(outputs):
        return jnp.sum(outputs * jnp.cos(jnp.arange(outputs.size).reshape(outputs.shape)))

    def sizes(depth):
        model = Chain(widths=(64,) * depth, activation=nn.tanh)
        variables = model.init(key, x)
        observed = observed_of(model, x, {}, None)
        arrays = observed.given(variables)
        program = program_of(observed, arrays, key, summed)
        plain = jax.jit(jax.grad(lambda v: summed(model.apply(v, x)))).lower(variables)
        lowered = program.lowered(arrays, observed.inputs, key)
        return [
            each.compile().memory_analysis().temp_size_in_bytes / (4 * x.size)
            for each in (lowered, plain)
        ]

    (few, few_plain), (many, many_plain) = sizes(6), sizes(16)
    assert many_plain - few_plain == pytest.approx(10, abs=0.1)
    assert many - few == pytest.approx(10, abs=0.6)
