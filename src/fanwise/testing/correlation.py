"""Whether two samples that should be independent are correlated."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fanwise.testing.check import MISS, Check, check_rate
from fanwise.testing.distribution import ScalarDistribution
from fanwise.testing.law import Law, law_of
from fanwise.testing.rounding import Float64s
from fanwise.testing.sample import in_dtype

__all__ = ["Bounds", "correlation_check", "mean_product", "standardized"]


def correlation_check(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    distribution: ScalarDistribution,
    false_alarm: float,
    *,
    dtype: npt.DTypeLike | str | None = None,
    half_open: bool = False,
    miss: float = MISS,
    name: str = "correlation",
) -> Check:
    r"""Compare the correlation of independent pairs with 0.

    .. math:: \Bigl|\frac{1}{n \sigma^2} \sum (x_i - \mu)(y_i - \mu)\Bigr| \le
        \sqrt{2 t / n} + c\, t / n + \text{slack}, \quad t = \ln(2 / \alpha)

    Bernstein's inequality for products of independent values, whose variance is sigma^4 exactly;
    c follows from upper bounds of E |x - mu|^q E |y - mu|^q and is about 1 for a normal law.

    Args:
        x: independent values of any shape.
        y: independent values of the same shape, independent of ``x``.
        distribution: the law of both.
        false_alarm: alpha.
        dtype: what the values were rounded to; None is the dtype of ``x``.
        half_open: whether values that round to the upper end were replaced by the lower one.
        miss: see ``notices``.
        name: the check's name.

    Returns:
        A Check in units of correlation, n being the number of pairs. It notices values
        y = rho x + sqrt(1 - rho^2) z, z independent of x and of the same law about mean 0, with
        that |rho| or more; infinite where there are too few pairs to tell.

    Raises:
        TypeError: if the samples are not real floating-point numbers.
        ValueError: if there are none, if the shapes differ, for a rate out of range, or a
            distribution without a std.

    References:
        S. Boucheron, G. Lugosi, P. Massart, Concentration Inequalities (2013), theorem 2.10.
    """
    first, law = standardized(x, distribution, dtype, half_open)
    second, _ = standardized(y, distribution, law.dtype, half_open)
    if first.shape != second.shape:
        raise ValueError(
            f"{name}: x and y must have one shape, got {first.shape} and {second.shape}; pairs are "
            f"formed element by element"
        )
    bounds = Bounds(law, check_rate(f"{name}: false_alarm", false_alarm), miss)
    return bounds.check(name, mean_product(first, second), first.size, false_alarm)


@dataclass(frozen=True)
class Bounds:
    """Thresholds of a correlation, at one rate."""

    law: Law
    rate: float
    miss: float

    def check(self, name: str, correlation: float, n: int, false_alarm: float) -> Check:
        """Hold the mean product of n pairs against its threshold."""
        check_rate(f"{name}: miss", self.miss)
        slack = 2 * self.law.slack
        threshold = self._radius(n, self.rate / 2) + slack
        # With y = rho x + sqrt(1 - rho^2) z the sum is rho sum x^2 + sqrt(1 - rho^2) sum x z, and
        # each of the two may stray with half of the miss rate.
        kept = 1 - self.law.square.below(n, self.miss / 2) - slack
        stray = threshold + self._radius(n, self.miss / 4) + slack
        notices = stray / kept if kept > 0 and stray <= kept else math.inf
        return Check(
            name, abs(correlation), threshold, false_alarm, notices, n, "correlation", self.miss
        )

    def _radius(self, n: int, rate: float) -> float:
        return max(self.law.product.above(n, rate), self.law.product.below(n, rate))


def mean_product(x: Float64s, y: Float64s) -> float:
    """The mean product; infinite if a value is not finite."""
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return math.inf
    return float(np.vdot(x, y)) / x.size


def standardized(
    array: npt.ArrayLike,
    distribution: ScalarDistribution,
    dtype: npt.DTypeLike | str | np.dtype[Any] | None,
    half_open: bool,
) -> tuple[Float64s, Law]:
    """Values less the mean, in units of the std, and their law."""
    values = in_dtype(array, dtype)
    law = law_of(distribution, values.dtype, half_open)
    return (values.astype(np.float64) - law.mean) / law.std, law
