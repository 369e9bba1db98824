import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fanwise.distributions import Normal, TruncatedNormal, Uniform
from fanwise.testing import rounded_cdf
from fanwise.testing.law import law_of
from fanwise.testing.rounding import canonical

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
DTYPES = ["bfloat16", "float16", "float32"]
LOW = ["bfloat16", "float16"]


def step_cdf(values):
    """The cdf of a value drawn from a list, and exact as a step function."""
    ordered = np.sort(np.asarray(values, np.float64))
    return lambda x: np.searchsorted(ordered, x, side="right") / ordered.size


def compare_with_enumeration(values, dtype, wrap=None):
    """Round a list of values and compare its empirical cdf with the predicted one, exactly."""
    dtype = canonical(dtype)
    with np.errstate(over="ignore"):
        rounded = np.asarray(values, np.float64).astype(dtype)
    if wrap is not None:
        low, high = np.asarray(wrap, np.float64).astype(dtype)
        rounded = np.where(rounded >= high, low, rounded)
    rounded = np.sort(rounded.astype(np.float64))
    predicted = rounded_cdf(step_cdf(values), dtype, wrap)
    n = rounded.size
    tolerance = 0 if wrap is None else 1e-15
    at_most = np.searchsorted(rounded, rounded, side="right") / n
    np.testing.assert_allclose(predicted(rounded), at_most, rtol=0, atol=tolerance)
    below = np.searchsorted(rounded, rounded, side="left") / n
    np.testing.assert_allclose(predicted.left(rounded), below, rtol=0, atol=tolerance)
    # Between representable values the cdf is flat.
    places = np.linspace(rounded[0] - 1e-3, rounded[-1] + 1e-3, 501)
    at_most = np.searchsorted(rounded, places, side="right") / n
    np.testing.assert_allclose(predicted(places), at_most, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", LOW)
def test_every_float32_between_two_binades(dtype):
    # All ties of bfloat16 and float16 are float32 values, and on this grid.
    grid = np.arange(-(2**14), 2**14) / 2**14 * 2
    compare_with_enumeration(grid, dtype)
    assert np.any(grid.astype(canonical(dtype)).astype(np.float64) != grid)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 3e4])
def test_scattered_values(dtype, scale):
    values = np.random.default_rng(0).normal(size=20_000) * scale
    values = values[np.abs(values) < 65_500]
    compare_with_enumeration(values, dtype)


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-0.0442, 0.0442), (0.1, 0.7), (-3.0, -1.0)])
def test_wrap(dtype, bounds):
    grid = bounds[0] + (bounds[1] - bounds[0]) * np.arange(2**15) / 2**15
    compare_with_enumeration(grid, dtype, bounds)


@pytest.mark.parametrize("dtype", LOW)
@settings(deadline=None, max_examples=150)
@given(data=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_any_float32_values(dtype, data):
    dtype = canonical(dtype)
    with np.errstate(over="ignore"):
        finite = np.isfinite(np.asarray(data).astype(np.float32).astype(dtype))
    if finite.all():
        compare_with_enumeration(data, dtype)


@settings(deadline=None, max_examples=150)
@given(st.floats(allow_nan=False, width=32), st.sampled_from(DTYPES))
def test_a_cdf_between_0_and_1_that_rises(value, dtype):
    cdf = rounded_cdf(stats.norm.cdf, dtype)
    v = np.asarray(value).astype(canonical(dtype)) if abs(value) < 6e4 else np.asarray(value)
    v = v.astype(np.float64)
    assert 0 <= cdf.left(v) <= cdf(v) <= 1


def test_infinities():
    cdf = rounded_cdf(Uniform(-70_000.0, 70_000.0).cdf, "float16")
    ends = np.asarray([-math.inf, math.inf])
    overflow = (70_000 - 65_520) / 140_000  # from the middle of 65,504 and 65,536 on
    np.testing.assert_allclose(cdf(ends), [overflow, 1.0], rtol=1e-12)
    np.testing.assert_allclose(cdf.left(ends), [0.0, 1 - overflow], rtol=1e-12)
    np.testing.assert_allclose(cdf([-65_504.0, 65_504.0]), [overflow + 16 / 70_000, 1 - overflow])


def test_the_mass_that_wraps_in_bfloat16():
    plain = rounded_cdf(Uniform(0.0, 1.0).cdf, "bfloat16")
    wrapped = rounded_cdf(Uniform(0.0, 1.0).cdf, "bfloat16", (0.0, 1.0))
    assert 1 - plain.left(1.0) == pytest.approx(2**-9)
    assert wrapped.left(1.0) == 1.0
    # What rounds to 0 from above is below half of the smallest number of all.
    assert wrapped(0.0) - wrapped.left(0.0) == pytest.approx(2**-9, rel=1e-12)


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize(
    ("distribution", "half_open"),
    [
        (Uniform(-0.0442, 0.0442), True),
        (Uniform(0.0, 1.0), True),
        (Uniform(0.0, 1.0), False),
        (Normal(0.0, 0.02), False),
        (Normal(1.0, 0.05), False),
        (TruncatedNormal(0.0, 1.0, -2.0, 2.0), False),
    ],
    ids=str,
)
def test_exact_moments_and_probabilities(dtype, distribution, half_open):
    law = law_of(distribution, dtype, half_open)
    values, probability = law.atoms
    # Equally likely values, one for every millionth of the mass, stand for the law.
    shares = (np.arange(2**20) + 0.5) / 2**20
    x = np.linspace(*law_of(distribution, "float64").interval(1e-12), 400_001)
    dense = np.interp(shares, distribution.cdf(x), x)
    rounded = dense.astype(canonical(dtype))
    if half_open:
        low, high = np.asarray(distribution.support).astype(canonical(dtype))
        rounded = np.where(rounded >= high, low, rounded)
    rounded = rounded.astype(np.float64)
    assert law.mean == pytest.approx(rounded.mean(), abs=1e-5 * law.std)
    assert law.std == pytest.approx(rounded.std(), rel=2e-5)
    counts = np.searchsorted(np.sort(rounded), values, side="right") / rounded.size
    np.testing.assert_allclose(np.cumsum(probability), counts, rtol=0, atol=5e-6)
    assert probability.sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(law.cdf(values), np.cumsum(probability), rtol=0, atol=5e-12)
    np.testing.assert_allclose(law.left(values) + probability, law.cdf(values), atol=5e-12)


def test_rounding_moves_the_moments_by_what_matters():
    law = law_of(Uniform(0.0, 1.0), "bfloat16", True)
    assert law.mean == pytest.approx(0.5 - 2**-9, abs=1e-5)
    # Rounding 1 +- 0.02 to 256 steps in [1, 2) and twice as many below adds their variance.
    assert law_of(Normal(1.0, 0.02), "bfloat16").std == pytest.approx(0.020079, abs=1e-6)


def test_float32_far_from_zero_is_summed():
    law = law_of(Uniform(1000.0, 1000.001), "float32")
    assert law.atoms is not None
    assert law.atoms[0].size == 17
    assert law_of(Uniform(0.0, 1.0), "float32").atoms is None


def test_refusals():
    with pytest.raises(TypeError, match="dtype must be one of bfloat16, float16, float32, got fl"):
        rounded_cdf(stats.norm.cdf, "float64")
    with pytest.raises(TypeError, match="got complex64; check the real and the imaginary parts"):
        rounded_cdf(stats.norm.cdf, "complex64")
    with pytest.raises(ValueError, match=r"does not fit float16: its values reach from -inf"):
        law_of(Normal(0.0, 2e4), "float16")
    with pytest.raises(ValueError, match=r"has only the value 1 in bfloat16; compare with =="):
        law_of(Normal(1.0, 1e-7), "bfloat16")
    with pytest.raises(ValueError, match="a finite std greater than 0, got"):
        law_of(Uniform(1.0, 1.0), "float32")
    with pytest.raises(ValueError, match="half_open=True needs a distribution with finite ends"):
        law_of(Normal(0.0, 1.0), "float32", True)
