"""All checks of independence that suit an array's shape."""

import numpy.typing as npt

from fanwise.testing.array_correlation import halves_check, keys_check, neighbours_check
from fanwise.testing.check import MISS, Check, check_rate
from fanwise.testing.distribution import ScalarDistribution
from fanwise.testing.duplicates import applicable, duplicates_check
from fanwise.testing.sample import in_dtype

__all__ = ["check_independence", "check_keys"]


def check_independence(
    array: npt.ArrayLike,
    distribution: ScalarDistribution,
    *,
    dtype: npt.DTypeLike | str | None = None,
    false_alarm: float,
    half_open: bool = False,
    miss: float = MISS,
) -> tuple[Check, ...]:
    """Check that the values of one array are independent of one another.

    Correlation of neighbours along every axis of two positions or more, correlation of the first
    half with the second one, equal slices along every axis, equal blocks in C order. The last two
    are left out where equality may come about by chance, as of the single values of a vector.

    Args:
        array: at least two values.
        distribution: their law.
        dtype: what the values were rounded to; None is the dtype of the array.
        false_alarm: of all checks together; each has an equal part (union bound).
        half_open: whether values that round to the upper end were replaced by the lower one.
        miss: see :func:`correlation_check`.

    Returns:
        The checks, those of correlation first.

    Raises:
        TypeError: if the samples are not real floating-point numbers.
        ValueError: if there are fewer than two, for a rate out of range, or a distribution
            without a std.
    """
    values = in_dtype(array, dtype)
    check_rate("check_independence: false_alarm", false_alarm)
    axes = [axis for axis, size in enumerate(values.shape) if size > 1]
    # Two for each axis, one for the halves, one for the blocks.
    each = false_alarm / (2 * len(axes) + 2)
    checks = [
        neighbours_check(values, axis, distribution, each, half_open=half_open, miss=miss)
        for axis in axes
    ]
    checks.append(halves_check(values, distribution, each, half_open=half_open, miss=miss))
    checks.extend(
        duplicates_check(values, axis, distribution, each, half_open=half_open)
        for axis in [*axes, None]
        if applicable(values, axis, distribution, each, half_open)
    )
    return tuple(checks)


def check_keys(
    arrays: npt.ArrayLike,
    distribution: ScalarDistribution,
    *,
    dtype: npt.DTypeLike | str | None = None,
    false_alarm: float,
    half_open: bool = False,
    miss: float = MISS,
) -> tuple[Check, ...]:
    """Check that arrays drawn with different keys are independent of one another.

    Correlation of every two arrays, equal arrays, and equal blocks anywhere in all of them, so
    that an array that holds a stretch of another is noticed. The last two are left out where
    equality may come about by chance, in short arrays of low precision.

    Args:
        arrays: shape (keys, ...), 2 keys or more.
        distribution: the values' law.
        dtype: what the values were rounded to; None is the dtype of the arrays.
        false_alarm: of all checks together; each has a third of it (union bound).
        half_open: whether values that round to the upper end were replaced by the lower one.
        miss: see :func:`correlation_check`.

    Returns:
        The checks, that of correlation first.

    Raises:
        TypeError: if the samples are not real floating-point numbers.
        ValueError: if there are fewer than two arrays, for a rate out of range, or a distribution
            without a std.
    """
    values = in_dtype(arrays, dtype)
    each = check_rate("check_keys: false_alarm", false_alarm) / 3
    checks = [keys_check(values, distribution, each, half_open=half_open, miss=miss)]
    checks.extend(
        duplicates_check(values, axis, distribution, each, half_open=half_open)
        for axis in (0, None)
        if applicable(values, axis, distribution, each, half_open)
    )
    return tuple(checks)
