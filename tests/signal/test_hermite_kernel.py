"""E[f(u) f(v)] of correlated normals, against closed forms."""

import math

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.signal.hermite_kernel import hermite_kernel

CORRELATIONS = st.floats(0, 1)
RELU = hermite_kernel(jax.nn.relu, 1.0)
ERF = {q: hermite_kernel(jax.lax.erf, q) for q in (1e-6, 0.3, 30.0)}


@hypothesis.given(c=CORRELATIONS)
def test_relu_is_the_arc_cosine_kernel(c):
    """Cho & Saul (2009), order 1, and of order 0 for the slope."""
    angle = math.acos(c)
    expected = (math.sin(angle) + (math.pi - angle) * c) / (2 * math.pi)
    assert RELU.value(c) == pytest.approx(expected, abs=2e-7)
    assert RELU.gap(c) == pytest.approx(0.5 - expected, abs=2e-7, rel=2e-3)
    assert RELU.slope(c) == pytest.approx((math.pi - angle) / (2 * math.pi), abs=1e-3)


@hypothesis.given(c=CORRELATIONS, q=st.sampled_from(sorted(ERF)))
def test_erf(c, q):
    """Williams (1997), Computing with infinite networks."""
    kernel, inner = ERF[q], 2 * q * c / (1 + 2 * q)
    expected = 2 / math.pi * math.asin(inner)
    slope = 2 / math.pi * (2 * q / (1 + 2 * q)) / math.sqrt(1 - inner**2)
    assert kernel.value(c) == pytest.approx(expected, rel=1e-7, abs=1e-15)
    assert kernel.slope(c) == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9, 1e-12])
def test_no_cancellation_near_1(gap):
    """For close inputs the kernel falls by slope(1) times the gap: chi_1 of mean field theory."""
    for kernel in (RELU, *ERF.values()):
        expected = gap * kernel.slope(1.0)
        assert kernel.gap(1 - gap) == pytest.approx(expected, rel=2 * math.sqrt(gap) + 1e-4)


@hypothesis.given(
    c=CORRELATIONS, fn=st.sampled_from([jnp.tanh, jax.nn.gelu, lambda z: jnp.clip(z, -1.0, 1.0)])
)
@hypothesis.settings(max_examples=5)
def test_against_a_double_sum(c, fn):
    """E[f(u) f(v)] by a plain grid over u and over v given u; kinks limit it to 1e-4."""
    z = np.linspace(-7, 7, 701)
    weights = np.exp(-(z**2) / 2)
    weights /= weights.sum()
    kernel = hermite_kernel(fn, 2.0)
    u = math.sqrt(2) * z[:, None] + 0 * z
    v = math.sqrt(2) * (c * z[:, None] + math.sqrt(1 - c**2) * z)
    product = np.asarray(fn(jnp.asarray(u)), float) * np.asarray(fn(jnp.asarray(v)), float)
    assert kernel.value(c) == pytest.approx(float(weights @ product @ weights), abs=1e-4)


def test_value_and_gap_agree():
    for c in (0.0, 0.3, 0.99, 1.0):
        assert RELU.value(c) + RELU.gap(c) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("q", [1e-30, 1.0, 1e30])
def test_relu_scales(q):
    kernel = hermite_kernel(jax.nn.relu, q)
    assert kernel.value(0.5) / q == pytest.approx(RELU.value(0.5), rel=1e-9)
    assert kernel.slope(0.5) / q == pytest.approx(RELU.slope(0.5), rel=1e-9)


@jax.custom_jvp
def straight_through(z):
    return jnp.round(z)


straight_through.defjvp(lambda primals, tangents: (straight_through(*primals), tangents[0]))


@pytest.mark.parametrize(
    "fn",
    [jnp.sign, lambda z: jnp.where(z > 0.3, z, 0.0), straight_through],
    ids=["sign", "hard shrink", "straight-through"],
)
def test_functions_that_jump(fn):
    """Their slopes by automatic differentiation are not those of the function."""
    with pytest.raises(ValueError, match="must not jump"):
        hermite_kernel(fn, 1.0)
