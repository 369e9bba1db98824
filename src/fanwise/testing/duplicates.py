"""Whether parts of an array repeat one another."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from fanwise.testing.check import Check, check_rate
from fanwise.testing.distribution import ScalarDistribution
from fanwise.testing.law import law_of
from fanwise.testing.sample import in_dtype

__all__ = ["applicable", "duplicates_check"]


def duplicates_check(
    array: npt.ArrayLike,
    axis: int | None,
    distribution: ScalarDistribution,
    false_alarm: float,
    *,
    dtype: npt.DTypeLike | str | None = None,
    half_open: bool = False,
) -> Check:
    r"""Count slices that equal another slice, at any distance, value by value.

    Two independent slices of m values are equal with a probability of p^m, where p is that of
    two equal values; by the union bound any two of R are with at most

    .. math:: \tfrac12 R (R - 1)\, p^m

    In bfloat16 and float16, p is the sum of squared probabilities of all values. In float32 it is
    taken as 2^-16: a sampler with fewer than 2^16 outcomes would be caught by other means. Eight
    float32 values a slice then make chance 2e-24 among ten million slices.

    Args:
        array: independent values.
        axis: slices are ``array[i]`` along this axis. None takes instead blocks of neighbours in
            C order, as short as the bound allows, each at a multiple of its length; that shows
            repetition within a one-dimensional array, as long as the period is such a multiple.
        distribution: the values' law.
        false_alarm: the chance of equal slices must not exceed it.
        dtype: what the values were rounded to; None is the dtype of the array.
        half_open: whether values that round to the upper end were replaced by the lower one.

    Returns:
        A Check whose statistic is the number of slices that repeat an earlier one; the threshold
        is 0, ``n`` the number of slices. It always notices one repetition.

    Raises:
        TypeError: if the samples are not real floating-point numbers.
        ValueError: if there are fewer than two slices, if equal ones may come about by chance,
            for a rate out of range, or a distribution without a std.
    """
    check_rate("duplicates_check: false_alarm", false_alarm)
    values = in_dtype(array, dtype)
    p = law_of(distribution, values.dtype, half_open).collision
    slices = _slices(values, axis, p, false_alarm)
    chance = _chance(slices.shape[0], slices.shape[1], p)
    if slices.shape[0] < 2 or chance > false_alarm:
        raise ValueError(
            f"duplicates_check: {slices.shape[0]} slices of {slices.shape[1]} values in "
            f"{values.dtype.name} show nothing: equal ones come about with a probability of up to "
            f"{chance:.1g}, false_alarm is {false_alarm:g}; compare two or more longer slices"
        )
    kind = f"blocks of {slices.shape[1]}" if axis is None else f"along axis {axis}"
    repeats = _repeats(slices) if np.isfinite(slices.astype(np.float64)).all() else math.inf
    name = f"duplicates {kind}"
    return Check(name, float(repeats), 0.0, false_alarm, 1.0, slices.shape[0], "slices", 0.0)


def applicable(
    array: npt.ArrayLike,
    axis: int | None,
    distribution: ScalarDistribution,
    false_alarm: float,
    half_open: bool = False,
) -> bool:
    """Whether :func:`duplicates_check` can tell repetition from chance along an axis."""
    values = in_dtype(array)
    p = law_of(distribution, values.dtype, half_open).collision
    slices = _slices(values, axis, p, false_alarm)
    return slices.shape[0] >= 2 and _chance(slices.shape[0], slices.shape[1], p) <= false_alarm


def _slices(
    values: npt.NDArray[Any], axis: int | None, p: float, false_alarm: float
) -> npt.NDArray[Any]:
    """The slices to compare, one a row."""
    if axis is not None:
        along = np.moveaxis(values, axis, 0)
        return along.reshape(along.shape[0], -1)
    flat = values.reshape(-1)
    length = 1
    while length < flat.size and _chance(flat.size // length, length, p) > false_alarm:
        length *= 2
    return flat[: flat.size // length * length].reshape(-1, length)


def _chance(slices: int, values: int, p: float) -> float:
    """Bound of the probability that any two of so many slices of so many values are equal."""
    pairs = max(1, slices * (slices - 1) // 2)
    return min(1.0, math.exp(min(0.0, math.log(pairs) + values * math.log(p))))


def _repeats(slices: npt.NDArray[Any]) -> int:
    """Number of rows that equal an earlier one.

    Rows are summed up in one integer each, their bits weighted by odd random numbers modulo
    2^64; only rows with equal sums are then compared in full.
    """
    # Adding 0 turns -0.0 into 0.0, which is equal to it but has other bits.
    rows = np.ascontiguousarray(slices + np.zeros((), slices.dtype))
    bits = rows.view(f"uint{8 * rows.dtype.itemsize}")
    weights = np.random.default_rng(0).integers(0, 2**63, bits.shape[1], np.uint64) * 2 + 1
    sums = np.zeros(bits.shape[0], np.uint64)
    step = max(1, 2**20 // max(1, bits.shape[1]))
    for start in range(0, bits.shape[0], step):
        block = bits[start : start + step].astype(np.uint64)
        sums[start : start + step] = np.einsum("ij,j->i", block, weights)
    _, first, counts = np.unique(sums, return_index=True, return_counts=True)
    if counts.size == sums.size:
        return 0
    shared = np.isin(sums, sums[first[counts > 1]])
    candidates = np.ascontiguousarray(bits[shared])
    whole = candidates.view(np.dtype((np.void, candidates.shape[1] * bits.itemsize))).reshape(-1)
    return int(whole.size - np.unique(whole).size)
