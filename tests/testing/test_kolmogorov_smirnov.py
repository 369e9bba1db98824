import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fanwise.testing import ks, ks_two_sample, rounded_cdf
from fanwise.testing.planning import TRUNCATED_NORMAL_DISTANCE, UNIFORM_DISTANCE

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
DIE = stats.randint(1, 7)


def uniform(x):
    return np.clip(x, 0.0, 1.0)


def die(rng, n):
    return rng.integers(1, 7, n).astype(np.float32)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-4, 4), min_size=1, max_size=300))
def test_statistic_is_scipys(data):
    samples = np.asarray(data)
    expected = stats.kstest(samples, stats.norm.cdf).statistic
    assert ks(samples, stats.norm.cdf, 0.01).statistic == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=200))
def test_statistic_with_atoms_is_the_supremum_itself(data):
    # scipy's takes F for its left limit; the supremum over a fine grid does not.
    samples = np.asarray(data, np.float64)
    grid = np.linspace(-1.0, 9.0, 2001)
    ecdf = np.mean(samples[:, None] <= grid, axis=0)
    expected = np.max(np.abs(ecdf - DIE.cdf(grid)))
    assert ks(samples, DIE.cdf, 0.01).statistic == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [1, 63, 64, 65, 1000, 12_345])
def test_statistic_of_long_samples(n):
    # Whole blocks are left out where they cannot hold the supremum.
    samples = np.random.default_rng(n).normal(0.1, 1.0, n)
    expected = stats.kstest(samples, stats.norm.cdf).statistic
    assert ks(samples, stats.norm.cdf, 0.01).statistic == pytest.approx(expected, abs=1e-14)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=100),
    st.lists(st.integers(0, 20), min_size=1, max_size=100),
)
def test_two_sample_statistic(x, y):
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    at_most = [np.mean(sample[:, None] <= np.arange(21), axis=0) for sample in (x, y)]
    expected = np.max(np.abs(at_most[0] - at_most[1]))
    assert ks_two_sample(x, y, 0.01).statistic == pytest.approx(expected, abs=1e-12)
    for dtype in (np.float16, np.float32):
        narrow = ks_two_sample(x.astype(dtype), y.astype(dtype), 0.01)
        assert narrow.statistic == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [1, 5, 50, 1000])
def test_false_alarms_of_a_continuous_law(n, alarms, allowed, expected):
    count = alarms(lambda rng: ks(rng.random(n), uniform, 0.05), 1000)
    assert count <= allowed(1000, 0.05)
    # DKWM is sharp, so a check that hardly ever fails would be wrong as well.
    if n >= 50:
        assert count >= expected(1000, 0.03)


def test_false_alarms_with_atoms(alarms, allowed):
    count = alarms(lambda rng: ks(die(rng, 500), DIE.cdf, 0.05), 1000)
    assert 1 <= count <= allowed(1000, 0.05)


def test_false_alarms_of_two_samples(alarms, allowed, expected):
    equal = alarms(lambda rng: ks_two_sample(rng.random(500), rng.random(500), 0.05), 500)
    assert expected(500, 0.02) <= equal <= allowed(500, 0.05)  # sharp
    unequal = alarms(lambda rng: ks_two_sample(rng.random(100), rng.random(400), 0.05), 500)
    assert unequal <= allowed(500, 0.05)
    ties = alarms(lambda rng: ks_two_sample(die(rng, 500), die(rng, 500), 0.05), 500)
    assert ties <= allowed(500, 0.05)


def test_a_threshold_that_is_too_small_would_be_found_out(alarms, allowed):
    count = alarms(lambda rng: ks(rng.random(1000), uniform, 0.05 * 3), 1000)
    assert count > allowed(1000, 0.05)


def test_bfloat16_needs_the_rounded_cdf():
    x = np.random.default_rng(0).random(4_000_000, np.float32).astype(BFLOAT16)
    assert not ks(x, uniform, 1e-9).passed
    assert ks(x, rounded_cdf(uniform, BFLOAT16), 1e-9).passed
    wrapped = np.where(x >= 1, 0, x).astype(BFLOAT16)
    assert not ks(wrapped, rounded_cdf(uniform, BFLOAT16), 1e-9).passed
    assert ks(wrapped, rounded_cdf(uniform, BFLOAT16, (0.0, 1.0)), 1e-9).passed


def move_mass(x, distance):
    """Uniform values of which those in [1/2, 1/2 + distance) are moved below 1/2."""
    return np.where((x >= 0.5) & (x < 0.5 + distance), 0.5 - 1e-9, x)


def test_notices(alarms):
    n = 5000
    notices = ks(np.zeros(n), uniform, 1e-6).notices
    assert alarms(lambda rng: ks(move_mass(rng.random(n), notices), uniform, 1e-6), 200) == 200
    # and half as much is not always noticed: the figure says something
    few = alarms(lambda rng: ks(move_mass(rng.random(n), notices / 2), uniform, 1e-6), 200)
    assert few < 150


@pytest.mark.parametrize("sizes", [(5000, 5000), (3000, 6000)])
def test_two_samples_notice(sizes, alarms):
    n, m = sizes
    notices = ks_two_sample(np.zeros(n), np.zeros(m), 1e-6).notices

    def experiment(rng):
        return ks_two_sample(rng.random(n), move_mass(rng.random(m), notices), 1e-6)

    assert alarms(experiment, 200) == 200


def test_wrong_cdfs_fail():
    # A check that passes with a wrong cdf is the classic mistake.
    x = np.random.default_rng(0).normal(size=200_000).astype(np.float32)
    assert ks(x, stats.norm.cdf, 1e-9).passed
    spread = 1 / stats.truncnorm(-2, 2).std()
    wrong = [
        stats.norm(0, 1.05).cdf,
        stats.norm(0.05, 1).cdf,
        stats.uniform(-math.sqrt(3), math.sqrt(12)).cdf,
        stats.truncnorm(-2, 2, scale=spread).cdf,
        np.zeros_like,
        np.ones_like,
        lambda x: np.full_like(x, np.nan),
    ]
    for cdf in wrong:
        assert not ks(x, cdf, 1e-9).passed


def test_stated_distances():
    x = np.linspace(-4, 4, 800_001)
    spread = 1 / stats.truncnorm(-2, 2).std()
    cut = np.max(np.abs(stats.norm.cdf(x) - stats.truncnorm(-2, 2, scale=spread).cdf(x)))
    assert TRUNCATED_NORMAL_DISTANCE <= cut < TRUNCATED_NORMAL_DISTANCE + 1e-4
    flat = stats.uniform(-math.sqrt(3), math.sqrt(12)).cdf(x)
    assert UNIFORM_DISTANCE <= np.max(np.abs(stats.norm.cdf(x) - flat)) < UNIFORM_DISTANCE + 1e-3


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, BFLOAT16])
def test_what_is_not_finite_fails(bad, dtype):
    x = np.linspace(0.0, 1.0, 1000).astype(dtype)
    y = x.copy()
    y[17] = bad
    assert ks(y, uniform, 1e-6).statistic == math.inf
    assert ks_two_sample(x, y, 1e-6).statistic == math.inf
    assert ks_two_sample(y, x, 1e-6).statistic == math.inf


def test_slack_widens_the_threshold_and_what_is_noticed():
    x = np.linspace(0.0, 1.0, 100)
    plain, slack = ks(x, uniform, 1e-6), ks(x, uniform, 1e-6, slack=0.01)
    assert slack.threshold == pytest.approx(plain.threshold + 0.01)
    assert slack.notices == pytest.approx(plain.notices + 0.02)


def test_refusals():
    x = np.linspace(0.0, 1.0, 100)
    with pytest.raises(ValueError, match="one dtype, got float64 and float32"):
        ks_two_sample(x, x.astype(np.float32), 1e-6)
    with pytest.raises(ValueError, match="ks: false_alarm must be at least 1e-18"):
        ks(x, uniform, 0.0)
    with pytest.raises(ValueError, match="ks: miss must be at least 1e-18"):
        ks(x, uniform, 1e-6, miss=1.0)
