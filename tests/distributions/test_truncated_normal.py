"""TruncatedNormal: absolute bounds, the std before truncation, tails."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from fanwise.distributions import Normal, TruncatedNormal

INF = math.inf


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize(
    ("loc", "scale", "low", "high"),
    [
        (0, 1, -2, 2),
        (0, 1, -0.01, 0.02),
        (5, 1, -1, 1),
        (0, 0.02, 0.03, 0.3),
        (0, 1, 30, 31),
        (0, 1, -31, -30),
        (0, 1, -0.3, INF),
    ],
)
def test_values_stay_within_the_bounds(loc, scale, low, high, dtype, key):
    """Bounds as the dtype has them, as in torch."""
    values = TruncatedNormal(loc, scale, low, high).sample(key, (1 << 15,), dtype)
    low, high = np.asarray([low, high]).astype(values.dtype)
    assert low <= np.asarray(values).min()
    assert np.asarray(values).max() <= high


def test_bounds_are_no_multiples_of_the_std(key):
    values = np.asarray(TruncatedNormal(0, 0.02, -0.03, 0.03).sample(key, (1 << 15,)))
    assert 0.0299 < np.abs(values).max() <= 0.03


def test_bounds_far_away_cut_nothing_off(key):
    law = TruncatedNormal(0, 0.02, -2, 2)
    assert law.std == 0.02
    assert np.abs(np.asarray(law.sample(key, (1 << 16,)))).max() > 0.02 * 3.5


@pytest.mark.parametrize(("low", "high"), [(6.0, INF), (-INF, -6.0), (30.0, INF), (36.9, INF)])
def test_tails(low, high, key):
    """Beyond t the excess is nearly exponential with mean 1/t: no atoms, no infinities."""
    law = TruncatedNormal(0, 1, low, high)
    values = np.asarray(law.sample(key, (1 << 16,)), np.float64)
    edge = min(abs(low), abs(high))
    excess = (np.abs(values) - edge) * edge
    assert np.isfinite(values).all()
    expected = stats.truncnorm(edge, INF)
    mean, std = (expected.mean() - edge) * edge, expected.std() * edge
    assert excess.mean() == pytest.approx(mean, abs=6.2 * std / 256)
    assert len(np.unique(values)) > 2000
    assert np.bincount(np.unique(values, return_inverse=True)[1]).max() < 1000


def test_both_tails_reach_equally_far(key):
    """Quantiles on either side, in float32, have the digits that the dtype allows."""
    values = np.asarray(TruncatedNormal(0, 1, -8, 8).sample(key, (1 << 22,)), np.float64)
    assert values.max() > 4.6
    assert values.min() < -4.6
    upper, lower = (values > 4).sum(), (values < -4).sum()
    expected = stats.norm.sf(4) * values.size
    for count in (upper, lower):
        assert abs(count - expected) < 6.2 * math.sqrt(expected)


@pytest.mark.parametrize(("low", "high"), [(-1e-1, 1e-1), (0.5, 0.501), (3.0, 3.00001)])
def test_narrow_intervals_are_filled(low, high, key):
    """As many distinct values as float32 has there, or as can be drawn; no comb of a few."""
    values = np.asarray(TruncatedNormal(0, 1, low, high).sample(key, (1 << 16,)))
    available = (high - low) / float(np.spacing(np.float32(high)))
    assert len(np.unique(values)) > 0.3 * min(available, 1 << 16)


def test_half_of_the_values_on_either_side(key):
    values = np.asarray(TruncatedNormal(0, 1, -2, 2).sample(key, (1 << 20,)))
    assert abs((values > 0).mean() - 0.5) < 6.2 / 2 / 1024
    assert abs((values < -1).mean() - (stats.norm.cdf(-1) - stats.norm.cdf(-2)) / 0.9545) < 0.003


@pytest.mark.parametrize("scale", [1e-30, 1e-160])
def test_a_tiny_scale(scale, key):
    law = TruncatedNormal(0, scale, -2, 2)
    assert law.std == scale
    assert law.mean == 0.0
    assert np.isfinite(law.sample(key, (10,))).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_bounds_beyond_a_dtype_cut_nothing_off(dtype, key):
    """torch takes them as infinities."""
    unbounded = TruncatedNormal(0, 1, -INF, INF).sample(key, (256,), dtype)
    bounded = TruncatedNormal(0, 1, -1e39, 1e39).sample(key, (256,), dtype)
    assert (np.asarray(unbounded) == np.asarray(bounded)).all()


def test_complex_is_refused_as_in_torch(key):
    with pytest.raises(TypeError, match="TruncatedNormal: dtype must be one of") as caught:
        TruncatedNormal(0, 1, -2, 2).sample(key, (3,), "complex64")
    assert "got complex64; torch refuses complex here as well" in str(caught.value)
    assert "complex" not in str(caught.value).split("got")[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0, -2, 2), "scale must be a number greater than 0"),
        ((0, -1, -2, 2), "scale must be a number greater than 0"),
        ((0, 1, 2, -2), "low must not exceed high, got low=2.0 and high=-2.0"),
        ((0, 1, INF, INF), "low must not exceed high"),
        ((0, 1, -INF, -INF), "low must not exceed high"),
        ((0, 1, math.nan, 2), "low must be"),
        ((0, 1, -2, math.nan), "high must be"),
        ((INF, 1, -2, 2), "loc must be"),
        ((0, INF, -2, 2), "scale must be"),
        ((0, 0.01, 1, 2), r"\[1, 2\] begins 100 scales away from loc=0"),
        ((0, 0.01, -2, -1), r"\[-2, -1\] begins 100 scales away"),
    ],
)
def test_bad_numbers(arguments, message):
    with pytest.raises(ValueError, match=message):
        TruncatedNormal(*arguments)


def test_an_untruncated_one_is_normal_in_distribution():
    x = np.linspace(-5, 5, 101)
    np.testing.assert_allclose(
        TruncatedNormal(0.1, 2, -INF, INF).cdf(x), Normal(0.1, 2).cdf(x), rtol=1e-14
    )


def test_float64_has_float64_resolution(key):
    with jax.enable_x64(True):
        values = np.asarray(TruncatedNormal(0, 1, -2, 2).sample(key, (4096,), "float64"))
    assert (values != values.astype(np.float32)).mean() > 0.99
    assert values.dtype == jnp.float64
