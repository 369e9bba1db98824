"""Samples, counted or sorted once for all checks."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fanwise.testing.rounding import Float64s, canonical

__all__ = ["Sample", "Samples", "in_dtype", "sample_of"]


@dataclass(frozen=True)
class Sample:
    """The values of one array in ascending order. Made by :func:`sample_of`.

    Args:
        dtype: the dtype whose values these are.
        n: how many there are.
        finite: whether all of them are.
        values: the values; equal ones are listed once in 16 bits, apart in more bits. Not
            meaningful if a value is not finite.
        counts: how often each is there; None stands for once each.
    """

    dtype: np.dtype[Any]
    n: int
    finite: bool
    values: Float64s
    counts: npt.NDArray[np.int64] | None

    @cached_property
    def up_to(self) -> Float64s:
        """For each value, the share of samples that precede it or are counted with it.

        Of equal values listed apart, only the last one's is the empirical cdf; the others' are
        smaller.
        """
        last = np.arange(1, self.n + 1) if self.counts is None else np.cumsum(self.counts)
        return last / self.n

    @cached_property
    def before(self) -> Float64s:
        """For each value, the share of samples that precede it; larger only among equal ones."""
        return self.up_to - (1 if self.counts is None else self.counts) / self.n

    def ecdf(self, places: Float64s) -> Float64s:
        """The share of samples that are at most each of ``places``."""
        steps = np.concatenate([[0.0], self.up_to])
        return steps[np.searchsorted(self.values, places, side="right")]

    def mean_about(self, centre: float) -> float:
        """The mean of X - centre."""
        offsets = self.values - centre
        total = offsets.sum() if self.counts is None else offsets @ self.counts
        return float(total) / self.n

    def rms_about(self, centre: float) -> float:
        """The root mean square of X - centre."""
        offsets = self.values - centre
        with np.errstate(over="ignore"):
            weighted = offsets if self.counts is None else offsets * self.counts
            return float(np.sqrt(offsets @ weighted / self.n))


Samples: TypeAlias = npt.ArrayLike | Sample


def in_dtype(samples: npt.ArrayLike, dtype: npt.DTypeLike | str | None = None) -> npt.NDArray[Any]:
    """Return ``samples`` as a numpy array of ``dtype``, of the same values.

    Args:
        samples: floating-point values.
        dtype: bfloat16, float16, float32 or float64; None keeps what the array has.

    Raises:
        TypeError: if the values are not real floating-point numbers.
        ValueError: if there are none, or ``dtype`` cannot hold them exactly.
    """
    array = np.asarray(samples)
    if array.dtype.name not in ("bfloat16", "float16", "float32", "float64"):
        raise TypeError(
            f"samples must be bfloat16, float16, float32 or float64, got {array.dtype.name}; "
            f"check the real and the imaginary parts of complex values apart"
        )
    if array.size == 0:
        raise ValueError(
            f"samples must hold at least one value, got the shape {array.shape}; an empty array "
            f"shows nothing"
        )
    target = array.dtype if dtype is None else canonical(dtype)
    if target == array.dtype:
        return array
    with np.errstate(over="ignore"):
        narrow = array.astype(target)
    if not np.array_equal(narrow.astype(np.float64), array.astype(np.float64), equal_nan=True):
        raise ValueError(
            f"samples of dtype {array.dtype.name} hold values that {target.name} cannot hold; pass "
            f"dtype={array.dtype.name!r}, or round them first"
        )
    return narrow


def sample_of(samples: Samples, dtype: npt.DTypeLike | str | None = None) -> Sample:
    """Count or sort samples, once for several checks; a Sample is returned as it is.

    Args:
        samples: floating-point values of any shape.
        dtype: the dtype whose values they are, if they came in a wider one.

    Raises:
        TypeError: if the values are not real floating-point numbers.
        ValueError: if there are none, or ``dtype`` cannot hold them exactly.
    """
    if isinstance(samples, Sample):
        if dtype is not None and canonical(dtype) != samples.dtype:
            raise ValueError(
                f"this Sample was made in {samples.dtype.name}, got dtype={dtype!r}; give the "
                f"dtype to sample_of instead"
            )
        return samples
    array = in_dtype(samples, dtype).reshape(-1)
    if array.dtype.itemsize > 2:
        ordered = np.sort(array).astype(np.float64)
        # Sorting puts NaN last, and infinities at the ends.
        finite = bool(np.isfinite(ordered[0]) and np.isfinite(ordered[-1]))
        return Sample(array.dtype, array.size, finite, ordered, None)
    # 16 bits have 65,536 patterns: counting them is faster than sorting.
    counts = np.bincount(array.view(np.uint16), minlength=2**16)
    (patterns,) = np.nonzero(counts)
    values = patterns.astype(np.uint16).view(array.dtype).astype(np.float64)
    order = np.argsort(values)
    finite = bool(np.isfinite(values).all())
    return Sample(array.dtype, array.size, finite, values[order], counts[patterns][order])
