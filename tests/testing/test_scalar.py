import dataclasses
import math

import ml_dtypes
import numpy as np
import pytest

from fanwise.distributions import Constant, Normal, Triangular, TruncatedNormal, Uniform
from fanwise.testing import check_samples, require

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
NAMES = ["bounds", "ks", "mean", "variance", "extremes", "outliers"]
CUT = TruncatedNormal(0.0, 1.0, -2.0, 2.0)


def draw(distribution, n, seed=0):
    """Values with quantiles in random order, drawn without the distribution's sampler."""
    u = np.random.default_rng(seed).random(n)
    low, high = (
        max(distribution.support[0], distribution.mean - 7 * distribution.std),
        min(distribution.support[1], distribution.mean + 7 * distribution.std),
    )
    x = np.linspace(low, high, 200_001)
    return np.interp(u, distribution.cdf(x), x)


def rounded(x, dtype, distribution, half_open):
    x = x.astype(np.float32).astype(dtype)
    if half_open:
        low, high = np.asarray(distribution.support).astype(dtype)
        x = np.where(x >= high, low, x).astype(dtype)
    return x


def failed(checks):
    return [check.name for check in checks if not check.passed]


CASES = [
    (Normal(0.0, 0.02), False),
    (Normal(1.0, 0.05), False),
    (Uniform(-0.0442, 0.0442), True),
    (Uniform(0.0, 1.0), True),
    (Triangular(-0.25, 0.25), False),
    (CUT, False),
    (TruncatedNormal(0.0, 0.02, -2.0, 2.0), False),
    (TruncatedNormal(0.0, 1.0, 0.0, math.inf), False),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, BFLOAT16], ids=str)
@pytest.mark.parametrize(("distribution", "half_open"), CASES, ids=str)
def test_right_samples_pass(dtype, distribution, half_open):
    x = rounded(draw(distribution, 200_000), dtype, distribution, half_open)
    checks = check_samples(x.reshape(400, 500), distribution, false_alarm=1e-3, half_open=half_open)
    require(*checks)
    assert [check.name for check in checks] == NAMES
    assert sum(check.false_alarm for check in checks) == pytest.approx(1e-3)
    assert all(check.n == 200_000 for check in checks)
    assert all(0 < check.notices < 0.1 for check in checks)


@pytest.mark.parametrize("dtype", [np.float32, BFLOAT16], ids=str)
@pytest.mark.parametrize(("distribution", "half_open"), CASES, ids=str)
def test_wrong_samples_fail(dtype, distribution, half_open):
    x = draw(distribution, 200_000)
    mean, std = distribution.mean, distribution.std
    wrong = {
        "scale": mean + 1.05 * (x - mean),
        "mean": x + 0.05 * std,
        "sign": mean - np.abs(x - mean),
        "constant": np.full_like(x, mean + std),
        "two values": np.where(x > mean, mean + std, mean - std),
    }
    for name, values in wrong.items():
        values = rounded(values, dtype, distribution, half_open)
        checks = check_samples(values, distribution, false_alarm=1e-6, half_open=half_open)
        assert failed(checks), name


def test_same_mean_and_std_other_shape():
    n = 200_000
    normal = Normal(0.0, 1.0)
    uniform = Uniform(-math.sqrt(3), math.sqrt(3))
    cut = TruncatedNormal(0.0, 1 / CUT.std, -2 / CUT.std, 2 / CUT.std)
    laws = [normal, uniform, cut]
    for truth in laws:
        for claim in laws:
            checks = check_samples(draw(truth, n), claim, false_alarm=1e-9)
            assert (failed(checks) == []) == (truth is claim)
            assert not {"mean", "variance"} & set(failed(checks))


def test_each_part_is_shared():
    x = draw(Normal(0.0, 1.0), 1000)
    checks = check_samples(x, Normal(0.0, 1.0), false_alarm=1e-6)
    assert [check.false_alarm for check in checks] == [0.0] + [1e-6 / 5] * 5


def test_half_open_bounds():
    u = Uniform(0.0, 1.0)
    x = np.append(draw(u, 1000), 1.0).astype(np.float32)
    assert failed(check_samples(x, u, false_alarm=1e-6)) == []
    assert failed(check_samples(x, u, false_alarm=1e-6, half_open=True)) == ["bounds"]


def test_bfloat16_values_in_a_wider_array():
    u = Uniform(-0.0442, 0.0442)
    x = rounded(draw(u, 500_000), BFLOAT16, u, True)
    narrow = check_samples(x, u, false_alarm=1e-9, half_open=True)
    wide = check_samples(
        x.astype(np.float32), u, dtype="bfloat16", false_alarm=1e-9, half_open=True
    )
    assert narrow == wide
    assert failed(narrow) == []


def test_low_resolution_bits_are_noticed():
    # A bfloat16 normal made from 7 random bits: 128 distinct values, and a mean off by 1 %.
    grid = (np.arange(128) + 0.5) / 128
    x = np.linspace(-7.0, 7.0, 200_001)
    values = np.interp(grid, Normal(0.0, 1.0).cdf(x), x)
    coarse = np.random.default_rng(0).choice(values, 1_000_000).astype(BFLOAT16)
    assert "ks" in failed(check_samples(coarse, Normal(0.0, 1.0), false_alarm=1e-9))


def test_constants():
    zeros = np.zeros((3, 4), np.float32)
    (check,) = check_samples(zeros, Constant(0.0), false_alarm=1e-6)
    assert check.name == "bounds"
    assert check.passed
    assert failed(check_samples(zeros, Constant(0.1), false_alarm=1e-6)) == ["bounds"]
    assert failed(check_samples(np.full(9, 0.1, np.float32), Constant(0.1), false_alarm=1e-6)) == []
    (check,) = check_samples(zeros, Uniform(0.0, 0.0), false_alarm=1e-6, half_open=True)
    assert check.passed


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, BFLOAT16], ids=str)
def test_what_is_not_finite_fails_everything(bad, dtype):
    x = draw(Normal(0.0, 1.0), 1000).astype(dtype)
    x[10] = bad
    checks = check_samples(x, Normal(0.0, 1.0), false_alarm=1e-6)
    assert failed(checks) == NAMES
    assert all(check.statistic == math.inf for check in checks)
    assert failed(check_samples(x, Constant(0.0), false_alarm=1e-6)) == ["bounds"]


def test_any_object_with_the_four_answers():
    @dataclasses.dataclass  # not frozen, so not hashable
    class Law:
        mean: float = 0.5
        std: float = 1 / math.sqrt(12)
        support: tuple = (0.0, 1.0)

        def cdf(self, x):
            return np.clip(x, 0.0, 1.0)

    require(*check_samples(np.random.default_rng(0).random(1000), Law(), false_alarm=1e-6))


def test_suite_rate_with_many_parts(allowed):
    # All checks of one call together keep to the rate of the call.
    normal = Normal(0.0, 1.0)
    count = sum(
        bool(
            failed(
                check_samples(np.random.default_rng(s).normal(size=100), normal, false_alarm=0.1)
            )
        )
        for s in range(500)
    )
    assert 1 <= count <= allowed(500, 0.1)


def test_public_names():
    import fanwise.testing

    names = {name for name in vars(fanwise.testing) if not name.startswith("_")}
    modules = {name for name in names if type(getattr(fanwise.testing, name)).__name__ == "module"}
    assert names - modules == set(fanwise.testing.__all__)
