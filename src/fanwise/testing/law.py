"""All that the checks need to know of one distribution in one dtype."""

import math
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from scipy import special

from fanwise.testing.cells import (
    Cells,
    continuous_cells,
    masses,
    product_tails,
    rms_tails,
    value_tails,
)
from fanwise.testing.concentration import NormalMean, NormalRms, SubGamma, TailBound
from fanwise.testing.distribution import ScalarDistribution
from fanwise.testing.rounding import (
    Float64s,
    RoundedCdf,
    canonical,
    representable,
    representable_count,
    round_to,
    rounded_cdf,
    upper_edges,
)
from fanwise.testing.tails import NEGLIGIBLE, Tail, tail_of

__all__ = ["Law", "law_of"]

# Up to this many representable values a law is summed over all of them. All of float16 and
# bfloat16 is half of it; of float32 only what lies far from 0, in units of its own std.
_SUMMED = 2**17


@dataclass(frozen=True, eq=False)
class Law:
    """A distribution as its values look in ``dtype``. Made by :func:`law_of`.

    Args:
        distribution: the law before rounding.
        dtype: what the values are rounded to.
        half_open: whether values that round to the upper end are replaced by the lower one.
        mean: mean of the rounded value.
        std: standard deviation of the rounded value.
        atoms: the rounded value's law, where it was summed: values and probabilities.
        slack: what a sampler's own arithmetic may add, in std of a value or mass of a cdf.
    """

    distribution: ScalarDistribution
    dtype: np.dtype[Any]
    half_open: bool
    mean: float
    std: float
    atoms: tuple[Float64s, Float64s] | None
    slack: float

    @cached_property
    def tails(self) -> tuple[Tail, Tail]:
        """The lower and the upper tail of the law before rounding."""
        return tail_of(self.distribution, -1), tail_of(self.distribution, 1)

    @cached_property
    def rounded(self) -> RoundedCdf | None:
        """The cdf of the rounded value; None in float64, where nothing is rounded."""
        if self.dtype.name == "float64":
            return None
        wrap = self.distribution.support if self.half_open else None
        return rounded_cdf(self.distribution.cdf, self.dtype, wrap)

    def cdf(self, x: npt.ArrayLike) -> Float64s:
        """P(Y <= x) of the rounded value."""
        x = np.asarray(x, np.float64)
        return self.rounded(x) if self.rounded else np.asarray(self.distribution.cdf(x))

    def left(self, x: npt.ArrayLike) -> Float64s:
        """P(Y < x) of the rounded value, for ``x`` in the dtype."""
        x = np.asarray(x, np.float64)
        if self.rounded:
            return self.rounded.left(x)
        return np.asarray(self.distribution.cdf(np.nextafter(x, -np.inf)))

    def interval(self, rate: float) -> tuple[float, float]:
        """An interval of the dtype that a value leaves, to one side, with at most ``rate``."""
        low, high = (float(v) for v in round_to([t.reach(rate) for t in self.tails], self.dtype))
        return low, high

    @cached_property
    def cells(self) -> Cells:
        """The standardized law, cut into cells."""
        if self.atoms is None:
            return continuous_cells(self.distribution, *self.tails)
        z = (self.atoms[0] - self.mean) / self.std
        return Cells(z, z, self.atoms[1])

    @cached_property
    def is_normal(self) -> bool:
        """Whether the law is a normal one, to the last digits of its cdf, and not summed."""
        if self.atoms is not None or not all(map(math.isinf, self.distribution.support)):
            return False
        z = np.linspace(-8.0, 8.0, 65)
        return bool(
            np.allclose(
                self.distribution.cdf(self.mean + self.std * z), special.ndtr(z), 1e-9, 1e-14
            )
        )

    @cached_property
    def value(self) -> TailBound:
        """How far the mean of n standardized values strays."""
        return NormalMean() if self.is_normal else value_tails(self.cells)

    @cached_property
    def square(self) -> TailBound:
        """How far the mean of n squares of standardized values strays from 1."""
        return NormalRms() if self.is_normal else rms_tails(self.cells)

    @cached_property
    def product(self) -> SubGamma:
        """How far the mean of n products of two independent standardized values strays.

        For normal ones c = 1: their logarithmic moment-generating function is -log(1 - s^2) / 2,
        at most s^2 / (2 (1 - s)).
        """
        return SubGamma(1.0, 1.0, 1.0) if self.is_normal else product_tails(self.cells)

    @cached_property
    def collision(self) -> float:
        """Upper bound of the probability that two values are equal.

        Where it was not summed over the values: a float32 sampler with at least 2^16 equally
        likely outcomes, or, far from 0, the mass of the widest gap between two floats (the
        density of a log-concave law is at most 1/std). 0 in float64 would do as well.
        """
        if self.atoms is not None:
            return float(np.sum(self.atoms[1] ** 2))
        return max(2.0**-16, 2.0**-23 * (abs(self.mean) / self.std + 15))


def law_of(
    distribution: ScalarDistribution, dtype: npt.DTypeLike | str, half_open: bool = False
) -> Law:
    """Describe a distribution as its values look in a dtype.

    Raises:
        TypeError: if the dtype is not bfloat16, float16, float32 or float64.
        ValueError: if mean, std and cdf of the distribution contradict one another, if it is no
            random one (std 0), if the dtype cannot hold it, or shows only one value of it.
    """
    resolved = canonical(dtype)
    try:
        hash(distribution)
    except TypeError:
        return _law(distribution, resolved, half_open)
    return _cached_law(cast(Hashable, distribution), resolved, half_open)


def _law(distribution: ScalarDistribution, dtype: np.dtype[Any], half_open: bool) -> Law:
    mean, std = distribution.mean, distribution.std
    if not (std > 0 and math.isfinite(std) and math.isfinite(mean)):
        raise ValueError(
            f"the distribution must have a finite mean and a finite std greater than 0, got "
            f"{distribution} with mean={mean!r} and std={std!r}; compare constants with =="
        )
    if half_open and not all(map(math.isfinite, distribution.support)):
        raise ValueError(
            f"half_open=True needs a distribution with finite ends, such as a uniform one, got "
            f"{distribution}; leave it out"
        )
    slack = _slack(dtype, abs(mean) / std)
    law = Law(distribution, dtype, half_open, mean, std, None, slack)
    _check_moments(law)
    low, high = law.interval(NEGLIGIBLE)
    if math.isinf(low) or math.isinf(high):
        raise ValueError(
            f"{distribution} does not fit {dtype.name}: its values reach from {low:g} to {high:g} "
            f"there; use a wider dtype"
        )
    if dtype.name == "float64" or representable_count(low, high, dtype) > _SUMMED:
        return law
    values, probability = representable(low, high, dtype), np.ones(1)
    if values.size > 1:
        probability = masses(upper_edges(values[:-1], dtype), mean, *law.tails)
    if values.size > 1 and half_open:
        probability[0] += probability[-1]
        values, probability = values[:-1], probability[:-1]
    probability = probability / probability.sum()
    mean = float(probability @ values)
    std = math.sqrt(float(probability @ (values - mean) ** 2))
    if std == 0:
        raise ValueError(
            f"{distribution} has only the value {mean:g} in {dtype.name}; compare with =="
        )
    return Law(distribution, dtype, half_open, mean, std, (values, probability), slack)


_cached_law = lru_cache(maxsize=64)(_law)


def _slack(dtype: np.dtype[Any], offset: float) -> float:
    """What a sampler's own arithmetic may add, in std of a value or mass of a cdf.

    Samplers turn a uniform grid of 2^-23 or 2^-24 into values with a few float32 roundings, each
    of 2^-24 relative: together less than 2^-18 std, the grid's coarse ends included. Parameters
    and results rounded to float32 add 2^-23 of the mean, which lies ``offset`` std from 0. A cdf
    moves by no more mass than its argument moves in std, the density of a log-concave law being
    at most 1/std (L. Lovász and S. Vempala, The geometry of logconcave functions and sampling
    algorithms, Random Structures & Algorithms 30 (2007) 307, section 5).
    """
    if dtype.name == "float64":
        return 2.0**-45 * (1 + offset)
    return 2.0**-18 + 2.0**-22 * offset


def _check_moments(law: Law) -> None:
    """Refuse moments that are not those of the cdf, such as a parent law's.

    The moments of the cells' middles are off by less than 1e-6, std being 1.
    """
    cells = continuous_cells(law.distribution, *law.tails)
    mean, square = cells.moment(1), cells.moment(2)
    if abs(mean) > 1e-5 or abs(square - 1) > 1e-5:
        raise ValueError(
            f"mean={law.mean!r} and std={law.std!r} of {law.distribution} are not those of its "
            f"cdf, which are {law.mean + mean * law.std:.7g} and "
            f"{law.std * math.sqrt(square - mean**2):.7g}; give the moments of the law itself, not "
            f"of the law it was cut from"
        )
