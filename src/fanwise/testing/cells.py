"""A law cut into cells, for upper bounds of its moments.

Bernstein's inequality asks for upper bounds of the moments of a law, of all orders. Each cell is
an interval and its mass; a function that is largest at one end of every cell has at most the
expectation that all mass at that end would give. So nothing here is an approximation, except for
the rounding of float64.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fanwise.testing.concentration import SubGamma
from fanwise.testing.distribution import ScalarDistribution
from fanwise.testing.tails import NEGLIGIBLE, Tail

__all__ = ["Cells", "continuous_cells", "masses", "product_tails", "rms_tails", "value_tails"]

Float64s = npt.NDArray[np.float64]

# At this many cells upper bounds of variances exceed the variances by at most 0.4 %.
_CELLS = 2**14


@dataclass(frozen=True)
class Cells:
    """Intervals [left, right] and their masses; values are (X - mean) / std.

    No interval holds 0 in its interior, so the powers of a value are monotone on each.
    """

    left: Float64s
    right: Float64s
    mass: Float64s

    def moment(self, power: int) -> float:
        """The moment of values taken at the middles, for a comparison only."""
        return float(self.mass @ ((self.left + self.right) / 2) ** power)


def masses(edges: Float64s, mean: float, lower: Tail, upper: Tail) -> Float64s:
    """Mass below the first edge, between neighbours, and above the last edge.

    Differences of small tail probabilities keep their digits, those of numbers near 1 do not: so
    below the mean the lower tail is used, above it the upper one.
    """
    beneath, above = lower.mass(edges), upper.mass(edges)
    between = np.where(edges[1:] <= mean, np.diff(beneath), -np.diff(above))
    return np.concatenate([beneath[:1], np.maximum(between, 0.0), above[-1:]])


def continuous_cells(distribution: ScalarDistribution, lower: Tail, upper: Tail) -> Cells:
    """Cut a law into equal cells, with an edge at its mean."""
    low, high = lower.reach(NEGLIGIBLE), upper.reach(NEGLIGIBLE)
    mean, std = distribution.mean, distribution.std
    below = max(1, round(_CELLS * (mean - low) / (high - low)))
    edges = np.concatenate(
        [np.linspace(low, mean, below + 1), np.linspace(mean, high, max(2, _CELLS - below))[1:]]
    )
    z = (edges - mean) / std
    mass = masses(edges, mean, lower, upper)
    return Cells(np.concatenate([z[:1], z]), np.concatenate([z, z[-1:]]), mass)


def value_tails(cells: Cells) -> SubGamma:
    """Bernstein's constants of (X - mean) / std, whose variance is 1."""
    above, below = np.maximum(cells.right, 0.0), np.maximum(-cells.left, 0.0)
    return SubGamma(1.0, _scale(above, cells.mass, 1.0), _scale(below, cells.mass, 1.0))


def rms_tails(cells: Cells) -> SubGamma:
    """Bernstein's constants of ((X - mean) / std)^2 - 1."""
    squares = np.square(cells.left), np.square(cells.right)
    above = np.maximum(np.maximum(*squares) - 1, 0.0)
    below = np.maximum(1 - np.minimum(*squares), 0.0)
    variance = float(cells.mass @ np.maximum(above, below) ** 2)
    return SubGamma(
        variance, _scale(above, cells.mass, variance), _scale(below, cells.mass, variance)
    )


def product_tails(cells: Cells) -> SubGamma:
    """Bernstein's constants of the product of two independent (X - mean) / std.

    E (XY)_+^q is a^2 + b^2 and E (-XY)_+^q is 2ab with a = E X_+^q and b = E (-X)_+^q.
    """
    above, below = np.maximum(cells.right, 0.0), np.maximum(-cells.left, 0.0)
    top = max(float(above.max()), float(below.max()))
    upper = lower = 0.0
    moments = zip(_log_moments(above, cells.mass), _log_moments(below, cells.mass), strict=True)
    for q, (a, b) in enumerate(moments, start=3):
        upper = max(upper, _constant(q, float(np.logaddexp(2 * a, 2 * b)), 1.0))
        lower = max(lower, _constant(q, math.log(2) + a + b, 1.0))
        remaining = _remaining(q + 1, top**2)
        if remaining <= min(upper, lower) or remaining <= 1e-3 * max(upper, lower):
            break
    return SubGamma(1.0, max(upper, remaining), max(lower, remaining))


def _scale(positive: Float64s, mass: Float64s, variance: float) -> float:
    """Smallest c with E Y^q <= q! v c^(q-2) / 2 for every q >= 3."""
    top = float(positive.max())
    if top == 0:
        return 0.0
    scale = 0.0
    for q, log_moment in enumerate(_log_moments(positive, mass), start=3):
        scale = max(scale, _constant(q, log_moment, variance))
        remaining = _remaining(q + 1, top)
        if remaining <= scale or remaining <= 1e-3 * top:
            break
    return max(scale, remaining)


def _constant(q: int, log_moment: float, variance: float) -> float:
    """c for which the condition of order q holds with equality."""
    if log_moment == -math.inf:
        return 0.0
    return math.exp((math.log(2) + log_moment - math.lgamma(q + 1) - math.log(variance)) / (q - 2))


def _remaining(q: int, top: float) -> float:
    """c that suffices for order q and all higher ones: E Y^q <= v top^(q-2), falling in q."""
    return top * math.exp((math.log(2) - math.lgamma(q + 1)) / (q - 2))


def _log_moments(positive: Float64s, mass: Float64s) -> Iterator[float]:
    """Logarithms of E Y^3, E Y^4, ... without overflow or underflow.

    The running products are scaled to a largest one of 1, so what underflows is negligible.
    """
    keep = (positive > 0) & (mass > 0)
    values, running = positive[keep], mass[keep]
    if not running.size:
        while True:
            yield -math.inf
    running = running * values**2
    shift = 0.0
    while True:
        running = running * values
        largest = float(running.max())
        running /= largest
        shift += math.log(largest)
        yield shift + math.log(float(running.sum()))
