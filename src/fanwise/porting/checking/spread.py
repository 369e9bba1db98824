"""Whether all parts of an array have one mean and one std.

A packed matrix whose blocks are started each in its own way may have, all together, the mean and
the std that are asked for. So slices along each axis, and halves, thirds and quarters of them, are
held against the law by themselves, with the bounds of :mod:`fanwise.testing` for mean and variance.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from fanwise.distributions import ScalarDistribution, Uniform
from fanwise.testing.law import Law, law_of
from fanwise.testing.moments import rms_thresholds

__all__ = ["uneven"]

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]

# What is looked at along each axis: halves, thirds, quarters, and each slice by itself.
_BLOCKS = (2, 3, 4)
_LOOKS = len(_BLOCKS) + 1
# Of longer axes slices have too few values to tell.
_SLICES = 512


def uneven(draws: Array, law: ScalarDistribution, samples: int, false_alarm: float) -> str:
    """Say which parts of an array have another mean or std than the whole; nothing if none has.

    Args:
        draws: of the whole array, shape (keys, ...).
        law: of each element.
        samples: about how many values to look at.
        false_alarm: upper bound of the probability that independent values of the law are said to
            be uneven, divided equally among axes, ways to divide them, parts, mean and std.

    Example:
        >>> from fanwise.distributions import Normal
        >>> values = np.random.default_rng(0).normal(size=(2, 64, 64))
        >>> uneven(values, Normal(0.0, 1.0), 2**14, 1e-9)
        ''
        >>> uneven(values * np.repeat([1.2, 0.75], 32), Normal(0.0, 1.0), 2**14, 1e-9)
        'std of halves of columns: 1.22, 0.739 of that of the whole'
    """
    half_open = isinstance(law, Uniform) and draws.dtype.itemsize < 4
    # In 16 bits values that round to the upper end may stay there, or be put to the lower one.
    found = _uneven(draws, law_of(law, draws.dtype), samples, false_alarm)
    if found and half_open:
        return _uneven(draws, law_of(law, draws.dtype, half_open), samples, false_alarm)
    return found


def _uneven(draws: Array, law: Law, samples: int, false_alarm: float) -> str:
    axes = [axis for axis in range(1, draws.ndim) if draws.shape[axis] > 1]
    chosen = _chosen(draws.shape, samples)
    z = (draws.reshape(-1)[chosen].astype(np.float64) - law.mean) / law.std
    squares = z * z
    found = [(1.0, "")]
    for axis, places in zip(axes, _places(draws.shape, samples), strict=True):
        size = draws.shape[axis]
        sums = [np.bincount(places, weights, size) for weights in (None, z, squares)]
        for text, (n, mean, square) in _looks(sums, size, _name(axis)):
            if (n == 0).any():
                continue
            rate = false_alarm / (len(axes) * _LOOKS * len(n) * 2)
            mean_bounds, rms_bounds = _bounds(law, n, rate)
            means, rms = mean / n, np.sqrt(square / n)
            share = np.abs(rms - 1) / rms_bounds
            listed = f"std of {text}: {_listed(rms, share)} of that of the whole"
            found.append((float(share.max()), listed))
            share = np.abs(means) / mean_bounds
            found.append((float(share.max()), f"mean of {text}: {_listed(means, share)} std off"))
    # The way to divide it that shows it best says most.
    return max(found)[1]


def _looks(sums: Sequence[Array], size: int, name: str) -> Iterator[tuple[str, list[Array]]]:
    """Numbers of values, sums and sums of squares, in each way to divide an axis."""
    for blocks, word in zip(_BLOCKS, ("halves", "thirds", "quarters"), strict=True):
        if size % blocks == 0 and size > blocks:
            yield f"{word} of {name}", [each.reshape(blocks, -1).sum(1) for each in sums]
    if size <= _SLICES:
        yield name, list(sums)


def _name(axis: int) -> str:
    return {1: "rows", 2: "columns"}.get(axis, f"slices of axis {axis - 1}")


def _bounds(law: Law, n: Array, rate: float) -> tuple[Array, Array]:
    """Of mean and root mean square, for each number of values."""
    numbers, where = np.unique(n.astype(np.int64), return_inverse=True)
    means, squares = [], []
    for own in numbers.tolist():
        either = max(law.value.above(own, rate / 2), law.value.below(own, rate / 2))
        means.append(either + law.slack)
        squares.append(rms_thresholds(law.square, own, rate, rate, law.slack)[0])
    return np.asarray(means)[where], np.asarray(squares)[where]


def _listed(values: Array, shares: Array) -> str:
    if values.size <= max(_BLOCKS):
        return ", ".join(f"{value:.3g}" for value in values)
    return f"{values[np.argmax(shares)]:.3g} in number {np.argmax(shares)}"


def _chosen(shape: tuple[int, ...], samples: int) -> Any:
    """All places of the flattened draws, or about ``samples`` of them spread over all slices."""
    size = math.prod(shape)
    if size <= samples:
        return slice(None)
    step = round(size * (math.sqrt(5) - 1) / 2)
    while math.gcd(step, size) > 1:
        step += 1
    return np.arange(samples, dtype=np.int64) * step % size


@lru_cache(maxsize=16)
def _places(shape: tuple[int, ...], samples: int) -> tuple[Ints, ...]:
    """For each axis but the keys' with slices to compare, the slice of each value looked at."""
    flat: Any = np.arange(math.prod(shape))[_chosen(shape, samples)]
    coordinates = np.unravel_index(flat, shape)
    return tuple(own for own, size in zip(coordinates[1:], shape[1:], strict=True) if size > 1)
