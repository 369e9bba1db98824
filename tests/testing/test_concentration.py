import math

import mpmath
import numpy as np
import pytest
from scipy import integrate, special, stats

from fanwise.distributions import Normal, Triangular, TruncatedNormal, Uniform
from fanwise.testing.concentration import (
    NormalMean,
    NormalRms,
    SubGamma,
    dkwm_radius,
    hoeffding_radius,
)
from fanwise.testing.law import law_of

LAWS = [
    Uniform(-1.0, 1.0),
    Triangular(-2.0, 2.0),
    TruncatedNormal(0.0, 1.0, -2.0, 2.0),
    TruncatedNormal(0.0, 1.0, -1.0, 4.0),
    TruncatedNormal(0.0, 0.02, -2.0, 2.0),  # nothing is cut off, and the support is 100 std wide
]


def log_mgf(law, function, s, upto=12.0):
    """Logarithm of E exp(s f(z)) of a standardized law, by quadrature with its cdf."""
    low, high = (
        max(-upto, (law.support[0] - law.mean) / law.std),
        min(upto, (law.support[1] - law.mean) / law.std),
    )
    edges = np.linspace(low, high, 40_001)
    mass = np.diff(law.cdf(law.mean + law.std * edges))
    middle = (edges[1:] + edges[:-1]) / 2
    return math.log(float(mass @ np.exp(s * function(middle))))


@pytest.mark.parametrize("distribution", LAWS, ids=str)
@pytest.mark.parametrize(
    ("tails", "function"),
    [("value", lambda z: z), ("square", lambda z: z**2 - 1)],
    ids=["value", "square"],
)
def test_moment_generating_functions_are_below_bernsteins(distribution, tails, function):
    bound = getattr(law_of(distribution, "float64"), tails)
    assert isinstance(bound, SubGamma)
    # Beyond these s a cdf in float64 cannot tell E exp(s z^2) of what is nearly normal.
    for c, sign in ((bound.upper, 1), (bound.lower, -1)):
        for s in np.linspace(0.01, min(0.95 / c, 0.25 if tails == "square" else 4.0), 20):
            allowed = bound.variance * s**2 / (2 * (1 - c * s))
            assert log_mgf(distribution, function, sign * s) <= allowed + 1e-7


def test_constants_of_known_laws():
    uniform = law_of(Uniform(-1.0, 1.0), "float64")
    assert uniform.square.variance == pytest.approx(0.8, rel=1e-3)
    # Bernstein's bound for bounded variables allows a third of the largest value.
    assert uniform.value.upper <= math.sqrt(3) / 3
    assert uniform.square.upper <= 2 / 3
    assert uniform.product.upper <= 1
    nearly_normal = law_of(TruncatedNormal(0.0, 0.02, -2.0, 2.0), "float64")
    assert nearly_normal.square.variance == pytest.approx(2.0, rel=4e-3)
    assert 2 <= nearly_normal.square.upper < 3
    # Moments of a product of normals approach those for c = 1 from below, in high orders.
    assert 0.95 <= nearly_normal.product.upper < 1.6


@pytest.mark.parametrize("distribution", LAWS[:3], ids=str)
def test_products_are_below_bernsteins(distribution):
    law = law_of(distribution, "float64")
    edges = np.linspace(*distribution.support, 801)
    mass = np.diff(distribution.cdf(edges))
    z = (edges[1:] + edges[:-1]) / 2 / distribution.std
    for s in np.linspace(0.02, 0.95 / law.product.upper, 15):
        mgf = mass @ np.exp(s * np.outer(z, z)) @ mass
        assert math.log(mgf) <= s**2 / (2 * (1 - law.product.upper * s)) + 1e-5


def test_products_of_normals_have_the_closed_form():
    assert law_of(Normal(0.0, 1.0), "float64").product == SubGamma(1.0, 1.0, 1.0)
    s = np.linspace(0.0, 0.999, 1000)
    assert np.all(-np.log(1 - s**2) / 2 <= s**2 / (2 * (1 - s)) + 1e-15)
    # and the closed form is right:
    mgf, _ = integrate.quad(lambda x: math.exp(0.09 * x**2 / 2) * stats.norm.pdf(x), -40, 40)
    assert math.log(mgf) == pytest.approx(-math.log(1 - 0.09) / 2, rel=1e-9)


@pytest.mark.parametrize("n", [1, 7, 1000, 10**6])
@pytest.mark.parametrize("rate", [0.05, 1e-6, 5e-13, 1e-18])
def test_chi_squared_quantiles_against_mpmath(n, rate):
    with mpmath.workdps(40):
        above = mpmath.mpf(n) * (1 + mpmath.mpf(NormalRms().above(n, rate))) / 2
        tail = mpmath.gammainc(mpmath.mpf(n) / 2, above, mpmath.inf, regularized=True)
        # The quantile itself has 16 digits, which are fewer of its tail where that is steep.
        assert float(tail) == pytest.approx(rate, rel=1e-6)
        below = mpmath.mpf(n) * (1 - mpmath.mpf(NormalRms().below(n, rate))) / 2
        tail = mpmath.gammainc(mpmath.mpf(n) / 2, 0, below, regularized=True)
        assert float(tail) == pytest.approx(rate, rel=1e-6) or NormalRms().below(n, rate) > 1 - 1e-9


def test_normal_quantiles():
    assert NormalMean().above(4, 1e-12) * 2 == pytest.approx(7.034483825301132, rel=1e-12)
    assert float(special.ndtr(-7.034483825301132)) == pytest.approx(1e-12, rel=1e-9)


def test_radii_invert_their_inequalities():
    assert 2 * math.exp(-2 * 1000 * dkwm_radius(1000, 1e-9) ** 2) == pytest.approx(1e-9)
    assert math.exp(-2 * 1000 * hoeffding_radius(1000, 1e-9) ** 2) == pytest.approx(1e-9)


def test_bernsteins_radius():
    tails = SubGamma(2.0, 3.0, 0.5)
    assert tails.above(100, math.exp(-4)) == pytest.approx(0.4 + 0.12)
    assert tails.below(100, math.exp(-4)) == pytest.approx(0.4 + 0.02)


def test_both_tails_of_symmetric_laws_are_alike():
    # Near 1 a cdf has no small differences, so the upper tail needs its own probabilities.
    law = law_of(TruncatedNormal(0.0, 0.02, -2.0, 2.0), "bfloat16")
    mass = law.cells.mass
    np.testing.assert_allclose(np.cumsum(mass), np.cumsum(mass[::-1]), rtol=1e-4)
    assert mass[-1] < 2e-30
    assert law.value.upper == pytest.approx(law.value.lower, rel=1e-6)


def test_dkwm_for_104_thousand_samples():
    # A truncated normal in place of a normal, both error rates 1e-6.
    assert 2 * dkwm_radius(104_000, 1e-6) == pytest.approx(0.0167, rel=1e-3)
