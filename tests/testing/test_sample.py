import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanwise.testing import sample_of

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
ALL = [BFLOAT16, np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)]


@pytest.mark.parametrize("dtype", ALL, ids=str)
@settings(deadline=None, max_examples=60)
@given(data=st.lists(st.integers(-300, 300), min_size=1, max_size=60), about=st.floats(-9, 9))
def test_statistics_are_numpys(dtype, data, about):
    array = (np.asarray(data) / 7).astype(dtype)
    wide = array.astype(np.float64)
    sample = sample_of(array)
    assert sample.n == len(data)
    assert sample.finite
    assert sample.mean_about(about) == pytest.approx(np.mean(wide - about), abs=1e-12)
    assert sample.rms_about(about) == pytest.approx(np.sqrt(np.mean((wide - about) ** 2)))
    places = np.linspace(-50, 50, 77)
    expected = [np.mean(wide <= place) for place in places]
    np.testing.assert_allclose(sample.ecdf(places), expected, atol=1e-15)
    # Of equal values the last has the empirical cdf, and the first its left limit.
    at_most = [np.max(sample.up_to[sample.values == v]) for v in wide]
    np.testing.assert_allclose(at_most, [np.mean(wide <= v) for v in wide], atol=1e-12)
    below = [np.min(sample.before[sample.values == v]) for v in wide]
    np.testing.assert_allclose(below, [np.mean(wide < v) for v in wide], atol=1e-12)


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_both_zeros_are_one_value(dtype):
    sample = sample_of(np.asarray([0.0, -0.0, 1.0, -1.0], dtype))
    np.testing.assert_allclose(sample.ecdf(np.asarray([-0.5, 0.0, 0.5])), [0.25, 0.75, 0.75])


@pytest.mark.parametrize("dtype", ALL, ids=str)
@pytest.mark.parametrize("bad", [math.nan, -math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_seen(dtype, bad):
    assert not sample_of(np.asarray([1.0, bad, 2.0], dtype)).finite


def test_a_narrower_dtype_must_hold_the_values():
    array = np.asarray([1.0, 0.5, math.nan], np.float32)
    assert sample_of(array, "bfloat16").dtype == BFLOAT16
    with pytest.raises(ValueError, match="hold values that bfloat16 cannot hold; pass dtype='fl"):
        sample_of(np.asarray([1.001], np.float32), "bfloat16")
    with pytest.raises(ValueError, match="cannot hold"):
        sample_of(np.asarray([1e30], np.float32), "float16")


def test_what_is_already_a_sample_stays():
    sample = sample_of([1.0, 2.0])
    assert sample_of(sample) is sample
    assert sample_of(sample, "float64") is sample
    with pytest.raises(ValueError, match="made in float64, got dtype='bfloat16'"):
        sample_of(sample, "bfloat16")


def test_huge_values_do_not_warn():
    assert sample_of([1e300, -1e300]).rms_about(0.0) == math.inf


def test_refusals():
    with pytest.raises(ValueError, match=r"at least one value, got the shape \(0, 3\)"):
        sample_of(np.zeros((0, 3)))
    with pytest.raises(TypeError, match="float32 or float64, got int64"):
        sample_of([1, 2])
    with pytest.raises(TypeError, match="imaginary parts of complex values apart"):
        sample_of(np.zeros(3, np.complex64))
