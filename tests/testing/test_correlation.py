import math

import ml_dtypes
import numpy as np
import pytest

from fanwise.distributions import Normal, TruncatedNormal, Uniform
from fanwise.testing import correlation_check, halves_check, keys_check, neighbours_check

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
NORMAL = Normal(0.0, 1.0)
UNIFORM = Uniform(2.0, 4.0)
DRAWS = [
    (NORMAL, lambda rng, shape: rng.normal(size=shape)),
    (UNIFORM, lambda rng, shape: rng.uniform(2.0, 4.0, shape)),
]
IDS = ["normal", "uniform"]


@pytest.mark.parametrize(("distribution", "draw"), DRAWS, ids=IDS)
@pytest.mark.parametrize("n", [2, 200])
def test_false_alarms(distribution, draw, n, alarms, allowed):
    def experiment(rng):
        return correlation_check(draw(rng, n), draw(rng, n), distribution, 0.2)

    assert alarms(experiment, 1000) <= allowed(1000, 0.2)
    if n == 200:
        assert alarms(experiment, 1000) > 10  # within a factor of two of the normal quantile


@pytest.mark.parametrize(("distribution", "draw"), DRAWS, ids=IDS)
def test_false_alarms_within_an_array(distribution, draw, alarms, allowed):
    limit = allowed(400, 0.2)
    for axis in (0, 1):
        count = alarms(
            lambda rng, axis=axis: neighbours_check(draw(rng, (9, 20)), axis, distribution, 0.2),
            400,
        )
        assert count <= limit
    assert alarms(lambda rng: halves_check(draw(rng, (9, 21)), distribution, 0.2), 400) <= limit
    assert alarms(lambda rng: keys_check(draw(rng, (5, 8, 8)), distribution, 0.2), 400) <= limit


@pytest.mark.parametrize(("distribution", "draw"), DRAWS, ids=IDS)
@pytest.mark.parametrize("sign", [-1, 1])
def test_notices(distribution, draw, sign, alarms):
    n = 5000
    mean = distribution.mean
    rho = correlation_check(np.full(n, mean), np.full(n, mean), distribution, 1e-6).notices
    assert rho < 0.2

    def experiment(rng):
        x, z = draw(rng, n), draw(rng, n)
        y = mean + sign * rho * (x - mean) + math.sqrt(1 - rho**2) * (z - mean)
        return correlation_check(x, y, distribution, 1e-6)

    assert alarms(experiment, 200) == 200


def test_rates_are_divided_among_what_is_compared():
    x = np.random.default_rng(0).normal(size=(6, 100))

    def threshold(n, rate):
        return correlation_check(np.zeros(n), np.zeros(n), NORMAL, rate).threshold

    keys = keys_check(x, NORMAL, 1e-6)
    assert (keys.threshold, keys.n) == (pytest.approx(threshold(100, 1e-6 / 15)), 100)
    # Pairs (0, 1), (2, 3), (4, 5) or (1, 2), (3, 4) of six rows.
    rows = neighbours_check(x, 0, NORMAL, 1e-6)
    assert rows.n in (200, 300)
    assert rows.threshold == pytest.approx(threshold(rows.n, 1e-6 / 2))
    assert rows.false_alarm == keys.false_alarm == 1e-6
    pair = neighbours_check(x[:2], 0, NORMAL, 1e-6)
    assert (pair.threshold, pair.n) == (pytest.approx(threshold(100, 1e-6)), 100)


def test_planted_dependence():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 128))
    assert neighbours_check(x, 0, NORMAL, 1e-9).passed
    assert neighbours_check(x, 1, NORMAL, 1e-9).passed
    twice = np.repeat(x[::2], 2, axis=0)
    assert not neighbours_check(twice, 0, NORMAL, 1e-9).passed
    assert neighbours_check(twice, 1, NORMAL, 1e-9).passed
    assert not neighbours_check(np.roll(twice, 1, axis=0)[:63], 0, NORMAL, 1e-9).passed
    # Pairs that cancel in the sum over all neighbours: (0, 1) alike, (1, 2) opposite.
    signs = np.asarray([1, 1, -1, -1])[np.arange(64) % 4]
    cancelling = np.abs(x[:1]) * signs[:, None] * np.ones((64, 1))
    both = np.sum(cancelling[1:] * cancelling[:-1]) / cancelling[1:].size
    check = neighbours_check(cancelling, 0, NORMAL, 1e-9)
    assert abs(both) < 0.05
    assert check.statistic > 0.5
    assert not check.passed
    assert not halves_check(np.concatenate([x, x]), NORMAL, 1e-9).passed
    assert not halves_check(np.concatenate([x, -x]), NORMAL, 1e-9).passed


def test_box_muller_without_its_second_half():
    # Cosine and sine of one angle are uncorrelated normals; the cosine twice is not.
    rng = np.random.default_rng(1)
    radius = np.sqrt(-2 * np.log(rng.random(10_000)))
    angle = 2 * np.pi * rng.random(10_000)
    good = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)
    bad = np.stack([radius * np.cos(angle), radius * np.cos(angle + 0.4)], axis=1).reshape(-1)
    assert neighbours_check(good, 0, NORMAL, 1e-9).passed
    assert not neighbours_check(bad, 0, NORMAL, 1e-9).passed


def test_keys_find_the_one_pair():
    rng = np.random.default_rng(0)
    arrays = rng.normal(size=(12, 30, 30))
    assert keys_check(arrays, NORMAL, 1e-9).passed
    arrays[9] = 0.5 * arrays[2] + math.sqrt(0.75) * arrays[9]
    check = keys_check(arrays, NORMAL, 1e-9)
    assert not check.passed
    assert check.statistic == pytest.approx(0.5, abs=0.1)
    assert check.n == 900


@pytest.mark.parametrize("dtype", [np.float32, np.float16, BFLOAT16])
def test_dtypes(dtype):
    rng = np.random.default_rng(0)
    law = TruncatedNormal(0.0, 0.02, -2.0, 2.0)
    x = rng.normal(0.0, 0.02, (100, 100)).astype(dtype)
    assert neighbours_check(x, 1, law, 1e-6).passed
    assert halves_check(x, law, 1e-6).passed
    assert not correlation_check(x, x, law, 1e-6).passed
    # Each of two factors may be off by the slack of float32 arithmetic.
    wide = halves_check(x.astype(np.float64), law, 1e-6).threshold
    assert halves_check(x, law, 1e-6).threshold - wide > 0.99 * 2**-17


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_fails(bad):
    x = np.random.default_rng(0).normal(size=(10, 10)).astype(np.float32)
    y = x.copy()
    y[3, 4] = bad
    for check in (
        correlation_check(x, y, NORMAL, 1e-6),
        correlation_check(y, x, NORMAL, 1e-6),
        neighbours_check(y, 0, NORMAL, 1e-6),
        halves_check(y, NORMAL, 1e-6),
        keys_check(y, NORMAL, 1e-6),
    ):
        assert check.statistic == math.inf
        assert not check.passed


def test_too_few_pairs_notice_nothing():
    assert correlation_check([0.1], [0.2], NORMAL, 1e-6).notices == math.inf


def test_refusals():
    x = np.zeros((1, 4))
    with pytest.raises(ValueError, match=r"one shape, got \(1, 4\) and \(4,\)"):
        correlation_check(x, x[0], NORMAL, 1e-6)
    with pytest.raises(ValueError, match=r"axis 0 of the shape \(1, 4\) has no neighbours"):
        neighbours_check(x, 0, NORMAL, 1e-6)
    with pytest.raises(ValueError, match=r"with 2 or more keys, got \(1, 4\)"):
        keys_check(x, NORMAL, 1e-6)
    with pytest.raises(ValueError, match="at least two values, got one"):
        halves_check([0.5], NORMAL, 1e-6)
    with pytest.raises(ValueError, match="halves: miss must be"):
        halves_check(x, NORMAL, 1e-6, miss=0.0)
