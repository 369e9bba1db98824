import numpy as np
import pytest

from fanwise.distributions import Normal, TruncatedNormal, Uniform
from fanwise.testing import check_samples, ks, sample_size, variance_check

NORMAL = Normal(0.0, 0.02)


def zeros(n):
    return np.zeros(n, np.float32)


@pytest.mark.parametrize(
    "distribution", [NORMAL, Uniform(-1.0, 1.0), TruncatedNormal(0.0, 1.0, -2.0, 2.0)], ids=str
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_size_is_enough_and_not_more(distribution, dtype):
    n = sample_size(distribution, 1e-6, dtype=dtype)
    rate = 1e-6 / 5
    enough = [
        variance_check(zeros(n), distribution, rate, dtype=dtype).notices <= 0.01,
        ks(zeros(n), distribution.cdf, rate, slack=2.0**-18).notices <= 0.01666,
    ]
    assert all(enough)
    less = [
        variance_check(zeros(n - 1), distribution, rate, dtype=dtype).notices <= 0.01,
        ks(zeros(n - 2), distribution.cdf, rate, slack=2.0**-18).notices <= 0.01666,
    ]
    assert not all(less)


def test_figures():
    # (z + z)^2 / (2 * 0.01^2) for the scale, 111 thousand for the shape.
    assert sample_size(NORMAL, 1e-6) == pytest.approx(500_000, rel=0.05)
    assert sample_size(NORMAL, 1e-6, scale=0.5) == pytest.approx(110_000, rel=0.05)
    assert sample_size(NORMAL, 1e-6, scale=0.5, distance=0.057) == pytest.approx(9_500, rel=0.05)


@pytest.mark.parametrize("draw", ["scaled", "truncated", "uniform"])
def test_what_it_promises(draw):
    n = sample_size(NORMAL, 1e-9)
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    assert all(c.passed for c in check_samples(x * NORMAL.std, NORMAL, false_alarm=1e-9))
    if draw == "scaled":
        x = x * 1.01
    elif draw == "truncated":
        x = rng.normal(size=n + n // 10)
        x = x[np.abs(x) <= 2][:n]
        x = x / TruncatedNormal(0.0, 1.0, -2.0, 2.0).std
    else:
        x = rng.uniform(-np.sqrt(3), np.sqrt(3), n)
    checks = check_samples((x * NORMAL.std).astype(np.float32), NORMAL, false_alarm=1e-9)
    noticed = {check.name for check in checks if not check.passed}
    assert ("variance" if draw == "scaled" else "ks") in noticed


def test_refusals():
    with pytest.raises(ValueError, match="scale and distance must lie between 0 and 1, got 1"):
        sample_size(NORMAL, 1e-6, scale=1.5)
    with pytest.raises(ValueError, match="scale must exceed what arithmetic in float32 may cause"):
        sample_size(NORMAL, 1e-6, scale=1e-6)
    with pytest.raises(ValueError, match="distance must exceed what arithmetic in float32"):
        sample_size(NORMAL, 1e-6, distance=1e-6)
