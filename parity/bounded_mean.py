"""Averages of bounded quantities against their expectations, by Hoeffding's inequality."""

import math

import numpy as np
import numpy.typing as npt

from fanwise.testing import Check
from fanwise.testing.check import MISS
from fanwise.testing.concentration import hoeffding_radius

__all__ = ["bounded_mean_check"]


def bounded_mean_check(
    name: str,
    values: npt.ArrayLike,
    expected: float,
    bounds: tuple[float, float],
    false_alarm: float,
    slack: float = 0.0,
) -> Check:
    r"""Compare averages with their expectation.

    .. math:: \max_j \Bigl|\frac1n \sum_i x_{ij} - \mu\Bigr| \le
        (b - a) \sqrt{\ln(2 m / \alpha) / (2 n)} + \text{slack}

    for m averages of n independent values from [a, b] each; the averages may depend on one
    another (union bound).

    Args:
        name: what is averaged.
        values: shape (n, ...): independent along the first axis.
        expected: mu, the same for all averages.
        bounds: a and b.
        false_alarm: alpha.
        slack: what the arithmetic of a correct sampler may add.

    Returns:
        A Check. It notices an expectation that is off by ``notices`` or more in any one average.

    References:
        W. Hoeffding, Probability inequalities for sums of bounded random variables, JASA 58
        (1963) 13.
    """
    array = np.asarray(values, np.float64)
    n = array.shape[0]
    averages = array.reshape(n, -1).mean(axis=0)
    width = bounds[1] - bounds[0]
    threshold = width * hoeffding_radius(n, false_alarm / (2 * averages.size)) + slack
    notices = threshold + width * hoeffding_radius(n, MISS) + slack
    distance = np.abs(averages - expected).max() if np.isfinite(averages).all() else math.inf
    return Check(name, float(distance), threshold, false_alarm, notices, n)
