import math

import ml_dtypes
import numpy as np
import pytest

from fanwise.distributions import Normal, Uniform
from fanwise.testing import duplicates_check
from fanwise.testing.law import law_of

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
NORMAL = Normal(0.0, 1.0)
DTYPES = [np.float64, np.float32, np.float16, BFLOAT16]


def normal(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_one_repeated_slice_is_noticed(dtype, axis):
    x = normal((12, 13, 14), dtype)
    assert duplicates_check(x, axis, NORMAL, 1e-9).passed
    along = np.moveaxis(x, axis, 0)
    along[9] = along[2]
    check = duplicates_check(x, axis, NORMAL, 1e-9)
    assert (check.statistic, check.threshold) == (1, 0)
    assert check.n == x.shape[axis]
    others = [other for other in range(3) if other != axis % 3]
    for other in others:
        assert duplicates_check(x, other, NORMAL, 1e-9).passed


def test_counts_repetitions():
    x = normal((20, 16))
    x[5] = x[6] = x[7] = x[1]
    x[9] = x[8]
    assert duplicates_check(x, 0, NORMAL, 1e-9).statistic == 4
    assert duplicates_check(np.zeros((20, 16), np.float32), 0, NORMAL, 1e-9).statistic == 19


def test_slices_that_differ_in_one_value_are_no_duplicates():
    x = normal((20, 16))
    x[5] = x[6]
    x[5, 3] = np.nextafter(x[5, 3], np.float32(9))
    assert duplicates_check(x, 0, NORMAL, 1e-9).passed


@pytest.mark.parametrize("dtype", DTYPES)
def test_minus_zero_equals_zero(dtype):
    x = normal((20, 32), dtype)
    x[5] = x[6]
    x[5, 3], x[6, 3] = 0.0, -0.0
    assert duplicates_check(x, 0, NORMAL, 1e-9).statistic == 1


def test_blocks_of_a_vector():
    x = normal(2**14)
    check = duplicates_check(x, None, NORMAL, 1e-9)
    assert check.passed
    assert check.name == "duplicates blocks of 4"
    assert check.n == 2**12
    # A generator that starts again after 4096 values:
    assert duplicates_check(np.tile(x[:4096], 4), None, NORMAL, 1e-9).statistic == 3 * 1024
    x[8000:8004] = x[400:404]
    assert duplicates_check(x, None, NORMAL, 1e-9).statistic == 1


def test_chance_is_known(alarms, allowed):
    # Two bfloat16 values are equal with a known probability; of few slices some will be.
    law = law_of(NORMAL, BFLOAT16)
    x = normal(200_000, BFLOAT16)
    equal = np.mean(x[::2] == x[1::2])
    assert equal == pytest.approx(law.collision, rel=0.3)

    rate = 45 * law.collision
    assert 0.03 < rate < 0.1

    def experiment(rng):
        return duplicates_check(rng.normal(size=(10, 1)).astype(BFLOAT16), 0, NORMAL, rate)

    count = alarms(experiment, 500)
    assert 1 <= count <= allowed(500, rate)


def test_chance_is_refused():
    with pytest.raises(ValueError, match=r"12 slices of 1 values in bfloat16 show nothing: equal"):
        duplicates_check(normal((12, 1), BFLOAT16), 0, NORMAL, 1e-6)
    with pytest.raises(ValueError, match="1 slices of 12 values in float32 show nothing"):
        duplicates_check(normal((1, 12)), 0, NORMAL, 1e-6)
    # bfloat16 near 1 has few values.
    x = (1 + 0.02 * normal((99, 6))).astype(BFLOAT16)
    with pytest.raises(ValueError, match="compare two or more longer slices"):
        duplicates_check(x, 0, Normal(1.0, 0.02), 1e-6)


def test_many_slices_are_fast_enough_to_be_exact():
    x = normal((100_000, 8))
    assert duplicates_check(x, 0, NORMAL, 1e-9).passed
    x[99_999] = x[0]
    assert duplicates_check(x, 0, NORMAL, 1e-9).statistic == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("axis", [0, None])
def test_what_is_not_finite_fails(bad, axis):
    x = normal((20, 16))
    x[2, 2] = bad
    assert duplicates_check(x, axis, NORMAL, 1e-9).statistic == math.inf


def test_a_float32_grid_of_low_resolution_is_counted():
    law = law_of(Uniform(1000.0, 1000.001), "float32")
    assert law.collision == pytest.approx(1 / 16, rel=0.1)
