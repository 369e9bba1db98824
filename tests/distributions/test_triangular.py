"""Triangular: the sum of two uniforms."""

import math

import jax
import numpy as np
import pytest

from fanwise.distributions import Triangular, Uniform
from tests.agreement import assert_drawn_from, disagreements


def test_it_is_the_sum_of_two_uniforms(key):
    first, second = jax.random.split(key)
    half = Uniform(-0.5, 1.5)
    total = half.sample(first, (400, 500)) + half.sample(second, (400, 500))
    assert_drawn_from(total, Triangular(-1, 3))
    assert disagreements(2 * half.sample(first, (400, 500)), Triangular(-1, 3))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.1, 0.3), (1.0, 1.0078125), (0.3, 0.3)])
def test_values_stay_within_the_bounds(low, high, dtype, key):
    values = np.asarray(Triangular(low, high).sample(key, (1 << 16,), dtype))
    low, high = np.asarray([low, high]).astype(values.dtype)
    assert low <= values.min()
    assert values.max() <= high


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_range_that_the_dtype_does_not_hold(dtype, key):
    """Either refused or drawn right: never infinities, nor one value for all."""
    limit = float(np.finfo(dtype).max)
    law = Triangular(-0.9 * limit, 0.9 * limit)
    try:
        values = np.asarray(law.sample(key, (4096,), dtype)).astype(np.float64)
    except ValueError:
        return
    assert np.isfinite(values).all()
    assert values.std() == pytest.approx(law.std, rel=0.05)


def test_complex_parts_are_triangular_each(key):
    values = np.asarray(Triangular(-1, 1).sample(key, (400, 500), "complex64"))
    assert_drawn_from(values.real, Triangular(-1, 1))
    assert_drawn_from(values.imag, Triangular(-1, 1))


def test_two_biases_of_a_recurrent_layer():
    bound = 1 / math.sqrt(64)
    one, both = Uniform(-bound, bound), Triangular(-2 * bound, 2 * bound)
    assert both.std == pytest.approx(math.sqrt(2) * one.std, rel=1e-15)


@pytest.mark.parametrize(("low", "high"), [(1, 0), (math.nan, 1), (0, math.inf)])
def test_bad_bounds(low, high):
    with pytest.raises(ValueError, match=r"Triangular: (low|high) must"):
        Triangular(low, high)
