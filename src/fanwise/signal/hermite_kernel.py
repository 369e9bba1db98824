"""What an elementwise function makes of two correlated normal variables."""

import math
from dataclasses import dataclass

import numpy as np

from fanwise.expectation import Array
from fanwise.signal.pointwise import Activation, Pointwise

__all__ = ["HermiteKernel", "hermite_kernel"]

_TERMS = 1000


@dataclass(frozen=True)
class HermiteKernel:
    r"""E[f(u) f(v)] for normal u, v of second moment q and correlation c, as a series in c.

    .. math:: k(c) = \sum_n a_n^2 c^n, \quad a_n = \mathbb{E}[f(\sqrt{q} z) \, h_n(z)]

    with the normalized Hermite polynomials :math:`h_n` (Mehler's formula). The first thousand
    terms are those of the series; one more stands for all the others, so that the value and the
    slope at c = 1 are exact: E[f^2] and q E[f'^2]. For smooth functions all of it is exact to
    rounding. With a kink the terms fall as n^-2.5, and the error is largest near 1 - c = 1/1000:
    for relu 4e-7 of k(1). The more a function is like a step, the more is left to the last term:
    1e-3 for erf at q = 10^4.

    Args:
        squares: :math:`a_n^2`, by n.
        rest: the sum of all others.
        degree: the power of c that stands for them.
    """

    squares: Array
    rest: float
    degree: float

    def value(self, c: float) -> float:
        """k(c), for c between 0 and 1."""
        degrees = np.append(np.arange(len(self.squares)), self.degree)
        return float(np.append(self.squares, self.rest) @ c**degrees)

    def gap(self, c: float) -> float:
        """k(1) - k(c), without cancellation."""
        degrees = np.append(np.arange(len(self.squares)), self.degree)
        lost = -np.expm1(degrees * math.log(c)) if c > 0 else (degrees > 0).astype(float)
        return float(np.append(self.squares, self.rest) @ lost)

    def slope(self, c: float) -> float:
        """k'(c), which is q E[f'(u) f'(v)]."""
        degrees = np.append(np.arange(1.0, len(self.squares)), self.degree)
        return float(np.append(self.squares[1:], self.rest) @ (degrees * c ** (degrees - 1)))


def hermite_kernel(activation: Activation, q: float) -> HermiteKernel:
    """The kernel of an activation at a second moment.

    Args:
        activation: an elementwise function, see :class:`fanwise.signal.pointwise.Pointwise`.
        q: the second moment of both variables; positive.

    Raises:
        TypeError: if the activation is not elementwise and real.
        ValueError: if its slope, by automatic differentiation, does not account for its values:
            for functions that jump, and straight-through estimators.

    Example:
        For relu it is the arc-cosine kernel, here of orthogonal inputs:

        >>> import jax
        >>> kernel = hermite_kernel(jax.nn.relu, 1.0)
        >>> round(kernel.value(0.0) * 2 * math.pi, 9)
        1.0

    References:
        Cho & Saul (2009), Kernel methods for deep learning; Daniely et al. (2016), Toward deeper
        understanding of neural networks, for the dual of an activation as a power series.
    """
    pointwise = Pointwise(activation)
    rule = pointwise.rule(q)
    z, weighted = rule.points / math.sqrt(q), rule.weights * pointwise.values(rule.points)
    squares = np.empty(_TERMS)
    before, current = np.zeros_like(z), np.ones_like(z)
    for n in range(_TERMS):
        squares[n] = (weighted @ current) ** 2
        before, current = current, (z * current - math.sqrt(n) * before) / math.sqrt(n + 1)
    log_q = math.log(q)
    total = math.exp(pointwise.log_second_moment(log_q))
    slope = math.exp(log_q + pointwise.log_slope(log_q))
    rest = max(0.0, total - float(squares.sum()))
    slope_of_terms = float(squares @ np.arange(_TERMS))
    if slope_of_terms > 1.001 * slope + 1e-6 * total:
        raise ValueError(
            f"activation must not jump: the slope of {activation!r} by automatic differentiation, "
            f"E[f'(z)^2] = {slope / q:.4g} at q = {q:.4g}, is less than its values need, "
            f"{slope_of_terms / q:.4g} at least; mean field theory needs a continuous function and "
            f"its own derivative"
        )
    degree = (slope - slope_of_terms) / rest if rest > 0 else 0.0
    return HermiteKernel(squares, rest, max(degree, float(_TERMS)))
