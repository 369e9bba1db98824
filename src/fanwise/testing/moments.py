"""Mean and variance of independent samples, against those of a distribution."""

import math

import numpy.typing as npt

from fanwise.testing.check import MISS, Check, check_rate
from fanwise.testing.concentration import TailBound
from fanwise.testing.distribution import ScalarDistribution
from fanwise.testing.law import law_of
from fanwise.testing.sample import Samples, sample_of

__all__ = ["mean_check", "rms_thresholds", "variance_check"]


def mean_check(
    samples: Samples,
    distribution: ScalarDistribution,
    false_alarm: float,
    *,
    dtype: npt.DTypeLike | str | None = None,
    half_open: bool = False,
    miss: float = MISS,
) -> Check:
    r"""Compare the mean of samples with that of a distribution, in units of its std.

    .. math:: |\bar x - \mu| / \sigma \le \max_\pm r_\pm(n, \alpha / 2) + \text{slack}

    For a normal law r is the exact quantile z / sqrt(n). For any other one it is Bernstein's
    bound sqrt(2 t / n) + c t / n with t = ln(2 / alpha), where c follows from upper bounds of all
    absolute moments: it is at most a third of the largest |x - mu| / sigma. In bfloat16 and
    float16 mu, sigma and c are those of the rounded value, summed over all representable ones.
    ``slack`` (``Law.slack``) is 2^-18 for values computed in float32.

    Args:
        samples: independent values of any shape.
        distribution: their law.
        false_alarm: alpha.
        dtype: what the values were rounded to; None is the dtype of the samples.
        half_open: whether values that round to the upper end were replaced by the lower one.
        miss: see ``notices``.

    Returns:
        A Check in units of std. It notices the law shifted by that much.

    Raises:
        TypeError: if the samples are not real floating-point numbers.
        ValueError: if there are none, for a rate out of range, or a distribution without a std.

    References:
        S. Boucheron, G. Lugosi, P. Massart, Concentration Inequalities (2013), theorem 2.10.
    """
    sample = sample_of(samples, dtype)
    law = law_of(distribution, sample.dtype, half_open)
    n, rate = sample.n, check_rate("mean_check: false_alarm", false_alarm) / 2
    check_rate("mean_check: miss", miss)
    tails = law.value
    threshold = max(tails.above(n, rate), tails.below(n, rate)) + law.slack
    notices = threshold + max(tails.above(n, miss), tails.below(n, miss)) + law.slack
    deviation = math.inf
    if sample.finite:
        deviation = abs(sample.mean_about(law.mean)) / law.std
    return Check("mean", deviation, threshold, false_alarm, notices, n, "std", miss)


def variance_check(
    samples: Samples,
    distribution: ScalarDistribution,
    false_alarm: float,
    *,
    dtype: npt.DTypeLike | str | None = None,
    half_open: bool = False,
    miss: float = MISS,
) -> Check:
    r"""Compare the root mean square of x - mu with the std of a distribution, relative to it.

    .. math:: \Bigl|\sqrt{\textstyle\frac1n \sum (x_i - \mu)^2} / \sigma - 1\Bigr| \le
        \max\bigl(\sqrt{1 + r_+} - 1,\ 1 - \sqrt{1 - r_-}\bigr) + \text{slack}

    The mean mu is the distribution's. For a normal law the r are exact chi-squared quantiles at
    alpha / 2; for any other one they are Bernstein's bound sqrt(2 v t / n) + c t / n for
    ((x - mu) / sigma)^2 - 1, with v its variance and c from upper bounds of its moments, for
    each side apart. Rounding and slack are as in :func:`mean_check`; a relative error of every
    value changes the root mean square by no more than itself (Minkowski's inequality).

    Args:
        samples: independent values of any shape.
        distribution: their law.
        false_alarm: alpha.
        dtype: what the values were rounded to; None is the dtype of the samples.
        half_open: whether values that round to the upper end were replaced by the lower one.
        miss: see ``notices``.

    Returns:
        A Check in units of the std, relative: 0.01 is a std off by 1 %. It notices the law
        scaled about its mean by 1 + that much or more, or 1 - that much or less; infinite where
        there are too few samples to tell.

    Raises:
        TypeError: if the samples are not real floating-point numbers.
        ValueError: if there are none, for a rate out of range, or a distribution without a std.

    References:
        S. Boucheron, G. Lugosi, P. Massart, Concentration Inequalities (2013), theorem 2.10.
    """
    sample = sample_of(samples, dtype)
    law = law_of(distribution, sample.dtype, half_open)
    check_rate("variance_check: false_alarm", false_alarm)
    check_rate("variance_check: miss", miss)
    threshold, notices = rms_thresholds(law.square, sample.n, false_alarm, miss, law.slack)
    deviation = math.inf
    if sample.finite:
        deviation = abs(sample.rms_about(law.mean) / law.std - 1)
    return Check("variance", deviation, threshold, false_alarm, notices, sample.n, "std", miss)


def rms_thresholds(
    tails: TailBound, n: int, false_alarm: float, miss: float, slack: float
) -> tuple[float, float]:
    """Return the threshold of :func:`variance_check` and the scale error that it notices.

    A law scaled by r is missed upwards only if r R <= 1 + threshold, with R the relative root
    mean square of the unscaled law, and downwards only if r R >= 1 - threshold.
    """
    rate = false_alarm / 2
    high, low = _rms_radii(tails, n, rate)
    threshold = max(high, low) + slack
    high, low = _rms_radii(tails, n, miss)
    high, low = high + slack, low + slack
    if low >= 1 or threshold >= 1:
        return threshold, math.inf
    larger = (1 + threshold) / (1 - low) - 1
    smaller = 1 - (1 - threshold) / (1 + high)
    return threshold, max(larger, smaller)


def _rms_radii(tails: TailBound, n: int, rate: float) -> tuple[float, float]:
    """How far the relative root mean square strays upwards and downwards."""
    above, below = tails.above(n, rate), tails.below(n, rate)
    return math.sqrt(1 + above) - 1, 1 - math.sqrt(max(0.0, 1 - below))
