r"""Tail probabilities of a log-concave law, where a cdf in float64 no longer shows them.

If a density is log-concave, so are its cdf F and its survival function S = 1 - F. The logarithm
of S then lies, beyond two points a < b, below the straight line through its values there:

.. math:: S(x) \le S(b)\,\bigl(S(b) / S(a)\bigr)^{(x - b)/(b - a)}, \quad x \ge b.

Both points are taken where S is at least 1e-11 and so known to five digits or more, as far out
as possible. For a normal law they lie at 5 and 6.5 std. A support that ends within 7.5 std needs
no extrapolation, and then no log-concavity either.

References:
    A. Prékopa, On logarithmic concave measures and functions, Acta Sci. Math. 34 (1973) 335;
    M. Bagnoli and T. Bergstrom, Log-concave probability and its applications, Economic Theory
    26 (2005) 445, theorems 1 and 3.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fanwise.testing.distribution import ScalarDistribution

__all__ = ["NEGLIGIBLE", "Tail", "tail_of"]

NEGLIGIBLE = 1e-30
"""Probability, per value, that is left out of moments: 1e-18 in a trillion values."""

_RESOLVED = 1e-11
_STEP = 1.5
_NEAR = 7.5


@dataclass(frozen=True)
class Tail:
    """One tail of a law, mirrored if need be so that it extends upwards.

    Args:
        distribution: the law.
        sign: 1 for the upper tail, -1 for the lower one.
        anchor: where the extrapolation begins, as a value of the law.
        probability: mass beyond the anchor.
        rate: decay of the logarithm of the mass per unit of length, 0 where the support ends
            so near that nothing is extrapolated.
        end: the support's end.
    """

    distribution: ScalarDistribution
    sign: int
    anchor: float
    probability: float
    rate: float
    end: float

    def mass(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Upper bound of the mass beyond ``x``; exact up to the anchor."""
        below = np.asarray(self.distribution.cdf(x), np.float64)
        exact = 1 - below if self.sign > 0 else below
        beyond = self.sign * (x - self.anchor)
        if self.rate == 0:
            return exact
        bound = self.probability * np.exp(-self.rate * np.maximum(beyond, 0.0))
        inside = self.sign * (self.end - x) > 0
        return np.where(beyond > 0, np.where(inside, bound, 0.0), exact)

    def reach(self, probability: float) -> float:
        """A value beyond which the mass is at most ``probability``, not before the anchor."""
        if self.rate == 0:
            return self.end
        length = math.log(max(self.probability / probability, 1.0)) / self.rate
        value = self.anchor + self.sign * length
        return min(value, self.end) if self.sign > 0 else max(value, self.end)


def tail_of(distribution: ScalarDistribution, sign: int) -> Tail:
    """Find one tail of a law.

    Args:
        distribution: a log-concave law, or one whose support ends within 7.5 std of the mean.
        sign: 1 for the upper tail, -1 for the lower one.

    Raises:
        ValueError: if the support ends farther out and the cdf shows no decaying tail.
    """
    end = distribution.support[1 if sign > 0 else 0]
    mean, std = distribution.mean, distribution.std
    if sign * (end - mean) <= _NEAR * std:
        return Tail(distribution, sign, end, 0.0, 0.0, end)
    steps = np.arange(1.0, 40.0, 0.5)

    def mass(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        below = np.asarray(distribution.cdf(mean + sign * std * places), np.float64)
        return 1 - below if sign > 0 else below

    (resolved,) = np.nonzero(mass(steps) >= _RESOLVED)
    if resolved.size:
        far = steps[resolved[-1]]
        outer, inner = mass(np.asarray([far, far - _STEP]))
        if inner > outer:
            rate = math.log(inner / outer) / (_STEP * std)
            return Tail(distribution, sign, mean + sign * far * std, float(outer), rate, end)
    raise ValueError(
        f"the cdf of {distribution} shows no decaying {'upper' if sign > 0 else 'lower'} tail, "
        f"where its support ends {sign * (end - mean) / std:g} std from the mean; the checks "
        f"need a log-concave law whose mean and std are those of its cdf, or a support within "
        f"{_NEAR} std"
    )
