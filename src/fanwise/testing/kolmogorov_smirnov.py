"""Distance between an empirical distribution and a law, or between two empirical ones."""

from collections.abc import Callable

import numpy as np

from fanwise.testing.check import MISS, Check, check_rate
from fanwise.testing.concentration import dkwm_radius, hoeffding_radius
from fanwise.testing.rounding import Float64s
from fanwise.testing.sample import Samples, sample_of

__all__ = ["ks", "ks_two_sample"]

# From this size on, samples of equal size need no triangle inequality.
_WEI_DUDLEY = 458

_BLOCK = 64


def ks(
    samples: Samples,
    cdf: Callable[[Float64s], Float64s],
    false_alarm: float,
    *,
    slack: float = 0.0,
    miss: float = MISS,
) -> Check:
    r"""Compare samples with a cdf: the one-sample Kolmogorov-Smirnov statistic.

    .. math:: D = \sup_x |F_n(x) - F(x)| \le \sqrt{\ln(2 / \alpha) / (2 n)} + \text{slack}

    The Dvoretzky-Kiefer-Wolfowitz-Massart inequality holds for every n and every law, with or
    without atoms. F_n is constant between neighbouring samples, so the supremum is attained at a
    sample v, or just below one, where F has its left limit F(v-).

    Args:
        samples: independent values of any shape.
        cdf: F, on float64 arrays. F(v-) is ``cdf.left(v)`` if there is such a method, as on what
            ``rounded_cdf`` returns, and else F at the float64 just below v, which is right for
            atoms as well.
        false_alarm: alpha.
        slack: bound of the distance between ``cdf`` and the law that a correct sampler has.
        miss: see ``notices``.

    Returns:
        A Check in units of D. It notices a law whose cdf is that far from F at any one place:
        by Hoeffding's inequality there, threshold + sqrt(ln(1 / miss) / (2 n)).

    Raises:
        TypeError: if the samples are not real floating-point numbers.
        ValueError: if there are none, or for a rate out of range.

    References:
        P. Massart, Annals of Probability 18 (1990) 1269.
    """
    sample = sample_of(samples)
    threshold = dkwm_radius(sample.n, check_rate("ks: false_alarm", false_alarm)) + slack
    notices = threshold + slack + hoeffding_radius(sample.n, check_rate("ks: miss", miss))
    distance = np.inf
    if sample.finite:
        left = getattr(cdf, "left", None) or (lambda v: cdf(np.nextafter(v, -np.inf)))
        # Among equal values listed apart, the last has the largest F_n and the first the smallest
        # F_n(v-), so the one-sided maxima come out right. The second one is the first one of the
        # mirrored problem.
        above = _largest_excess(sample.up_to, sample.values, cdf)
        below = _largest_excess(-sample.before[::-1], sample.values[::-1], lambda v: -left(v))
        distance = float(np.maximum(above, below))
    return Check("ks", distance, threshold, false_alarm, notices, sample.n, "D", miss)


def _largest_excess(
    steps: Float64s, values: Float64s, function: Callable[[Float64s], Float64s]
) -> float:
    """The largest ``steps - function(values)``, both of which never fall.

    Evaluating a cdf a million times takes longer than all the rest. Within a block of places the
    difference is at most the last step minus the first value of the function; so it is evaluated
    at the start of each block, and again only within blocks that might beat all starts.
    """
    starts = np.arange(0, values.size, _BLOCK)
    ends = np.minimum(starts + _BLOCK, values.size)
    lowest = function(values[starts])
    best = float(np.max(steps[starts] - lowest))
    (open_blocks,) = np.nonzero(steps[ends - 1] - lowest > best)
    within = (starts[open_blocks, None] + np.arange(1, _BLOCK)).reshape(-1)
    within = within[within < values.size]
    if not within.size:
        return best
    return float(np.maximum(best, np.max(steps[within] - function(values[within]))))


def ks_two_sample(
    x: Samples,
    y: Samples,
    false_alarm: float,
    *,
    slack: float = 0.0,
    miss: float = MISS,
) -> Check:
    r"""Compare two samples: the two-sample Kolmogorov-Smirnov statistic.

    .. math::
        D = \sup_x |F_n(x) - G_m(x)| \le
        \sqrt{\ln(4 / \alpha) / (2 n)} + \sqrt{\ln(4 / \alpha) / (2 m)} + \text{slack}

    by the triangle inequality through the common law, with alpha / 2 for each side. Two samples
    of equal size n >= 458 have sqrt(ln(2 / alpha) / n), smaller by a factor of sqrt(2) (Wei and
    Dudley). Both hold with ties and atoms.

    Args:
        x: independent values of any shape.
        y: independent values of any shape, independent of ``x``, in the same dtype.
        false_alarm: alpha.
        slack: bound of the distance between the laws of two correct samplers.
        miss: see ``notices``.

    Returns:
        A Check in units of D, with n the size of the smaller sample. It notices two laws whose
        cdfs are that far apart at any one place: by Hoeffding's inequality there.

    Raises:
        TypeError: if the samples are not real floating-point numbers.
        ValueError: if there are none, if the dtypes differ, or for a rate out of range.

    References:
        P. Massart, Annals of Probability 18 (1990) 1269; F. Wei and R. M. Dudley, Two-sample
        Dvoretzky-Kiefer-Wolfowitz inequalities, Statistics & Probability Letters 82 (2012) 636.
    """
    first, second = sample_of(x), sample_of(y)
    if first.dtype != second.dtype:
        raise ValueError(
            f"ks_two_sample: both samples must have one dtype, got {first.dtype.name} and "
            f"{second.dtype.name}; rounding alone would make them differ, so round the wider one"
        )
    n, m = first.n, second.n
    rate = check_rate("ks_two_sample: false_alarm", false_alarm)
    if n == m >= _WEI_DUDLEY:
        threshold = np.sqrt(2) * dkwm_radius(n, rate)
    else:
        threshold = dkwm_radius(n, rate / 2) + dkwm_radius(m, rate / 2)
    threshold = float(threshold) + slack
    check_rate("ks_two_sample: miss", miss)
    notices = threshold + slack + hoeffding_radius(n, miss / 2) + hoeffding_radius(m, miss / 2)
    distance = np.inf
    if first.finite and second.finite:
        places = np.concatenate([first.values, second.values])
        distance = float(np.max(np.abs(first.ecdf(places) - second.ecdf(places))))
    name = "ks_two_sample"
    return Check(name, distance, threshold, false_alarm, notices, min(n, m), "D", miss)
