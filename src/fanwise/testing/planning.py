"""How many samples an assertion needs."""

import math

import numpy.typing as npt

from fanwise.testing.check import MISS, check_rate
from fanwise.testing.concentration import dkwm_radius, hoeffding_radius
from fanwise.testing.distribution import ScalarDistribution
from fanwise.testing.law import Law, law_of
from fanwise.testing.moments import rms_thresholds
from fanwise.testing.scalar import PARTS

__all__ = ["TRUNCATED_NORMAL_DISTANCE", "UNIFORM_DISTANCE", "sample_size"]

TRUNCATED_NORMAL_DISTANCE = 0.01666
"""Kolmogorov distance of a normal and one of the same std truncated at 2 of its own std."""

UNIFORM_DISTANCE = 0.057
"""Kolmogorov distance of a normal and a uniform law of the same std."""

_MOST = 2**40


def sample_size(
    distribution: ScalarDistribution,
    false_alarm: float,
    *,
    scale: float = 0.01,
    distance: float = TRUNCATED_NORMAL_DISTANCE,
    dtype: npt.DTypeLike | str = "float32",
    half_open: bool = False,
    miss: float = MISS,
) -> int:
    r"""Return how many samples ``check_samples`` needs to notice a given deviation.

    With alpha a fifth of ``false_alarm``, the part that each check has, it is the larger one of

    - the smallest n for which ``variance_check`` notices a std off by ``scale``. For a normal law
      that is about :math:`(z_{\alpha/2} + z_{\text{miss}})^2 / (2\,\text{scale}^2)`;
    - the smallest n for which ``ks`` notices a law at a distance D from ``distribution``:
      :math:`\bigl(\sqrt{\ln(2/\alpha)/2} + \sqrt{\ln(1/\text{miss})/2}\bigr)^2 / D^2`, for a D
      reduced by twice the slack of the sampler's arithmetic.

    The defaults notice 1 % of std, a truncated normal in place of a normal of the same std, and
    so all the more (D = 0.057) a uniform in place of a normal, or the other way round.

    Args:
        distribution: what the samples are held against.
        false_alarm: that of ``check_samples``.
        scale: deviation of the std to be noticed, relative.
        distance: Kolmogorov distance to be noticed.
        dtype: what the values are rounded to.
        half_open: whether values that round to the upper end are replaced by the lower one.
        miss: probability of missing such a deviation.

    Returns:
        Number of samples.

    Raises:
        ValueError: for rates out of range, or a deviation that no number of samples up to 2^40
            would show, because arithmetic in ``dtype`` alone may cause it.

    Example:
        >>> from fanwise.distributions import Normal
        >>> 450_000 < sample_size(Normal(0.0, 0.02), 1e-6) < 550_000
        True
    """
    law = law_of(distribution, dtype, half_open)
    each = check_rate("sample_size: false_alarm", false_alarm) / PARTS
    check_rate("sample_size: miss", miss)
    if not (0 < scale < 1 and 0 < distance < 1):
        raise ValueError(
            f"sample_size: scale and distance must lie between 0 and 1, got {scale!r} and "
            f"{distance!r}"
        )
    return max(_for_scale(law, each, scale, miss), _for_distance(law, each, distance, miss))


def _for_distance(law: Law, rate: float, distance: float, miss: float) -> int:
    seen = distance - 2 * law.slack
    if seen <= 0:
        raise _hidden("distance", distance, law)
    return math.ceil(((dkwm_radius(1, rate) + hoeffding_radius(1, miss)) / seen) ** 2)


def _for_scale(law: Law, rate: float, scale: float, miss: float) -> int:
    """Bisect: what is noticed falls with n."""

    def enough(n: int) -> bool:
        return rms_thresholds(law.square, n, rate, miss, law.slack)[1] <= scale

    high = 1
    while not enough(high):
        high *= 2
        if high > _MOST:
            raise _hidden("scale", scale, law)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _hidden(name: str, value: float, law: Law) -> ValueError:
    return ValueError(
        f"sample_size: {name} must exceed what arithmetic in {law.dtype.name} may cause for "
        f"{law.distribution}, about {2 * law.slack:.1g}, got {value!r}; ask for less, or for a "
        f"wider dtype"
    )
