"""Statistical assertions with stated error rates.

Every check compares a statistic with a threshold that correct samples exceed with a probability
of at most ``false_alarm``, by an inequality that holds for any number of samples, and says which
deviation it would have noticed. Start with :func:`check_samples`; choose the number of samples
with :func:`sample_size` and the rates with :class:`Budget`.

numpy and scipy (which comes with jax) do the work, in float64.
"""

from fanwise.testing.array_correlation import halves_check, keys_check, neighbours_check
from fanwise.testing.budget import Budget
from fanwise.testing.check import Check, require
from fanwise.testing.correlation import correlation_check
from fanwise.testing.distribution import ScalarDistribution
from fanwise.testing.duplicates import duplicates_check
from fanwise.testing.extremes import bounds_check, extremes_check, outliers_check
from fanwise.testing.independence import check_independence, check_keys
from fanwise.testing.kolmogorov_smirnov import ks, ks_two_sample
from fanwise.testing.moments import mean_check, variance_check
from fanwise.testing.planning import sample_size
from fanwise.testing.rounding import rounded_cdf
from fanwise.testing.sample import Sample, sample_of
from fanwise.testing.scalar import check_samples

__all__ = [
    "Budget",
    "Check",
    "Sample",
    "ScalarDistribution",
    "bounds_check",
    "check_independence",
    "check_keys",
    "check_samples",
    "correlation_check",
    "duplicates_check",
    "extremes_check",
    "halves_check",
    "keys_check",
    "ks",
    "ks_two_sample",
    "mean_check",
    "neighbours_check",
    "outliers_check",
    "require",
    "rounded_cdf",
    "sample_of",
    "sample_size",
    "variance_check",
]
