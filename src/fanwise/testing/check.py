"""The outcome of one statistical assertion.

A check compares a statistic with a threshold that a correct sample exceeds with a probability of
at most ``false_alarm``, and says how small a deviation it would have noticed: an assertion that
cannot notice a planted error proves nothing.
"""

import math
from dataclasses import dataclass

__all__ = ["MISS", "Check", "check_rate", "require"]

MISS = 1e-6
"""The probability, unless told otherwise, with which a deviation of size ``notices`` slips by."""

# Thresholds are derived for rates down to here. The chi-squared quantiles were compared with
# 40-digit arithmetic down to 1e-18; the tails that are cut off elsewhere hold 1e-30 a value.
_SMALLEST_RATE = 1e-18


@dataclass(frozen=True)
class Check:
    """A statistic, its threshold, and what the two are worth.

    Args:
        name: what was checked.
        statistic: what was measured, in ``unit``; infinite if the samples hold a NaN.
        threshold: the largest statistic that passes, in ``unit``.
        false_alarm: upper bound of the probability that a correct sample fails.
        notices: the smallest deviation, in ``unit``, that is missed with a probability of at
            most ``miss``. Each check says what it takes as a deviation.
        n: number of values, or of pairs or slices of values, that were compared.
        unit: unit of the three numbers.
        miss: see ``notices``.
    """

    name: str
    statistic: float
    threshold: float
    false_alarm: float
    notices: float
    n: int
    unit: str = ""
    miss: float = MISS

    def __post_init__(self) -> None:
        # A NaN compares false with everything, so it must not reach a comparison.
        if math.isnan(self.statistic):
            object.__setattr__(self, "statistic", math.inf)

    @property
    def share(self) -> float:
        """Statistic by threshold, at most 1 if passed; 0 or inf where the threshold is 0."""
        if self.threshold == 0 or math.isinf(self.statistic):
            return math.inf if self.statistic > 0 else 0.0
        return self.statistic / self.threshold

    @property
    def passed(self) -> bool:
        """Whether the statistic is within its threshold."""
        return self.statistic <= self.threshold and self.statistic < math.inf

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return (
            f"{self.name}: {'passed' if self.passed else 'FAILED'}, {self.statistic:.3g} where at "
            f"most {self.threshold:.3g}{unit} is allowed (n={self.n}, false alarms "
            f"{self.false_alarm:.1g}, notices {self.notices:.3g}{unit})"
        )


def require(*checks: Check) -> None:
    """Raise unless every check passed.

    Raises:
        AssertionError: naming each check that failed.
    """
    failed = [check for check in checks if not check.passed]
    if failed:
        raise AssertionError(
            f"{len(failed)} of {len(checks)} checks failed:\n" + "\n".join(map(str, failed))
        )


def check_rate(name: str, value: float) -> float:
    """Return ``value``, a false-alarm or miss rate, or raise.

    Raises:
        ValueError: unless 1e-18 <= value < 1.
    """
    if not _SMALLEST_RATE <= value < 1:
        raise ValueError(
            f"{name} must be at least {_SMALLEST_RATE:g} and less than 1, got {value!r}; a whole "
            f"suite of a million assertions at 1e-6 needs 1e-12 each"
        )
    return float(value)
