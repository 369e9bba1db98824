"""Quadrature over a normal variable, against closed forms."""

import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from fanwise.expectation import normal_expectation, normal_rule

STDS = st.floats(-6, 6).map(lambda exponent: 10.0**exponent)


@hypothesis.given(std=STDS, slope=st.floats(-2, 2))
def test_a_kink_at_zero(std, slope):
    """E[max(z, slope z)^2] = (1 + slope^2) / 2 * std^2, for slopes up to 1."""
    low = min(slope, 1.0)
    found = normal_expectation(lambda z: np.where(z > 0, z, low * z) ** 2, std)
    assert found == pytest.approx((1 + low**2) / 2 * std**2, rel=1e-9)


@hypothesis.given(std=STDS, at=st.floats(0.1, 8))
def test_two_jumps(std, at):
    """P(|z| < at), also where the std is far greater: nothing is stepped over."""
    found = normal_expectation(lambda z: np.where(np.abs(z) < at, 1.0, 0.0), std)
    assert found == pytest.approx(math.erf(at / std / math.sqrt(2)), rel=1e-6)


@hypothesis.given(std=STDS, width=st.floats(0.3, 3))
def test_a_bump(std, width):
    """E[exp(-z^2 / 2 width^2)] = 1 / sqrt(1 + std^2 / width^2)."""
    found = normal_expectation(lambda z: np.exp(-((z / width) ** 2) / 2), std)
    assert found == pytest.approx(1 / math.sqrt(1 + (std / width) ** 2), rel=1e-8)


def test_a_plain_grid_would_step_over_the_bump():
    """Planted: without panels of its own around 0, a bump of width 1 at std 1e6 is lost."""
    bump = lambda z: np.exp(-(z**2) / 2)
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    plain = bump(1e6 * nodes) @ weights / math.sqrt(2 * math.pi)
    assert plain == 0
    assert normal_expectation(bump, 1e6) == pytest.approx(1e-6, rel=1e-6)


def test_too_fast_growth():
    with np.errstate(over="ignore"):
        assert normal_expectation(lambda z: np.exp(z**2)) == math.inf
        assert normal_rule(lambda z: np.exp(z**2)).expectation == math.inf


def test_zero():
    assert normal_expectation(np.zeros_like, 3.0) == 0


@pytest.mark.parametrize("std", [1e-5, 1.0, 30.0])
def test_a_rule_serves_other_functions_with_the_same_kink(std):
    rule = normal_rule(lambda z: np.clip(z, -1, 1) ** 2, std)
    assert rule.weights.sum() == pytest.approx(1, rel=1e-12)
    assert rule.weights @ rule.points**2 == pytest.approx(std**2, rel=1e-12)
    inside = rule.weights @ (np.abs(rule.points) < 1).astype(float)
    assert inside == pytest.approx(math.erf(1 / std / math.sqrt(2)), rel=1e-5)
