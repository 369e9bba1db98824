"""The ends of a sample: nothing outside the support, nothing too far out, nothing missing.

A truncated normal in place of a normal of the same std is at a Kolmogorov-Smirnov distance of
0.0167 and takes a hundred thousand samples to notice. Its missing tails, 1.2 % of the mass on
either side, show after two and a half thousand.
"""

import math

import numpy as np
import numpy.typing as npt

from fanwise.testing.check import MISS, Check, check_rate
from fanwise.testing.distribution import ScalarDistribution
from fanwise.testing.law import law_of
from fanwise.testing.rounding import round_to
from fanwise.testing.sample import Sample, Samples, sample_of

__all__ = ["bounds_check", "extremes_check", "outliers_check"]


def bounds_check(
    samples: Samples,
    support: tuple[float, float],
    *,
    dtype: npt.DTypeLike | str | None = None,
    half_open: bool = False,
    miss: float = MISS,
) -> Check:
    """Count samples outside a closed interval, or outside a half-open one.

    Both ends are rounded to the dtype first. The check is exact: it raises no false alarm.

    Args:
        samples: values of any shape.
        support: the interval's ends, possibly infinite.
        dtype: what the values were rounded to; None is the dtype of the samples.
        half_open: whether the upper end itself is outside. An interval whose ends round to the
            same value holds that value all the same.
        miss: see ``notices``.

    Returns:
        A Check whose statistic is the number of offenders; the threshold is 0. ``notices`` is,
        unlike the statistic, the probability of a value outside: 1 - miss^(1 / n).

    Raises:
        TypeError: if the samples are not real floating-point numbers.
        ValueError: if there are none, or the interval is empty.
    """
    sample = sample_of(samples, dtype)
    check_rate("bounds_check: miss", miss)
    if not support[0] <= support[1]:
        raise ValueError(
            f"bounds_check: support must be (low, high) with low <= high, got {support!r}"
        )
    low, high = (float(end) for end in round_to(support, sample.dtype))
    offenders = _outside(sample, low, high, half_open and low < high)
    notices = -math.expm1(math.log(miss) / sample.n)
    return Check("bounds", offenders, 0.0, 0.0, notices, sample.n, "values", miss)


def outliers_check(
    samples: Samples,
    distribution: ScalarDistribution,
    false_alarm: float,
    *,
    dtype: npt.DTypeLike | str | None = None,
    half_open: bool = False,
    miss: float = MISS,
) -> Check:
    r"""Count samples so far out that not one of n is expected there.

    The interval is one that a value leaves with a probability of at most alpha / (2 n) to either
    side, from the extrapolation of log-concave tails (``fanwise.testing.tails``); by the union
    bound no sample leaves it, but for a probability of alpha. For a normal law, a million samples
    and alpha = 1e-12 it is 9.6 std to either side, and never less than 6.5.

    Args:
        samples: values of any shape; they need not be independent.
        distribution: their law.
        false_alarm: alpha.
        dtype: what the values were rounded to; None is the dtype of the samples.
        half_open: whether values that round to the upper end were replaced by the lower one.
        miss: see ``notices``.

    Returns:
        A Check whose statistic is the number of offenders; the threshold is 0. ``notices`` is,
        unlike the statistic, the probability of a value outside: 1 - miss^(1 / n).

    Raises:
        TypeError: if the samples are not real floating-point numbers.
        ValueError: if there are none, for a rate out of range, or a distribution without a std.
    """
    sample = sample_of(samples, dtype)
    rate = check_rate("outliers_check: false_alarm", false_alarm) / (2 * sample.n)
    check_rate("outliers_check: miss", miss)
    low, high = law_of(distribution, sample.dtype, half_open).interval(rate)
    offenders = _outside(sample, low, high, False)
    notices = -math.expm1(math.log(miss) / sample.n)
    return Check("outliers", offenders, 0.0, false_alarm, notices, sample.n, "values", miss)


def extremes_check(
    samples: Samples,
    distribution: ScalarDistribution,
    false_alarm: float,
    *,
    dtype: npt.DTypeLike | str | None = None,
    half_open: bool = False,
    miss: float = MISS,
) -> Check:
    r"""Compare the largest and the smallest sample with how far the law reaches.

    .. math:: \max\bigl(1 - F(\max x),\ F(\min x-)\bigr) \le
        1 - (\alpha / 2)^{1/n} + \text{slack} \approx \ln(2 / \alpha) / n

    The statistic is the mass that the law has beyond the samples. That the largest of n values
    has F(x) < c has a probability of at most c^n, with or without atoms, because one value has
    it with a probability of at most c.

    Args:
        samples: independent values of any shape.
        distribution: their law.
        false_alarm: alpha.
        dtype: what the values were rounded to; None is the dtype of the samples.
        half_open: whether values that round to the upper end were replaced by the lower one.
        miss: see ``notices``.

    Returns:
        A Check in units of probability mass. It always notices a law with no values in one end
        of ``distribution`` that holds more mass than the threshold.

    Raises:
        TypeError: if the samples are not real floating-point numbers.
        ValueError: if there are none, for a rate out of range, or a distribution without a std.

    References:
        H. A. David and H. N. Nagaraja, Order Statistics (2003), section 2.1.
    """
    sample = sample_of(samples, dtype)
    law = law_of(distribution, sample.dtype, half_open)
    rate = check_rate("extremes_check: false_alarm", false_alarm) / 2
    check_rate("extremes_check: miss", miss)
    threshold = -math.expm1(math.log(rate) / sample.n) + law.slack
    mass = math.inf
    if sample.finite:
        smallest, largest = sample.values[:1], sample.values[-1:]
        mass = float(np.maximum(1 - law.cdf(largest), law.left(smallest))[0])
    return Check("extremes", mass, threshold, false_alarm, threshold, sample.n, "mass", miss)


def _outside(sample: Sample, low: float, high: float, half_open: bool) -> float:
    """Number of values outside of [low, high] or [low, high); infinite if one is not finite."""
    if not sample.finite:
        return math.inf
    values = sample.values
    bad = (values < low) | ((values >= high) if half_open else (values > high))
    return float(np.count_nonzero(bad) if sample.counts is None else sample.counts @ bad)
