"""All checks of one sample against one distribution."""

import numpy.typing as npt

from fanwise.testing.check import MISS, Check, check_rate
from fanwise.testing.distribution import ScalarDistribution
from fanwise.testing.extremes import bounds_check, extremes_check, outliers_check
from fanwise.testing.kolmogorov_smirnov import ks
from fanwise.testing.law import law_of
from fanwise.testing.moments import mean_check, variance_check
from fanwise.testing.rounding import round_to
from fanwise.testing.sample import Samples, sample_of

__all__ = ["PARTS", "check_samples"]

PARTS = 5
"""Into how many equal parts :func:`check_samples` divides its false-alarm rate."""


def check_samples(
    samples: Samples,
    distribution: ScalarDistribution,
    *,
    dtype: npt.DTypeLike | str | None = None,
    false_alarm: float,
    half_open: bool = False,
    miss: float = MISS,
) -> tuple[Check, ...]:
    """Check samples against a distribution: its shape, mean, variance and ends.

    A distribution whose support is one value in the dtype, a constant above all, has only the
    check of bounds, which is exact.

    Args:
        samples: independent values of any shape.
        distribution: their law.
        dtype: what the values were rounded to; None is the dtype of the samples. Give it where
            they came in a wider one, as bfloat16 tensors do that numpy cannot read.
        false_alarm: of all checks together; each of the five that may raise a false alarm has a
            fifth of it (union bound). The bounds are exact.
        half_open: whether values that round to the upper end were replaced by the lower one, and
            the upper end itself must not occur.
        miss: see :class:`Check`.

    Returns:
        ``bounds``, ``ks``, ``mean``, ``variance``, ``extremes``, ``outliers``; only ``bounds``
        for constants.

    Raises:
        TypeError: if the samples are not real floating-point numbers.
        ValueError: if there are none, for a rate out of range, or a distribution whose moments
            and cdf contradict one another, or that does not fit the dtype.

    Example:
        >>> import numpy as np
        >>> from fanwise.distributions import Normal
        >>> weights = np.random.default_rng(0).normal(0.0, 0.02, 10_000)
        >>> checks = check_samples(weights, Normal(0.0, 0.02), false_alarm=1e-9)
        >>> all(check.passed for check in checks)
        True
        >>> [check.name for check in check_samples(
        ...     1.2 * weights, Normal(0.0, 0.02), false_alarm=1e-9) if not check.passed]
        ['ks', 'variance']
    """
    sample = sample_of(samples, dtype)
    each = check_rate("check_samples: false_alarm", false_alarm) / PARTS
    bounds = bounds_check(sample, distribution.support, half_open=half_open, miss=miss)
    low, high = round_to(distribution.support, sample.dtype)
    if low == high:
        return (bounds,)
    law = law_of(distribution, sample.dtype, half_open)
    return (
        bounds,
        ks(sample, law.rounded or distribution.cdf, each, slack=law.slack, miss=miss),
        mean_check(sample, distribution, each, half_open=half_open, miss=miss),
        variance_check(sample, distribution, each, half_open=half_open, miss=miss),
        extremes_check(sample, distribution, each, half_open=half_open, miss=miss),
        outliers_check(sample, distribution, each, half_open=half_open, miss=miss),
    )
