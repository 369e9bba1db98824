"""The inverse of the normal cdf against scipy's, tails included."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from fanwise.distributions.normal_quantile import normal_quantile

TOLERANCE = {"float32": 1e-6, "float64": 4e-15}

compiled_quantile = jax.jit(normal_quantile)


def quantile(probabilities, dtype, log_scale=0.0):
    """z at ``share * exp(log_scale)``, each argument computed in float64 and rounded once."""
    share = np.asarray(probabilities, np.float64)
    lower = share * math.exp(log_scale)
    arguments = (share, np.asarray(log_scale), lower, 1 - lower)
    with jax.enable_x64(dtype == "float64"):
        return np.asarray(compiled_quantile(*(jnp.asarray(a.astype(dtype)) for a in arguments)))


def assert_close(z, expected, dtype):
    """Relative accuracy, and absolute where z goes through 0: half a unit of a probability."""
    spacing = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(z, expected, rtol=TOLERANCE[dtype], atol=spacing)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_lower_half(dtype):
    p = np.concatenate([np.linspace(0.001, 0.499, 6001), np.logspace(-30, -3, 4000)])
    p = p.astype(dtype).astype(np.float64)
    z = quantile(p, dtype)
    assert z.dtype == np.dtype(dtype)
    assert_close(z, special.ndtri(p), dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_upper_half(dtype):
    """The probability above decides there: 1 - p keeps its digits where p rounds to 1."""
    above = np.concatenate([np.linspace(0.001, 0.499, 6001), np.logspace(-30, -3, 4000)])
    above = above.astype(dtype)
    with jax.enable_x64(dtype == "float64"):
        lower = jnp.asarray((1 - above.astype(np.float64)).astype(dtype))
        z = compiled_quantile(lower, jnp.zeros((), dtype), lower, jnp.asarray(above))
    assert_close(np.asarray(z), -special.ndtri(above.astype(np.float64)), dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_around_the_middle(dtype):
    """Absolute accuracy where z goes through 0, and no NaN at 1/2."""
    p = np.linspace(0.49, 0.51, 10_001).astype(dtype).astype(np.float64)
    z = quantile(p, dtype)
    np.testing.assert_allclose(z, special.ndtri(p), rtol=0, atol=TOLERANCE[dtype])
    assert abs(z[5000]) <= TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("log_scale", [-50.0, -100.0, -300.0, -680.0])
def test_beyond_what_the_dtype_holds(dtype, log_scale):
    """Where the probability underflows float32, its logarithm decides."""
    share = np.linspace(1e-3, 1.0, 10_001).astype(dtype).astype(np.float64)
    z = quantile(share, dtype, log_scale)
    expected = special.ndtri_exp(np.log(share) + log_scale)
    # A logarithm of 680 is rounded to 3e-5 in float32, which is 1e-6 in z.
    np.testing.assert_allclose(z, expected, rtol=4 * TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_monotone_up_to_rounding(dtype):
    p = np.linspace(1e-4, 1 - 1e-4, 10_001)
    z = quantile(p, dtype)
    assert (np.diff(z) > 0).all()
