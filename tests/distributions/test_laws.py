"""cdf, mean, std and support of the scalar distributions, and samples against them."""

import math

import jax
import numpy as np
import pytest
from scipy import stats

from fanwise.distributions import Constant, Normal, Triangular, TruncatedNormal, Uniform
from tests.agreement import assert_drawn_from, disagreements

INF = math.inf


def truncated(loc, scale, low, high):
    return stats.truncnorm((low - loc) / scale, (high - loc) / scale, loc, scale)


# Ours beside scipy's.
LAWS = [
    (Uniform(0.0, 1.0), stats.uniform(0, 1)),
    (Uniform(-0.05, 0.05), stats.uniform(-0.05, 0.1)),
    (Uniform(1000.0, 1001.0), stats.uniform(1000, 1)),
    (Normal(0.0, 1.0), stats.norm(0, 1)),
    (Normal(-3.0, 0.02), stats.norm(-3, 0.02)),
    (TruncatedNormal(0.0, 1.0, -2.0, 2.0), truncated(0, 1, -2, 2)),
    (TruncatedNormal(0.1, 1.3, -2.0, 2.1), truncated(0.1, 1.3, -2, 2.1)),
    (TruncatedNormal(0.0, 0.02, -2.0, 2.0), stats.norm(0, 0.02)),
    (TruncatedNormal(0.0, 1.0, -INF, INF), stats.norm(0, 1)),
    (TruncatedNormal(0.0, 1.0, -INF, 0.3), truncated(0, 1, -INF, 0.3)),
    (TruncatedNormal(0.0, 1.0, 0.5, INF), truncated(0, 1, 0.5, INF)),
    (TruncatedNormal(0.0, 1.0, 6.0, 7.0), truncated(0, 1, 6, 7)),
    (TruncatedNormal(0.0, 1.0, -7.0, -6.0), truncated(0, 1, -7, -6)),
    (TruncatedNormal(0.0, 1.0, 6.0, INF), truncated(0, 1, 6, INF)),
    (TruncatedNormal(0.0, 0.1, 3.0, 3.05), truncated(0, 0.1, 3, 3.05)),
    (TruncatedNormal(0.0, 1.0, -INF, -30.0), truncated(0, 1, -INF, -30)),
    (TruncatedNormal(2.0, 1.0, -35.0, -30.0), truncated(2, 1, -35, -30)),
    (TruncatedNormal(0.0, 1.0, -4.9, -4.6), truncated(0, 1, -4.9, -4.6)),
    (TruncatedNormal(0.0, 1.0, 0.9, 1.1), truncated(0, 1, 0.9, 1.1)),
    (Triangular(-1.0, 1.0), stats.triang(0.5, -1, 2)),
    (Triangular(0.25, 0.75), stats.triang(0.5, 0.25, 0.5)),
]
OURS = [ours for ours, _ in LAWS]


NODES, WEIGHTS = np.polynomial.legendre.leggauss(20)


def integral(f, start, stop, panels=100):
    """Gauss-Legendre quadrature of a function of an array."""
    edges = np.linspace(start, stop, panels + 1)
    half = (stop - start) / panels / 2
    points = (edges[:-1] + half)[:, None] + half * NODES
    return float((f(points) @ WEIGHTS).sum() * half)


def inner_interval(law):
    """An interval that holds all but 2e-12 of the probability."""
    return law.ppf(1e-12), law.isf(1e-12)


@pytest.mark.parametrize(("ours", "theirs"), LAWS, ids=map(repr, OURS))
def test_cdf_and_support_against_scipy(ours, theirs):
    low, high = inner_interval(theirs)
    x = np.linspace(low - 0.2 * (high - low), high + 0.2 * (high - low), 1001)
    np.testing.assert_allclose(ours.cdf(x), theirs.cdf(x), rtol=0, atol=3e-12)
    assert ours.support[0] <= low
    assert high <= ours.support[1]


@pytest.mark.parametrize("ours", OURS, ids=repr)
def test_cdf_runs_from_0_to_1(ours):
    low, high = ours.support
    if math.isfinite(low) and math.isfinite(high):
        x = np.linspace(low, high, 1001)
    else:
        x = np.linspace(*inner_interval(dict(LAWS)[ours]), 1001)
    values = ours.cdf(x)
    assert (np.diff(values) >= 0).all()
    assert values[0] >= 0
    assert values[-1] <= 1
    assert float(ours.cdf(np.nextafter(low, -INF))) == 0.0
    assert float(ours.cdf(high)) == 1.0
    assert float(ours.cdf(-INF)) == 0.0
    assert float(ours.cdf(INF)) == 1.0


@pytest.mark.parametrize("ours", OURS, ids=repr)
def test_mean_and_std_against_the_integral_of_the_cdf(ours):
    """E[X - c] and E[(X - c)^2] from the cdf alone, by parts, over pieces of the line."""
    theirs = dict(LAWS)[ours]
    low, high = inner_interval(theirs)
    centre = theirs.median()
    survival = lambda x: 1 - ours.cdf(x)
    first = integral(survival, centre, high) - integral(ours.cdf, low, centre)
    second = 2 * integral(lambda x: (x - centre) * survival(x), centre, high)
    second += 2 * integral(lambda x: (centre - x) * ours.cdf(x), low, centre)
    std = math.sqrt(second - first**2)
    assert ours.std == pytest.approx(std, rel=1e-8)
    assert ours.mean == pytest.approx(centre + first, abs=1e-8 * std)


@pytest.mark.parametrize(
    ("ours", "mean", "std"),
    [
        (Uniform(-1, 3), 1.0, 4 / math.sqrt(12)),
        (Normal(0.3, 2), 0.3, 2.0),
        (Triangular(-1, 3), 1.0, 4 / math.sqrt(24)),
        (TruncatedNormal(0, 1, 0, INF), math.sqrt(2 / math.pi), math.sqrt(1 - 2 / math.pi)),
        (TruncatedNormal(0, 1, -2, 2), 0.0, 0.8796256610342398),
        (TruncatedNormal(5, 2, 1, 9), 5.0, 2 * 0.8796256610342398),
    ],
    ids=repr,
)
def test_mean_and_std_in_closed_form(ours, mean, std):
    assert ours.mean == pytest.approx(mean, rel=1e-14, abs=1e-15)
    assert ours.std == pytest.approx(std, rel=1e-14)


@pytest.mark.parametrize(
    ("low", "high"),
    [(-5.0, -4.98), (-5.0, -4.9), (-4.0, -3.98), (-3.0, -2.98), (2.98, 3.0), (4.9, 5.0)],
)
def test_moments_of_a_slice_of_a_tail(low, high):
    """A slice this narrow is nearly uniform; its std loses no digits to cancellation."""
    width, middle = high - low, (low + high) / 2
    ours = TruncatedNormal(0, 1, low, high)

    def moment(power):
        relative = lambda t: np.exp(-((middle + t) ** 2 - middle**2) / 2) * t**power
        return integral(relative, -width / 2, width / 2, panels=4)

    mass = moment(0)
    mean, square = moment(1) / mass, moment(2) / mass
    assert ours.std == pytest.approx(math.sqrt(square - mean**2), rel=1e-9)
    assert ours.mean == pytest.approx(middle + mean, rel=1e-13)


@pytest.mark.parametrize("law", [Uniform(1, 1), Triangular(1, 1), TruncatedNormal(0, 1, 1, 1)])
def test_an_interval_of_one_point(law, key):
    assert (law.mean, law.std) == (1.0, 0.0)
    assert law.support == (1.0, 1.0)
    assert law.cdf([0.999, 1.0, 1.001]).tolist() == [0.0, 1.0, 1.0]
    assert np.asarray(law.sample(key, (100,))).tolist() == [1.0] * 100


def test_a_normal_without_spread(key):
    law = Normal(0.3, 0)
    assert law.support == (0.3, 0.3)
    assert law.cdf([0.29, 0.3, 0.31]).tolist() == [0.0, 1.0, 1.0]
    assert np.asarray(law.sample(key, (100,))).tolist() == [float(np.float32(0.3))] * 100


@pytest.mark.parametrize("law", [*OURS, Constant(0.5)], ids=repr)
def test_cdf_keeps_the_shape(law):
    for shape in [(), (0,), (3,), (2, 3)]:
        values = law.cdf(np.zeros(shape))
        assert np.shape(values) == shape
        assert values.dtype == np.float64


@pytest.mark.parametrize("law", OURS, ids=repr)
def test_samples_follow_the_cdf(law, key):
    with jax.enable_x64(True):
        assert_drawn_from(law.sample(key, (400, 500), "float64"), law)


@pytest.mark.parametrize(
    "law",
    [law for law in OURS if 0.1 < law.std < 10 and abs(law.mean) < 10],
    ids=repr,
)
def test_samples_in_float32_follow_the_cdf(law, key):
    assert_drawn_from(law.sample(key, (400, 500)), law)


@pytest.mark.parametrize(
    ("drawn", "claimed"),
    [
        (Normal(0, 1), TruncatedNormal(0, 1.1368472, -2 * 1.1368472, 2 * 1.1368472)),
        (TruncatedNormal(0, 1, -2, 2), Normal(0, 0.8796256610342398)),
        (Uniform(-math.sqrt(3), math.sqrt(3)), Triangular(-math.sqrt(6), math.sqrt(6))),
        (Uniform(0, 2), Uniform(-1, 1)),
        (TruncatedNormal(0, 1, 6, 7), TruncatedNormal(0, 1, 6, 6.5)),
        (Normal(0, 1.03), Normal(0, 1)),
    ],
    ids=repr,
)
def test_samples_do_not_follow_another_cdf(drawn, claimed, key):
    assert disagreements(drawn.sample(key, (400, 500)), claimed)


@pytest.mark.parametrize(
    "law", [Normal(0, 1), Uniform(-1, 1), TruncatedNormal(0, 1, -2, 2), Triangular(-1, 1)], ids=repr
)
def test_elements_are_independent(law, key):
    """Neighbours along each axis, and draws from two keys, do not correlate."""
    first, second = jax.random.split(key)
    x = (np.asarray(law.sample(first, (300, 400)), np.float64) - law.mean) / law.std
    y = (np.asarray(law.sample(second, (300, 400)), np.float64) - law.mean) / law.std
    for pairs in (x[1:] * x[:-1], x[:, 1:] * x[:, :-1], x * y, x[:150] * x[150:]):
        assert abs(pairs.mean()) * math.sqrt(pairs.size) < 6.2
