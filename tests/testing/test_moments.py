import math

import ml_dtypes
import numpy as np
import pytest

from fanwise.distributions import Normal, Triangular, TruncatedNormal, Uniform
from fanwise.testing import mean_check, variance_check
from fanwise.testing.moments import rms_thresholds

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FAR = TruncatedNormal(0.0, 0.02, -2.0, 2.0)
CHECKS = [mean_check, variance_check]

# Each with a way to draw from it that does not use its own code.
SAMPLERS = [
    (Normal(0.0, 1.0), lambda rng, n: rng.normal(size=n)),
    (Normal(2.0, 0.02), lambda rng, n: rng.normal(2.0, 0.02, n)),
    (Uniform(-1.0, 1.0), lambda rng, n: rng.uniform(-1.0, 1.0, n)),
    (Triangular(-1.0, 1.0), lambda rng, n: rng.triangular(-1.0, 0.0, 1.0, n)),
    (FAR, lambda rng, n: rng.normal(0.0, 0.02, n)),
]
IDS = [str(distribution) for distribution, _ in SAMPLERS]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(("distribution", "draw"), SAMPLERS, ids=IDS)
@pytest.mark.parametrize("n", [3, 300])
def test_false_alarms(check, distribution, draw, n, alarms, allowed, expected):
    count = alarms(lambda rng: check(draw(rng, n), distribution, 0.05), 600)
    assert count <= allowed(600, 0.05)
    if isinstance(distribution, Normal):
        # Exact quantiles; the upper one serves for the lower side of chi-squared, too.
        assert count >= expected(600, 0.05 if check is mean_check else 0.025)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("distribution", [Normal(1.0, 0.02), Uniform(0.0, 1.0)], ids=str)
def test_false_alarms_in_low_precision(check, dtype, distribution, alarms, allowed):
    half_open = isinstance(distribution, Uniform)

    def experiment(rng):
        x = rng.normal(1.0, 0.02, 100_000) if not half_open else rng.random(100_000)
        x = x.astype(BFLOAT16 if dtype == "bfloat16" else dtype)
        x = np.where(x >= 1, 0, x).astype(x.dtype) if half_open else x
        return check(x, distribution, 0.05, half_open=half_open)

    assert alarms(experiment, 60) <= allowed(60, 0.05)


def test_rounding_that_is_not_taken_into_account_is_an_alarm():
    # bfloat16 values of a half-open uniform have a mean lower by 2^-9, as float32 they must not.
    x = np.random.default_rng(0).random(1_000_000).astype(BFLOAT16)
    x = np.where(x >= 1, 0, x).astype(BFLOAT16)
    assert mean_check(x, Uniform(0.0, 1.0), 1e-6, half_open=True).share < 0.5
    assert mean_check(x.astype(np.float32), Uniform(0.0, 1.0), 1e-3).share > 1
    # The dtype can be named where the array is wider.
    wide = mean_check(
        x.astype(np.float32), Uniform(0.0, 1.0), 1e-6, dtype="bfloat16", half_open=True
    )
    assert wide == mean_check(x, Uniform(0.0, 1.0), 1e-6, half_open=True)


@pytest.mark.parametrize(("distribution", "draw"), SAMPLERS, ids=IDS)
@pytest.mark.parametrize("sign", [-1, 1])
def test_mean_notices(distribution, draw, sign, alarms):
    n = 400
    notices = mean_check(np.zeros(n), distribution, 1e-6).notices
    shift = sign * notices * distribution.std

    def experiment(rng):
        return mean_check(draw(rng, n) + shift, distribution, 1e-6)

    assert alarms(experiment, 200) == 200


@pytest.mark.parametrize(("distribution", "draw"), SAMPLERS, ids=IDS)
@pytest.mark.parametrize("sign", [-1, 1])
def test_variance_notices(distribution, draw, sign, alarms):
    n = 2000
    notices = variance_check(np.zeros(n), distribution, 1e-6).notices
    assert notices < 0.5
    centre = distribution.mean

    def experiment(rng):
        x = centre + (1 + sign * notices) * (draw(rng, n) - centre)
        return variance_check(x, distribution, 1e-6)

    assert alarms(experiment, 200) == 200


def test_what_the_variance_check_notices_is_a_scale():
    class Tails:
        def above(self, n, rate):
            return {0.005: 0.44, 1e-6: 0.21}[rate]  # root mean squares of 1.2 and 1.1

        def below(self, n, rate):
            return {0.005: 0.51, 1e-6: 0.36}[rate]  # 0.7 and 0.8

    threshold, notices = rms_thresholds(Tails(), 10, 0.01, 1e-6, 0.0)
    assert threshold == pytest.approx(0.3)
    # Scaled by 1.625, the smallest likely root mean square is 1.3; scaled by 0.636, the largest
    # is 0.7.
    assert notices == pytest.approx(0.625)
    threshold, notices = rms_thresholds(Tails(), 10, 0.01, 1e-6, 0.01)
    assert threshold == pytest.approx(0.31)
    assert notices == pytest.approx(1.31 / 0.79 - 1)


def test_normal_thresholds_are_the_textbooks():
    n = 1_000_000
    zeros = np.zeros(n)
    assert mean_check(zeros, Normal(0.0, 1.0), 1e-12).threshold * math.sqrt(n) == pytest.approx(
        7.130506, rel=1e-5
    )
    # About z / sqrt(2 n) for the std; false alarm and miss together give what is noticed.
    variance = variance_check(zeros, Normal(0.0, 1.0), 1e-12)
    assert variance.threshold * math.sqrt(2 * n) == pytest.approx(7.1305, rel=0.05)
    assert variance.notices * math.sqrt(2 * n) == pytest.approx(7.1305 + 4.7534, rel=0.05)


def test_bernstein_costs_little_where_exact_quantiles_are_known():
    zeros = np.zeros(1_000_000)
    for check in CHECKS:
        exact = check(zeros, Normal(0.0, 0.02), 1e-9).threshold
        bound = check(zeros, FAR, 1e-9).threshold
        assert exact < bound < 1.12 * exact


def test_too_few_samples_notice_nothing():
    assert variance_check(np.ones(3), Normal(0.0, 1.0), 1e-9).notices == math.inf
    assert variance_check(np.ones(3), Uniform(-1.0, 1.0), 1e-9).notices == math.inf


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, BFLOAT16])
def test_what_is_not_finite_fails(check, bad, dtype):
    x = np.linspace(-1.0, 1.0, 1000).astype(dtype)
    x[3] = bad
    outcome = check(x, Uniform(-1.0, 1.0), 1e-6)
    assert outcome.statistic == math.inf
    assert not outcome.passed


@pytest.mark.parametrize("dtype", [np.float32, np.float16, BFLOAT16])
def test_slack_grows_with_the_offset(dtype):
    near = mean_check(np.ones(100, dtype), Normal(0.0, 1.0), 1e-6)
    exact = mean_check(np.ones(100), Normal(0.0, 1.0), 1e-6)
    assert near.threshold > exact.threshold
    assert near.threshold < 1.25 * exact.threshold
    far = mean_check(np.ones(100, np.float32), Normal(0.0, 1e-5), 1e-6)
    offset = mean_check(np.ones(100, np.float32), Normal(1.0, 1e-5), 1e-6)
    assert offset.threshold - far.threshold > 1e5 * 2.0**-24


def test_refusals():
    with pytest.raises(ValueError, match="mean_check: false_alarm must be at least"):
        mean_check([0.5], Uniform(0.0, 1.0), 2.0)
    with pytest.raises(ValueError, match="variance_check: miss must be at least"):
        variance_check([0.5], Uniform(0.0, 1.0), 1e-6, miss=0.0)
