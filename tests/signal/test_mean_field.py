"""Fixed points, against closed forms for relu and erf, and what the papers say of tanh."""

import math

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import pytest

from fanwise.signal.critical_line import critical_sigma_w
from fanwise.signal.mean_field import mean_field

LEAKY = lambda z: jnp.where(z > 0, z, 0.2 * z)


def iterate(step, start, count=20000):
    for _ in range(count):
        start, before = step(start), start
        if start == before:
            break
    return start


def erf_length(sigma_w, sigma_b, q):
    return sigma_w**2 * 2 / math.pi * math.asin(2 * q / (1 + 2 * q)) + sigma_b**2


def erf_correlation(sigma_w, sigma_b, q, c):
    kernel = 2 / math.pi * math.asin(2 * q * c / (1 + 2 * q))
    return (sigma_w**2 * kernel + sigma_b**2) / q


@hypothesis.given(sigma_w=st.floats(0.2, 4), sigma_b=st.floats(0.05, 2))
@hypothesis.settings(max_examples=5)
def test_erf(sigma_w, sigma_b):
    """By Williams' (1997) closed form, iterated layer by layer."""
    found = mean_field(jax.lax.erf, sigma_w, sigma_b)
    q = iterate(lambda q: erf_length(sigma_w, sigma_b, q), 1.0)
    chi_1 = sigma_w**2 * 4 / math.pi / math.sqrt(1 + 4 * q)
    chi_q = sigma_w**2 * 4 / math.pi / (1 + 2 * q) / math.sqrt(1 + 4 * q)
    assert found.q == pytest.approx(q, rel=1e-7)
    assert found.chi_1 == pytest.approx(chi_1, rel=1e-7)
    assert found.chi_q == pytest.approx(chi_q, rel=1e-7)
    hypothesis.assume(abs(chi_1 - 1) > 0.01)  # where iterations settle
    c = iterate(lambda c: erf_correlation(sigma_w, sigma_b, q, c), 0.0)
    assert found.c == pytest.approx(c, abs=1e-6)
    slope = 2 * q / (1 + 2 * q)
    chi_c = sigma_w**2 / q * 2 / math.pi * slope / math.sqrt(1 - (slope * c) ** 2)
    assert found.chi_c == pytest.approx(chi_c, rel=1e-6)
    assert found.phase == ("ordered" if chi_1 < 1 else "chaotic")


@hypothesis.given(sigma_w=st.floats(0.1, 1.38), sigma_b=st.floats(0.01, 10))
@hypothesis.settings(max_examples=5)
def test_relu_below_its_critical_point(sigma_w, sigma_b):
    """q = sigma_b^2 / (1 - sigma_w^2 / 2), and every slope is sigma_w^2 / 2."""
    found = mean_field(jax.nn.relu, sigma_w, sigma_b)
    chi = sigma_w**2 / 2
    assert found.q == pytest.approx(sigma_b**2 / (1 - chi), rel=1e-9)
    for slope in (found.chi_1, found.chi_q, found.chi_c):
        assert slope == pytest.approx(chi, rel=1e-6)
    assert (found.c, found.phase) == (1.0, "ordered")
    for depth in (found.xi_q, found.xi_c, found.xi_gradient):
        assert depth == pytest.approx(-1 / math.log(chi), rel=1e-5)


def test_relu_at_its_critical_point():
    found = mean_field(jax.nn.relu, math.sqrt(2), 0.0)
    assert math.isnan(found.q)
    assert found.phase == "critical"
    assert found.xi_q == found.xi_c == found.xi_gradient == math.inf
    assert "second moments stay what they are" in str(found)


@pytest.mark.parametrize(
    ("fn", "sigma_w", "sigma_b"),
    [
        (jax.nn.relu, 1.5, 0.0),
        (jax.nn.relu, 2.0, 1.0),
        (jax.nn.relu, math.sqrt(2), 0.1),
        (jax.nn.silu, 2.0, 1.0),
        (lambda z: z, 1.0, 0.1),
        (jnp.square, 1.0, 0.0),
    ],
    ids=["relu", "relu with biases", "critical relu with biases", "silu", "identity", "square"],
)
def test_no_fixed_point(fn, sigma_w, sigma_b):
    """Each layer adds or multiplies, for ever."""
    found = mean_field(fn, sigma_w, sigma_b)
    assert found.q == math.inf
    assert found.phase == "unbounded"
    assert "grow without end" in str(found)
    if fn in (jax.nn.relu, jax.nn.silu):
        assert found.chi_1 == pytest.approx(sigma_w**2 / 2, rel=1e-6)


def test_signals_that_vanish():
    """tanh at sigma_w < 1 without biases: q falls by sigma_w^2 a layer, and angles stay."""
    found = mean_field(jnp.tanh, 0.5, 0.0)
    assert found.q == 0
    assert found.chi_1 == pytest.approx(0.25, rel=1e-6)
    assert found.chi_q == pytest.approx(0.25, rel=1e-6)
    assert math.isnan(found.c)
    assert found.phase == "ordered"
    assert found.xi_gradient == pytest.approx(1 / math.log(4), rel=1e-6)


def test_identity_keeps_correlations():
    found = mean_field(lambda z: z, 1.0, 0.0)
    assert found.phase == "critical"
    assert math.isnan(found.c)
    assert str(found).endswith("Only the width limits how deep a signal reaches.")


def test_tanh_at_its_critical_point():
    """Schoenholz et al. (2017): sigma_w = 1, sigma_b = 0; q falls to 0 as 1 / 2l."""
    found = mean_field(jnp.tanh, 1.0, 0.0)
    assert found.q == 0
    assert found.chi_1 == pytest.approx(1, abs=1e-9)
    assert found.phase == "critical"


@pytest.mark.parametrize(
    ("weight", "bias"),
    # Schoenholz et al. (2017), figure 5; Xiao et al. (2018), which trains 10,000 layers.
    [(1.76, 0.05), (1.05, 2.01e-5)],
)
def test_points_that_papers_call_critical(weight, bias):
    """Given there to three digits: chi_1 is 1 to three digits."""
    found = mean_field(jnp.tanh, math.sqrt(weight), math.sqrt(bias))
    assert found.chi_1 == pytest.approx(1, abs=2e-3)
    assert critical_sigma_w(jnp.tanh, math.sqrt(bias)) ** 2 == pytest.approx(weight, abs=5e-3)


@hypothesis.given(sigma_w=st.floats(1.05, 5))
@hypothesis.settings(max_examples=4)
def test_tanh_without_biases_forgets_in_chaos(sigma_w):
    """Odd functions take uncorrelated inputs to uncorrelated ones; Poole et al. (2016)."""
    found = mean_field(jnp.tanh, sigma_w, 0.0)
    assert found.phase == "chaotic"
    assert found.c == 0
    assert 0 < found.chi_c < 1 < found.chi_1


@hypothesis.given(sigma_w=st.floats(0.3, 5), sigma_b=st.floats(0.01, 2))
@hypothesis.settings(max_examples=4)
def test_tanh(sigma_w, sigma_b):
    """What holds of every such network: sizes below sigma_w^2 + sigma_b^2, and one phase."""
    found = mean_field(jnp.tanh, sigma_w, sigma_b)
    assert sigma_b**2 < found.q < sigma_w**2 + sigma_b**2
    assert 0 < found.chi_q < found.chi_1
    assert 0 < found.chi_c < 1 + 1e-6
    assert (found.c < 1) == (found.phase == "chaotic")
    if found.phase == "ordered":
        assert found.chi_c == pytest.approx(found.chi_1, rel=1e-6)


def test_depth_scales_are_those_of_the_maps():
    """Iterating erf's closed form for xi layers brings q and c closer by a factor of e."""
    sigma_w, sigma_b = 1.4, 0.2
    found = mean_field(jax.lax.erf, sigma_w, sigma_b)
    assert found.phase == "chaotic"
    c = found.c + 1e-4
    layers = 5
    for _ in range(layers):
        c = erf_correlation(sigma_w, sigma_b, found.q, c)
    assert (c - found.c) / 1e-4 == pytest.approx(math.exp(-layers / found.xi_c), rel=1e-3)
    q = found.q + 1e-5
    for _ in range(2):
        q = erf_length(sigma_w, sigma_b, q)
    assert (q - found.q) / 1e-5 == pytest.approx(math.exp(-2 / found.xi_q), rel=1e-3)


def test_in_words():
    said = str(mean_field(jnp.tanh, 3.0, 0.3))
    found = mean_field(jnp.tanh, 3.0, 0.3)
    assert said.startswith("chaotic: second moments settle at ")
    assert f"multiplies the gradient's by {found.chi_1:.3g}" in said
    assert f"about {6 * found.xi_c:.3g} layers deep" in said
    assert "at once" in str(mean_field(jnp.zeros_like, 1.0, 0.5))


@pytest.mark.parametrize(("fn", "sigma_b"), [(jnp.tanh, 0.01), (jnp.tanh, 0.5), (jax.nn.selu, 0.3)])
def test_the_critical_line(fn, sigma_b):
    sigma_w = critical_sigma_w(fn, sigma_b)
    on = mean_field(fn, sigma_w, sigma_b)
    assert on.phase == "critical"
    assert on.xi_c == math.inf
    # Planted: 1 % beside it is not on it.
    assert mean_field(fn, 0.99 * sigma_w, sigma_b).phase == "ordered"
    assert mean_field(fn, 1.01 * sigma_w, sigma_b).phase == "chaotic"


def test_erfs_critical_line():
    """(q - sigma_b^2) 4 / pi / sqrt(1 + 4 q) = 2 / pi asin(2q / (1 + 2q)), by bisection."""

    def excess(q):
        gain = (q - 0.04) * 2 / math.sqrt(1 + 4 * q)
        return gain - math.asin(2 * q / (1 + 2 * q))

    low, high = 0.04, 4.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    expected = (math.pi / 4 * math.sqrt(1 + 4 * low)) ** 0.5
    assert critical_sigma_w(jax.lax.erf, 0.2) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(
    ("fn", "sigma_b", "expected"),
    [
        (jnp.tanh, 0.0, 1.0),
        (jax.lax.erf, 0.0, math.sqrt(math.pi) / 2),
        (jax.nn.gelu, 0.0, 2.0),
        (jax.nn.relu, 0.0, math.sqrt(2)),
        (jax.nn.relu, 1.0, math.sqrt(2)),
        (LEAKY, 0.0, math.sqrt(2 / 1.04)),
        (jax.nn.relu6, 0.0, math.sqrt(2)),
    ],
)
def test_critical_points(fn, sigma_b, expected):
    assert critical_sigma_w(fn, sigma_b) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(("fn", "sigma_b"), [(jax.nn.softplus, 1.0), (jnp.zeros_like, 0.0)])
def test_no_critical_line(fn, sigma_b):
    with pytest.raises(ValueError, match="no critical line at sigma_b"):
        critical_sigma_w(fn, sigma_b)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (
            (jnp.tanh, 0.0, 0.0),
            ValueError,
            "sigma_w must be a number greater than 0 and finite, got 0.0",
        ),
        (
            (jnp.tanh, 1.0, -0.1),
            ValueError,
            "sigma_b must be a number of at least 0 and finite, got -0.1",
        ),
        ((jnp.tanh, "1", 0.0), TypeError, "sigma_w"),
        (("tanh", 1.0, 0.0), TypeError, "got 'tanh'"),
        ((jnp.sign, 1.0, 0.0), ValueError, "must not jump"),
    ],
)
def test_bad_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        mean_field(*arguments)
