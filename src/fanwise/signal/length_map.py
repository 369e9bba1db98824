"""From the second moment of a wide layer's output to that of the next."""

import math
from collections.abc import Callable

import numpy as np

from fanwise.signal.pointwise import Activation, Pointwise

__all__ = ["FARTHEST", "LengthMap", "crossing"]

FARTHEST = 160.0
"""The logarithm of second moments beyond which nothing is looked for."""

_NOISE = 1e-9  # of quadrature
# Where a function is what it is at 0, or at infinity.
_SMALL, _LARGE = 1e-20, 1e20


class LengthMap:
    r"""The map :math:`q \to \sigma_w^2 \mathbb{E}[f(\sqrt{q} z)^2] + \sigma_b^2`.

    Args:
        activation: an elementwise function.
        sigma_w: std of the weights, times sqrt(fan_in).
        sigma_b: std of the biases.
    """

    def __init__(self, activation: Activation, sigma_w: float, sigma_b: float) -> None:
        self.sigma_w, self.sigma_b = sigma_w, sigma_b
        self._f = Pointwise(activation)

    def log_ratio(self, log_q: float) -> float:
        """Logarithm of the next second moment's ratio to this one."""
        log_next = 2 * math.log(self.sigma_w) + self._f.log_second_moment(log_q)
        if self.sigma_b > 0:
            log_next = float(np.logaddexp(log_next, 2 * math.log(self.sigma_b)))
        return log_next - log_q

    def chi_1(self, q: float) -> float:
        """sigma_w^2 E[f'(z)^2]."""
        return self.sigma_w**2 * math.exp(self._f.log_slope(math.log(q)))

    def chi_q(self, q: float) -> float:
        """The map's slope: sigma_w^2 E[z f(z) f'(z)] / q, which has no second derivative."""
        rule = self._f.rule(q)
        product = rule.points * self._f.values(rule.points) * self._f.slopes(rule.points)
        return self.sigma_w**2 * float(rule.weights @ product) / q

    def fixed_point(self) -> float:
        """Where a second moment of 1 goes.

        That is the first fixed point upwards if the map is above 1 there, and downwards if it is
        below, provided that the map rises, as it does for all functions that grow or level off
        on both sides of 0.

        Returns:
            The fixed point; inf if there is none upwards, nan if every second moment is one.
        """
        if self._f.is_homogeneous:
            return self._of_homogeneous()
        start = self.log_ratio(0.0)
        if abs(start) <= _NOISE:
            return 1.0
        end = math.copysign(FARTHEST, start)
        log_q = crossing(self.log_ratio, 0.0, end)
        if log_q is not None:
            return math.exp(log_q)
        return math.inf if start > 0 else 0.0

    def _of_homogeneous(self) -> float:
        factor = self.chi_1(1.0)
        if abs(factor - 1) <= _NOISE:
            return math.nan if self.sigma_b == 0 else math.inf
        return self.sigma_b**2 / (1 - factor) if factor < 1 else math.inf

    def representative(self, q: float) -> float:
        """A positive, finite second moment at which the map is what it is at ``q``."""
        if math.isnan(q) or self._f.is_homogeneous:
            return 1.0 if not (math.isfinite(q) and q > 0) else q
        return min(max(q, _SMALL), _LARGE)


def crossing(excess: Callable[[float], float], start: float, end: float) -> float | None:
    """The first place from ``start`` to ``end`` at which a function changes its sign.

    Steps are a quarter at first and one further out. Values below the noise of quadrature are
    of neither sign.

    Returns:
        The place; None if there is none.
    """
    sign = math.copysign(1.0, excess(start))
    direction = math.copysign(1.0, end - start)
    before, at = start, start
    while abs(at - start) < abs(end - start):
        at += direction * (0.25 if abs(at - start) < 5 else 1.0)
        value = sign * excess(at)
        if value < -_NOISE:
            break
        if value > _NOISE:
            before = at
    else:
        return None
    while abs(at - before) > 1e-12 * max(1.0, abs(at)):
        middle = (at + before) / 2
        if sign * excess(middle) > 0:
            before = middle
        else:
            at = middle
    return (at + before) / 2
