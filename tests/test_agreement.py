"""The check by which other tests judge samples passes what is right and fails what is not."""

import numpy as np
import pytest
from scipy import stats

from fanwise.distributions import Normal, Uniform
from tests.agreement import assert_drawn_from, disagreements

SIZE = 200_000


@pytest.fixture
def generator(seed):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("distribution", [Normal(0.3, 2.0), Uniform(-1.0, 3.0)], ids=str)
def test_passes_the_distribution_itself(generator, distribution):
    quantiles = {
        Normal(0.3, 2.0): stats.norm(0.3, 2.0).ppf,
        Uniform(-1.0, 3.0): stats.uniform(-1.0, 4.0).ppf,
    }
    assert_drawn_from(quantiles[distribution](generator.uniform(size=SIZE)), distribution)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (stats.norm(0, 1.03), "mean square"),
        (stats.norm(0, 0.97), "mean square"),
        (stats.norm(0.02, 1), "mean is off"),
        (stats.truncnorm(-2, 2, scale=1 / 0.87962566), "cdf"),
        (stats.uniform(-np.sqrt(3), 2 * np.sqrt(3)), "cdf"),
    ],
    ids=["wide", "narrow", "shifted", "truncated", "uniform"],
)
def test_notices_what_is_close_to_a_standard_normal(generator, wrong, sentence):
    values = wrong.ppf(generator.uniform(size=SIZE))
    assert sentence in "; ".join(disagreements(values, Normal(0.0, 1.0)))
    with pytest.raises(AssertionError, match=sentence):
        assert_drawn_from(values, Normal(0.0, 1.0))


def test_notices_a_value_outside_of_the_support():
    values = np.append(np.linspace(0, 1, 1000), 1.001)
    assert "leave the support" in "; ".join(disagreements(values, Uniform(0.0, 1.0)))
