"""Whether the values within an array, or of arrays from different keys, are correlated."""

import math

import numpy as np
import numpy.typing as npt

from fanwise.testing.check import MISS, Check, check_rate
from fanwise.testing.correlation import Bounds, correlation_check, mean_product, standardized
from fanwise.testing.distribution import ScalarDistribution
from fanwise.testing.sample import in_dtype

__all__ = ["halves_check", "keys_check", "neighbours_check"]


def neighbours_check(
    array: npt.ArrayLike,
    axis: int,
    distribution: ScalarDistribution,
    false_alarm: float,
    *,
    dtype: npt.DTypeLike | str | None = None,
    half_open: bool = False,
    miss: float = MISS,
) -> Check:
    """Compare the correlation of neighbours along an axis with 0.

    A value is in two pairs, with the one before it and the one after it, so neighbouring pairs
    are not independent. The pairs (0, 1), (2, 3), ... are, and so are (1, 2), (3, 4), ...: each
    set is held against the bound of :func:`correlation_check` with alpha / 2, and the set that
    comes closer to its bound is reported.

    Args:
        array: independent values; ``array.shape[axis]`` is at least 2.
        axis: the axis along which neighbours are compared.
        distribution: their law.
        false_alarm: alpha.
        dtype: what the values were rounded to; None is the dtype of the array.
        half_open: whether values that round to the upper end were replaced by the lower one.
        miss: see :func:`correlation_check`.

    Returns:
        A Check in units of correlation, as :func:`correlation_check` returns.

    Raises:
        TypeError: if the samples are not real floating-point numbers.
        ValueError: if there are none, if the axis has fewer than two positions, for a rate out
            of range, or a distribution without a std.
    """
    z, law = standardized(array, distribution, dtype, half_open)
    along = np.moveaxis(z, axis, 0)
    if along.shape[0] < 2:
        raise ValueError(
            f"neighbours_check: axis {axis} of the shape {z.shape} has no neighbours; choose an "
            f"axis of size 2 or more"
        )
    check_rate("neighbours_check: false_alarm", false_alarm)
    sets = []
    for start in (0, 1):
        last = start + (along.shape[0] - start) // 2 * 2
        if last > start:
            sets.append((along[start:last:2], along[start + 1 : last : 2]))
    bounds = Bounds(law, false_alarm / len(sets), miss)
    checks = [
        bounds.check(f"neighbours along axis {axis}", mean_product(a, b), a.size, false_alarm)
        for a, b in sets
    ]
    return max(checks, key=lambda check: check.share)


def halves_check(
    array: npt.ArrayLike,
    distribution: ScalarDistribution,
    false_alarm: float,
    *,
    dtype: npt.DTypeLike | str | None = None,
    half_open: bool = False,
    miss: float = MISS,
) -> Check:
    """Compare the correlation of the first half with the second half, in C order, with 0.

    Generators that fill an array from counters have long hashed its two halves together.

    Args:
        array: at least two independent values.
        distribution: their law.
        false_alarm: alpha.
        dtype: what the values were rounded to; None is the dtype of the array.
        half_open: whether values that round to the upper end were replaced by the lower one.
        miss: see :func:`correlation_check`.

    Returns:
        A Check in units of correlation, as :func:`correlation_check` returns.

    Raises:
        TypeError: if the samples are not real floating-point numbers.
        ValueError: if there are fewer than two, for a rate out of range, or a distribution
            without a std.
    """
    flat = in_dtype(array, dtype).reshape(-1)
    half = flat.size // 2
    if half == 0:
        raise ValueError("halves_check: array must hold at least two values, got one")
    return correlation_check(
        flat[:half],
        flat[half : 2 * half],
        distribution,
        false_alarm,
        half_open=half_open,
        miss=miss,
        name="halves",
    )


def keys_check(
    arrays: npt.ArrayLike,
    distribution: ScalarDistribution,
    false_alarm: float,
    *,
    dtype: npt.DTypeLike | str | None = None,
    half_open: bool = False,
    miss: float = MISS,
) -> Check:
    """Compare the correlation of every two arrays, element by element, with 0.

    The bound is that of :func:`correlation_check` with alpha divided by the number of pairs of
    arrays (union bound). The work is that of a matrix product of (keys, size) with its
    transpose.

    Args:
        arrays: independent values, shape (keys, ...): one array for each key, 2 or more.
        distribution: their law.
        false_alarm: alpha.
        dtype: what the values were rounded to; None is the dtype of the arrays.
        half_open: whether values that round to the upper end were replaced by the lower one.
        miss: see :func:`correlation_check`.

    Returns:
        A Check in units of correlation, the largest of all pairs, n being the size of one array.
        It notices what :func:`correlation_check` does, in any one pair.

    Raises:
        TypeError: if the samples are not real floating-point numbers.
        ValueError: if there are fewer than two arrays, for a rate out of range, or a
            distribution without a std.
    """
    z, law = standardized(arrays, distribution, dtype, half_open)
    if z.ndim < 1 or z.shape[0] < 2:
        raise ValueError(
            f"keys_check: arrays must have the shape (keys, ...) with 2 or more keys, got "
            f"{z.shape}; stack the arrays along a first axis"
        )
    rows = z.reshape(z.shape[0], -1)
    pairs = rows.shape[0] * (rows.shape[0] - 1) // 2
    bounds = Bounds(law, check_rate("keys_check: false_alarm", false_alarm) / pairs, miss)
    largest = math.inf
    if np.isfinite(rows).all():
        products = rows @ rows.T / rows.shape[1]
        largest = float(np.max(np.abs(products[np.triu_indices(rows.shape[0], 1)])))
    return bounds.check("keys", largest, rows.shape[1], false_alarm)
