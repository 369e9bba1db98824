import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from fanwise.distributions import Normal, Triangular, TruncatedNormal, Uniform
from fanwise.testing.law import law_of
from fanwise.testing.tails import NEGLIGIBLE, tail_of


@dataclasses.dataclass(frozen=True)
class Frozen:
    """A law of scipy.stats."""

    law: object
    mean: float
    std: float
    support: tuple = (-math.inf, math.inf)

    def cdf(self, x):
        return self.law.cdf(x)


LAPLACE = Frozen(stats.laplace(), 0.0, math.sqrt(2))
LOGISTIC = Frozen(stats.logistic(), 0.0, math.pi / math.sqrt(3))
GUMBEL = Frozen(stats.gumbel_r(), 0.5772156649015329, math.pi / math.sqrt(6))


@pytest.mark.parametrize(
    ("distribution", "law"),
    [
        (Normal(0.0, 1.0), stats.norm()),
        (Normal(3.0, 0.02), stats.norm(3.0, 0.02)),
        (LAPLACE, LAPLACE.law),
        (LOGISTIC, LOGISTIC.law),
        (GUMBEL, GUMBEL.law),
    ],
    ids=["normal", "narrow normal", "laplace", "logistic", "gumbel"],
)
@pytest.mark.parametrize("sign", [-1, 1])
def test_bounds_are_above_the_tail(distribution, law, sign):
    tail = tail_of(distribution, sign)
    x = distribution.mean + sign * distribution.std * np.linspace(0.0, 30.0, 301)
    truth = law.sf(x) if sign > 0 else law.cdf(x)
    assert np.all(tail.mass(x) >= truth * (1 - 1e-4))
    for probability in (1e-3, 1e-15, 1e-25, NEGLIGIBLE):
        end = tail.reach(probability)
        beyond = law.sf(end) if sign > 0 else law.cdf(end)
        assert beyond <= probability * (1 + 1e-4)


def test_reach_of_a_normal_is_not_much_too_far():
    tail = tail_of(Normal(0.0, 1.0), 1)
    assert 8.8 < tail.reach(5e-19) < 9.7  # the quantile is 8.83


@pytest.mark.parametrize(
    "distribution", [Uniform(-2.0, 3.0), Triangular(0.0, 1.0), TruncatedNormal(0.0, 1.0, -3.0, 2.0)]
)
def test_near_ends_are_the_support_itself(distribution):
    for sign, end in zip((-1, 1), distribution.support, strict=True):
        tail = tail_of(distribution, sign)
        assert tail.reach(NEGLIGIBLE) == end
        x = np.linspace(*distribution.support, 101)
        below = distribution.cdf(x)
        np.testing.assert_array_equal(tail.mass(x), 1 - below if sign > 0 else below)


def test_one_far_and_one_near_end():
    half = TruncatedNormal(0.0, 1.0, 0.0, math.inf)
    assert tail_of(half, -1).reach(NEGLIGIBLE) == 0.0
    assert 11 < tail_of(half, 1).reach(NEGLIGIBLE) < 16
    assert law_of(half, "float64").value.upper > 0


def test_a_far_support_that_says_nothing():
    wide = TruncatedNormal(0.0, 0.02, -2.0, 2.0)
    assert 0.2 < tail_of(wide, 1).reach(NEGLIGIBLE) < 0.32
    assert tail_of(wide, 1).mass(np.asarray([2.0, 3.0])).tolist() == [0.0, 0.0]


def test_moments_of_the_parent_law_are_refused():
    wrong = Frozen(stats.truncnorm(-2, 2), 0.0, 1.0, (-2.0, 2.0))
    with pytest.raises(ValueError, match=r"std=1\.0 .* not those of its cdf, which are .* 0\.8796"):
        law_of(wrong, "float64")
    with pytest.raises(ValueError, match="not those of its cdf"):
        law_of(dataclasses.replace(LAPLACE, mean=0.01), "float64")
    assert law_of(LAPLACE, "float64").square.variance == pytest.approx(5.0, rel=5e-3)


def test_a_law_without_a_decaying_tail_is_refused():
    heavy = Frozen(stats.uniform(-1, 2), 0.0, 3**-0.5)
    with pytest.raises(ValueError, match="no decaying upper tail, where its support ends inf std"):
        tail_of(dataclasses.replace(heavy, std=5.0), 1)
