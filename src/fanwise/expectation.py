"""Expectations over a normal variable: quadrature that adapts to kinks and jumps."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "NormalRule", "normal_expectation", "normal_rule"]

Array: TypeAlias = npt.NDArray[np.float64]
Integrand: TypeAlias = Callable[[Array], Array]

# Where the standard normal density falls below 1e-80: room for integrands that grow like exp.
_REACH = 20.0
_ORDER, _PANELS, _NODES = 100, 64, 17
_LEVELS = 48
_TOLERANCE = 1e-9


# Both rules when they are needed, not on import: the threads of numpy's linear algebra wait busily
# for more work, on the cores that a model is to be filled with.
@functools.cache
def _gauss_hermite() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(_ORDER)
    return nodes, weights


@functools.cache
def _clenshaw_curtis() -> tuple[Array, Array]:
    """Points and weights on (0, 1).

    Between the ends and the outermost of Gauss's nodes a jump would hide, in a panel and in its
    halves as well. Here the ends are nodes, moved inwards a little, so that functions may jump
    at them.
    """
    degrees = np.arange(_NODES)
    points = np.cos(np.pi * degrees / (_NODES - 1))[::-1]
    integrals = np.where(degrees % 2, 0.0, 2 / (1 - np.where(degrees % 2, 0.0, degrees**2)))
    weights = np.linalg.solve(np.polynomial.chebyshev.chebvander(points, _NODES - 1).T, integrals)
    return np.clip((points + 1) / 2, 1e-12, 1 - 1e-12), weights / 2


@dataclass(frozen=True)
class NormalRule:
    """A quadrature rule: ``weights @ f(points)`` is E[f(z)].

    Args:
        points: where to evaluate, float64 of one axis.
        weights: of the same shape, the normal density in them.
        expectation: of the integrand that the rule was made for.
    """

    points: Array
    weights: Array
    expectation: float


def normal_expectation(
    integrand: Integrand, std: float = 1.0, tolerance: float = _TOLERANCE
) -> float:
    r"""E[integrand(z)] for :math:`z \sim N(0, \text{std}^2)`.

    By Gauss-Hermite quadrature, or, for functions with kinks and jumps, by Clenshaw-Curtis panels
    that are halved until they agree.

    Args:
        integrand: from float64 of one axis to the same; not negative. With a large ``std``, what
            it does for arguments of order one is still seen.
        std: of z; positive.
        tolerance: relative.

    Returns:
        The expectation; inf where the integrand grows faster than the density falls.

    Example:
        >>> round(normal_expectation(np.square, std=3.0), 12)
        9.0
    """
    nodes, weights = _gauss_hermite()
    hermite = float(integrand(std * nodes) @ weights) / math.sqrt(2 * math.pi)
    # Gauss-Hermite is exact to rounding for smooth functions and cannot tell when it is not: a
    # kink or a jump between two nodes may escape any two orders. The panels decide.
    if not math.isfinite(hermite):
        return hermite
    panels = normal_rule(integrand, std, tolerance).expectation
    return hermite if abs(hermite - panels) <= tolerance * abs(hermite) else panels


def normal_rule(
    integrand: Integrand, std: float = 1.0, tolerance: float = _TOLERANCE
) -> NormalRule:
    """The panels on which the integrand's expectation settles, as a rule for others like it.

    A jump is boxed in by one panel a level, so that the panels around it shrink below the
    tolerance after some thirty levels. Arguments as for :func:`normal_expectation`.
    """
    edges = _edges(std)
    panels = _Panels(edges[:-1], np.diff(edges))
    whole = panels.integrals(integrand, std)
    scale = float(np.abs(whole).sum())
    if not math.isfinite(scale) or max(whole[0], whole[-1]) > tolerance * scale:
        # It grows faster than the density falls.
        return NormalRule(std * panels.points.ravel(), panels.weights.ravel(), math.inf)
    settled: list[_Panels] = []
    total = 0.0
    for _ in range(_LEVELS):
        halves = panels.halves()
        parts = halves.integrals(integrand, std)
        both = parts[::2] + parts[1::2]
        is_open = np.abs(both - whole) > tolerance * scale * 1e-2
        total += float(both[~is_open].sum())
        settled.append(halves[np.repeat(~is_open, 2)])
        panels, whole = halves[np.repeat(is_open, 2)], parts[np.repeat(is_open, 2)]
        if not is_open.any():
            break
    else:
        total += float(whole.sum())
        settled.append(panels)
    points = np.concatenate([each.points.ravel() for each in settled])
    weights = np.concatenate([each.weights.ravel() for each in settled])
    return NormalRule(std * points, weights, total)


@dataclass(frozen=True)
class _Panels:
    """Intervals on the line of a standard normal variable, with a Clenshaw-Curtis rule on each."""

    left: Array
    width: Array

    def __getitem__(self, chosen: npt.NDArray[np.bool_]) -> "_Panels":
        return _Panels(self.left[chosen], self.width[chosen])

    def halves(self) -> "_Panels":
        """The left and the right half of each, in turn."""
        half = np.repeat(self.width / 2, 2)
        left = np.repeat(self.left, 2)
        left[1::2] += half[1::2]
        return _Panels(left, half)

    @property
    def points(self) -> Array:
        """One row a panel."""
        unit, _ = _clenshaw_curtis()
        points: Array = self.left[:, None] + self.width[:, None] * unit
        return points

    @property
    def weights(self) -> Array:
        """One row a panel, the normal density in them."""
        _, unit = _clenshaw_curtis()
        density = np.exp(-(self.points**2) / 2) / math.sqrt(2 * math.pi)
        weights: Array = density * unit * self.width[:, None]
        return weights

    def integrals(self, integrand: Integrand, std: float) -> Array:
        """One a panel. In blocks of one size, because JAX compiles anew for each shape."""
        points, rows = std * self.points, len(self.left)
        blocks = [
            integrand(np.resize(points[start : start + _PANELS], _PANELS * _NODES))
            for start in range(0, rows, _PANELS)
        ]
        values = np.concatenate(blocks).reshape(-1, _NODES)[:rows]
        integrals: Array = (values * self.weights).sum(axis=1)
        return integrals


def _edges(std: float) -> Array:
    """The ends of the first panels, for a standard normal variable.

    Functions are taken to have their features where their argument is of order one. With a large
    std that is a narrow place around 0: it gets panels of its own, and those around it grow.
    """
    step = 2 * _REACH / _PANELS
    if std <= 1:
        return np.linspace(-_REACH, _REACH, _PANELS + 1)
    right = list(np.arange(_PANELS // 2 + 1) * step / std)
    while right[-1] < _REACH:
        right.append(min(1.5 * right[-1], right[-1] + step, _REACH))
    positive = np.array(right[1:])
    return np.concatenate([-positive[::-1], [0.0], positive])
