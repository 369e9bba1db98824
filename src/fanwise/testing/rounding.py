"""The law of a value that was rounded to a low-precision dtype.

A value in bfloat16, float16 or float32 is a real number rounded to the nearest representable
one, ties to the one with an even significand. bfloat16 has 8 significant bits: rounding moves
the cdf of a uniform value by up to 2^-9, which two million samples suffice to notice. So the cdf
of the rounded value is used instead, exactly.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np
import numpy.typing as npt

__all__ = [
    "RoundedCdf",
    "canonical",
    "representable_count",
    "round_to",
    "rounded_cdf",
    "upper_edges",
]

Float64s: TypeAlias = npt.NDArray[np.float64]
Cdf: TypeAlias = Callable[[Float64s], Float64s]

_ROUNDED = ("bfloat16", "float16", "float32")


def canonical(dtype: npt.DTypeLike | str) -> np.dtype[Any]:
    """Return the floating dtype that is meant by ``dtype``, ``"bfloat16"`` included.

    Raises:
        TypeError: if it is not bfloat16, float16, float32 or float64.
    """
    bfloat16 = isinstance(dtype, str) and dtype == "bfloat16"
    resolved: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16 if bfloat16 else dtype)
    if resolved.name not in (*_ROUNDED, "float64"):
        raise TypeError(
            f"dtype must be one of {', '.join(_ROUNDED)}, float64, got {resolved.name}; check the "
            f"real and the imaginary parts of complex values apart"
        )
    return resolved


def round_to(values: npt.ArrayLike, dtype: np.dtype[Any]) -> Float64s:
    """Round to the nearest value of ``dtype``, ties to even, and return float64."""
    with np.errstate(over="ignore"):
        narrow = np.asarray(values, np.float64).astype(dtype)
    return narrow.astype(np.float64)


def _ordinals(values: Float64s, dtype: np.dtype[Any]) -> npt.NDArray[np.int64]:
    """Number representable values in ascending order; both zeros are 0.

    A float's bits, read as an integer, count its magnitudes. So neighbours differ by one, and an
    even significand is an even number.
    """
    with np.errstate(over="ignore"):
        narrow = np.asarray(values, np.float64).astype(dtype)
    width = 8 * dtype.itemsize
    bits = narrow.view(f"uint{width}").astype(np.int64)
    magnitude = bits & ((1 << (width - 1)) - 1)
    return np.where(bits >> (width - 1), -magnitude, magnitude)


def _values(ordinals: npt.NDArray[np.int64], dtype: np.dtype[Any]) -> Float64s:
    """Undo ``_ordinals``."""
    width = 8 * dtype.itemsize
    bits = np.asarray(np.abs(ordinals) | np.where(ordinals < 0, 1 << (width - 1), 0))
    return bits.astype(f"uint{width}").view(dtype).astype(np.float64)


def representable_count(low: float, high: float, dtype: np.dtype[Any]) -> int:
    """Count the values of ``dtype`` between two of its values, both included."""
    first, last = _ordinals(np.asarray([low, high]), dtype)
    return int(last - first) + 1


def representable(low: float, high: float, dtype: np.dtype[Any]) -> Float64s:
    """List the values of ``dtype`` between two of its values, both included, ascending."""
    first, last = _ordinals(np.asarray([low, high]), dtype)
    return _values(np.arange(first, last + 1), dtype)


def upper_edges(values: Float64s, dtype: np.dtype[Any]) -> Float64s:
    """The largest real number that rounds to at most each of ``values``, which are of ``dtype``.

    That is the midpoint between the value and its successor where the value is even, for then it
    wins the tie; else the float64 just below the midpoint. Midpoints are exact in float64. The
    successor of the largest finite value is the power of two that would follow it.
    """
    ordinals = _ordinals(values, dtype)
    info = ml_dtypes.finfo(dtype)
    largest = float(info.max)
    beyond = 2.0 ** float(np.ceil(np.log2(largest)))
    (infinity,) = _ordinals(np.asarray([np.inf]), dtype)
    after = _values(np.minimum(ordinals + 1, infinity), dtype)
    start = np.where(values == -np.inf, -beyond, values)
    midpoint = (start + np.where(after == np.inf, beyond, after)) / 2
    edges = np.where(ordinals % 2 == 0, midpoint, np.nextafter(midpoint, -np.inf))
    return np.where(values == np.inf, np.inf, edges)


class RoundedCdf:
    """The cdf of a rounded value, with both of its sides. Made by :func:`rounded_cdf`."""

    def __init__(self, cdf: Cdf, dtype: np.dtype[Any], wrap: tuple[float, float] | None) -> None:
        self._cdf = cdf
        self._dtype = dtype
        self._wrap: tuple[float, float] | None = None
        if wrap is not None:
            low, high = (float(v) for v in round_to(wrap, dtype))
            wrapped = 1 - float(self._below(np.asarray([high]))[0])
            self._wrap = low, wrapped

    def __call__(self, values: npt.ArrayLike) -> Float64s:
        """P(Y <= value), for any value."""
        v = self._floor(np.asarray(values, np.float64))
        probability = self._at_most(v)
        if self._wrap is None:
            return probability
        low, wrapped = self._wrap
        return np.minimum(probability + np.where(v >= low, wrapped, 0.0), 1.0)

    def left(self, values: npt.ArrayLike) -> Float64s:
        """P(Y < value), for values of the dtype."""
        v = np.asarray(values, np.float64)
        probability = self._below(v)
        if self._wrap is None:
            return probability
        low, wrapped = self._wrap
        return np.minimum(probability + np.where(v > low, wrapped, 0.0), 1.0)

    def _at_most(self, v: Float64s) -> Float64s:
        return np.asarray(self._cdf(upper_edges(v, self._dtype)), np.float64)

    def _below(self, v: Float64s) -> Float64s:
        return np.where(v == -np.inf, 0.0, self._at_most(self._predecessor(v)))

    def _predecessor(self, v: Float64s) -> Float64s:
        (lowest,) = _ordinals(np.asarray([-np.inf]), self._dtype)
        return _values(np.maximum(_ordinals(v, self._dtype) - 1, lowest), self._dtype)

    def _floor(self, v: Float64s) -> Float64s:
        nearest = round_to(v, self._dtype)
        return np.where(nearest > v, self._predecessor(nearest), nearest)


def rounded_cdf(
    cdf: Cdf, dtype: npt.DTypeLike | str, wrap: tuple[float, float] | None = None
) -> RoundedCdf:
    """Return the cdf of a random value rounded to nearest, ties to even.

    P(round(X) <= v) is P(X <= m), with m the midpoint between v and its successor in ``dtype``;
    P(X < m) where the tie goes to the successor.

    Args:
        cdf: P(X <= x) of the value before rounding, on float64 arrays. It may have atoms if it
            is right as a step function: then ties are resolved exactly, too.
        dtype: bfloat16, float16 or float32.
        wrap: ``(low, high)`` where X is uniform on [low, high) and a value that rounds to
            ``dtype(high)`` is replaced by ``dtype(low)``, as in torch, so that the interval
            stays half-open. In bfloat16 that moves up to 2^-8 of the mass of [0, high).

    Returns:
        A callable; ``.left(v)`` is P(round(X) < v).

    Raises:
        TypeError: for any other dtype.

    Example:
        >>> import numpy as np
        >>> uniform = lambda x: np.clip(x, 0.0, 1.0)
        >>> below_one = rounded_cdf(uniform, "bfloat16").left(1.0)
        >>> round(float(below_one) * 512, 9)
        511.0
    """
    resolved = canonical(dtype)
    if resolved.name not in _ROUNDED:
        raise TypeError(
            f"rounded_cdf: dtype must be one of {', '.join(_ROUNDED)}, got {resolved.name}; use "
            f"the cdf itself"
        )
    return RoundedCdf(cdf, resolved, wrap)
