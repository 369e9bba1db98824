import math

import ml_dtypes
import numpy as np
import pytest

from fanwise.distributions import Normal, TruncatedNormal, Uniform
from fanwise.testing import bounds_check, extremes_check, outliers_check

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
UNIFORM = Uniform(-1.0, 1.0)
NORMAL = Normal(0.0, 1.0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, BFLOAT16])
def test_bounds_are_those_of_the_dtype(dtype):
    low, high = np.asarray([-0.0442, 0.0442]).astype(dtype)
    ends = np.asarray([low, high])
    assert bounds_check(ends, (-0.0442, 0.0442)).passed
    assert bounds_check(ends, (-0.0442, 0.0442), half_open=True).statistic == 1
    far = np.asarray([-1.0, 1.0]).astype(dtype)
    assert bounds_check(np.nextafter(ends, far), (-0.0442, 0.0442)).statistic == 2
    assert bounds_check(np.nextafter(ends, far[::-1]), (-0.0442, 0.0442), half_open=True).passed
    assert bounds_check(ends[:1], (-0.0442, 0.0442), half_open=True).passed


def test_bounds_count_offenders():
    x = np.asarray([-2.0, 0.0, 0.0, 3.0, 3.0], np.float16)
    check = bounds_check(x, (-1.0, 1.0))
    assert (check.statistic, check.threshold, check.false_alarm) == (3, 0, 0)
    assert check.share == math.inf
    assert bounds_check(x, (-2.0, math.inf)).passed
    assert bounds_check(x, (-2.0, math.inf)).share == 0


def test_an_interval_of_one_value():
    assert bounds_check(np.full(5, 0.25, np.float32), (0.25, 0.25), half_open=True).passed
    assert not bounds_check(np.full(5, 0.5, np.float32), (0.25, 0.25)).passed


def test_bounds_notice(alarms):
    notices = bounds_check(np.zeros(1000), (-1.0, 1.0)).notices
    assert (1 - notices) ** 1000 == pytest.approx(1e-6)

    def experiment(rng):
        x = np.where(rng.random(1000) < notices, 1.5, 0.0)
        return bounds_check(x, (-1.0, 1.0))

    assert alarms(experiment, 300) == 300


@pytest.mark.parametrize("n", [1, 10, 2000])
def test_extremes_false_alarms(n, alarms, allowed, expected):
    count = alarms(lambda rng: extremes_check(rng.uniform(-1, 1, n), UNIFORM, 0.05), 1000)
    assert expected(1000, 0.05) <= count <= allowed(1000, 0.05)
    count = alarms(lambda rng: extremes_check(rng.normal(size=n), NORMAL, 0.05), 1000)
    assert expected(1000, 0.05) <= count <= allowed(1000, 0.05)


def test_extremes_false_alarms_with_atoms(alarms, allowed):
    def experiment(rng):
        x = rng.random(300).astype(BFLOAT16)
        return extremes_check(
            np.where(x >= 1, 0, x).astype(BFLOAT16), Uniform(0.0, 1.0), 0.05, half_open=True
        )

    assert alarms(experiment, 600) <= allowed(600, 0.05)


@pytest.mark.parametrize("sign", [-1, 1])
def test_extremes_notice(sign, alarms):
    n = 1000
    missing = extremes_check(np.zeros(n), UNIFORM, 1e-6).notices * (1 + 1e-9)

    def experiment(rng):
        return extremes_check(sign * rng.uniform(-1, 1 - 2 * missing, n), UNIFORM, 1e-6)

    assert alarms(experiment, 300) == 300


def test_a_truncated_normal_in_place_of_a_normal():
    rng = np.random.default_rng(0)
    cut = TruncatedNormal(0.0, 1.0, -2.0, 2.0)
    x = rng.normal(size=3000)
    x = x[np.abs(x) <= 2][:2500] / cut.std
    assert not extremes_check(x, NORMAL, 1e-12).passed
    assert extremes_check(x * cut.std, cut, 1e-12).passed


def test_outliers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=100_000)
    assert outliers_check(x, NORMAL, 1e-9).passed
    x[7], x[8] = 9.7, -30.0
    assert outliers_check(x, NORMAL, 1e-9).statistic == 2
    # How far is too far depends on how many there are, and on the rate.
    for n, fine, far in ((100_000, 7.7, 8.2), (100, 6.5, 7.1)):
        x = np.zeros(n)
        x[0] = fine
        assert outliers_check(x, NORMAL, 1e-9).passed
        x[0] = -far
        assert not outliers_check(x, NORMAL, 1e-9).passed
        assert outliers_check(x, NORMAL, 1e-13).passed
    # A far support says nothing, the law does.
    wide = TruncatedNormal(0.0, 0.02, -2.0, 2.0)
    assert not outliers_check(np.asarray([0.0, 0.4]), wide, 1e-9).passed
    assert outliers_check(np.asarray([-0.1, 0.1]), wide, 1e-9).passed


def test_outliers_false_alarms(alarms, allowed):
    law = TruncatedNormal(0.0, 1.0, 0.0, math.inf)
    for n in (1, 50):
        count = alarms(lambda rng, n=n: outliers_check(abs(rng.normal(size=n)), law, 0.05), 500)
        assert count <= allowed(500, 0.05)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, BFLOAT16])
def test_what_is_not_finite_fails(bad, dtype):
    x = np.linspace(-1.0, 1.0, 1000).astype(dtype)
    x[3] = bad
    assert bounds_check(x, (-math.inf, math.inf)).statistic == math.inf
    assert extremes_check(x, UNIFORM, 1e-6).statistic == math.inf
    assert outliers_check(x, NORMAL, 1e-6).statistic == math.inf


@pytest.mark.parametrize("support", [(1.0, -1.0), (math.nan, 1.0)])
def test_refuses_empty_intervals(support):
    with pytest.raises(ValueError, match=r"\(low, high\) with low <= high, got"):
        bounds_check([0.5], support)
