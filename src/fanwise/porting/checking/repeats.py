"""Values that are drawn once and used twice within one array, with either sign.

Independent values of a law with a density are equal to one another only by rounding. What is
compared here is therefore exact, and a false alarm takes a coincidence of many values at once:

* Slices of the array along each axis (rows, columns, ...), by some values of each from several
  draws, and the array with itself backwards. Two independent values are of one magnitude with a
  probability of at most 2^-6, that of a uniform law drawn in bfloat16, with 64 magnitudes; k of
  them with at most 2^-6k, and any two of n slices with n^2/2 times that. As many values are taken
  as keep it below the rate.
* All values of a corner of the array, by how many different magnitudes there are. Where values are
  independent, an array each of whose values is taken from another draw at random has the same law,
  so it has as many different ones but for chance; and as a value more or less changes that number
  by at most 1, the chance is bounded by McDiarmid's inequality: two such numbers of n values
  differ by sqrt(2 n ln(1/rate)) with at most twice the rate. Nothing about the law is assumed.
  Values that are there a dozen times or oftener are so in the mixture too, and not seen by this.

References:
    C. McDiarmid, On the method of bounded differences, Surveys in Combinatorics 141 (1989) 148.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["repeats"]

Array = npt.NDArray[Any]

# 2^-6 is the probability above.
_BITS = 6
# Values of a slice that are taken from each draw, draws, and draws where slices are short.
_VALUES, _DRAWS, _MORE_DRAWS = 8, 2, 16
# Values of the corner in all draws together.
_CORNER = 2**15


def repeats(draws: Array, false_alarm: float) -> str:
    """Say what is there twice in an array; nothing of independent values.

    Args:
        draws: of the whole array, shape (keys, ...), two keys or more, of a law with a density.
        false_alarm: upper bound of the probability that independent values are said to repeat.

    Example:
        >>> half = np.random.default_rng(0).normal(size=(2, 8, 16)).astype(np.float32)
        >>> repeats(np.concatenate([half, -half], axis=1), 1e-9)
        '8 different rows of 16 but for signs'
    """
    axes = range(1, draws.ndim)
    rate = false_alarm / (draws.ndim + 1)
    found = [text for axis in axes if (text := _slices(draws, axis, rate))]
    return ", ".join(found) or _backwards(draws, rate) or _corner(draws, rate)


def _backwards(draws: Array, false_alarm: float) -> str:
    """Whether the last values are the first ones: an array and its half turn."""
    flat = draws[:_MORE_DRAWS].reshape(min(len(draws), _MORE_DRAWS), -1)
    count = min(flat.shape[1] // 2, _VALUES)
    if flat.shape[0] * count * _BITS < math.log2(1 / false_alarm):
        return ""
    first, last = np.abs(flat[:, :count]), np.abs(flat[:, : -count - 1 : -1])
    return "the same backwards but for signs" if (first == last).all() else ""


def _slices(draws: Array, axis: int, false_alarm: float) -> str:
    count = draws.shape[axis]
    if count < 2:
        return ""
    needed = math.log2(count * count / 2 / false_alarm) / _BITS
    others = math.prod(draws.shape[1:]) // count
    keys = min(len(draws), max(_DRAWS, min(math.ceil(needed / others), _MORE_DRAWS)))
    if min(others, _VALUES) * keys < needed:
        return ""
    taken = _first(np.moveaxis(draws[:keys], axis, 1), _VALUES)
    lines = np.moveaxis(taken, 1, 0).reshape(count, -1).astype(np.float64)
    name = {1: "rows", 2: "columns"}.get(axis, f"slices of axis {axis - 1}")
    for values, text in ((lines + 0.0, ""), (np.abs(lines), " but for signs")):
        different = _different(values)
        if different < count:
            return f"{different} different {name} of {count}{text}"
    return ""


def _first(draws: Array, wanted: int) -> Array:
    """Some values of each slice: the first along its axes, until there are enough."""
    taken: list[slice] = []
    have = 1
    for size in reversed(draws.shape[2:]):
        stop = min(size, -(-wanted // have))
        taken.insert(0, slice(stop))
        have *= stop
    return draws[(slice(None), slice(None), *taken)]


def _different(lines: Array) -> int:
    """Lines with different values, by sums of their bits that are equal by chance once in 2^64."""
    bits = np.ascontiguousarray(lines).view(np.uint64)
    bits = (bits ^ (bits >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    factors = np.random.default_rng(0).integers(0, 2**63, bits.shape[1], dtype=np.uint64)
    hashed = ((bits ^ (bits >> np.uint64(32))) * (2 * factors + 1)).sum(axis=1, dtype=np.uint64)
    return int(np.unique(hashed).size)


def _corner(draws: Array, false_alarm: float) -> str:
    keys = max(_DRAWS, min(len(draws), _CORNER // math.prod(draws.shape[1:])))
    left, shape = _CORNER // keys, sorted(draws.shape[1:])
    limit = left
    for index, size in enumerate(shape):
        limit = max(1, math.floor(left ** (1 / (len(shape) - index)) + 1e-9))
        left //= min(size, limit)
    values = np.abs(draws[(slice(keys), *[slice(limit)] * len(shape))]).reshape(keys, -1)
    n = values.size
    allowed = math.sqrt(2 * n * math.log(2 / false_alarm))
    # With a half of them repeated, a mixture of two draws has a quarter of n more.
    if n < 4 * allowed:
        return ""
    turns = np.random.default_rng(0).integers(0, keys, values.shape[1])
    mixed = np.take_along_axis(values, (np.arange(keys)[:, None] + turns) % keys, axis=0)
    missing = _distinct(mixed) - (own := _distinct(values))
    if missing <= allowed:
        return ""
    return f"{1 - own / n:.0%} of the values are there before but for their signs"


def _distinct(values: Array) -> int:
    """Different values in each draw, all draws together."""
    ordered = np.sort(values.astype(np.float64), axis=1)
    return int(np.count_nonzero(np.diff(ordered, axis=1)) + len(values))
