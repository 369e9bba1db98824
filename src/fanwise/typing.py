"""Types that everybody passes around, and the rule for dtypes.

Values in bfloat16 and float16 are drawn in float32 and rounded once, as torch does.
``jax.random`` asked for bfloat16 draws only as many random bits as the mantissa holds: 128
distinct normals. See :func:`compute_dtype`.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

__all__ = [
    "DType",
    "DTypeLike",
    "Key",
    "OutSharding",
    "Shape",
    "canonical_dtype",
    "canonical_shape",
    "compute_dtype",
    "is_complex",
    "is_real_floating",
    "part_dtype",
]

Key: TypeAlias = jax.Array
Shape: TypeAlias = Sequence[int]
DType: TypeAlias = np.dtype[Any]
DTypeLike: TypeAlias = Any
OutSharding: TypeAlias = NamedSharding | PartitionSpec | None

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_COMPLEX = ("complex64", "complex128")
RANDOM_DTYPES = _FLOATS + _COMPLEX


def canonical_dtype(dtype: DTypeLike | None) -> DType:
    """Return the dtype that JAX will really use.

    ``None`` is JAX's default floating dtype: float32, or float64 with ``jax_enable_x64``; Python
    types are JAX's defaults as well. A 64-bit dtype without ``jax_enable_x64`` becomes its 32-bit
    counterpart with the UserWarning that JAX itself gives for it.

    Raises:
        TypeError: if ``dtype`` is no dtype.
    """
    if dtype is None or any(dtype is kind for kind in (bool, int, float, complex)):
        return jax.dtypes.canonicalize_dtype(float if dtype is None else dtype)
    requested = jnp.dtype(dtype)
    if requested.itemsize >= 8 and jax.dtypes.canonicalize_dtype(requested) != requested:
        # Asking jnp for such an array is the public way to get JAX's own warning, which the
        # user may have filtered or turned into an error (jax_explicit_x64_dtypes).
        return jnp.zeros((), requested).dtype
    return requested


def canonical_shape(shape: Shape) -> tuple[int, ...]:
    """Return ``shape`` as a tuple of Python ints.

    Raises:
        TypeError: if ``shape`` is not a sequence of integers.
        ValueError: if an axis is negative.
    """
    try:
        axes = tuple(int(axis.__index__()) for axis in shape)
    except (TypeError, AttributeError):
        raise TypeError(
            f"shape must be a sequence of integers, got {shape!r}; write (n,) for one axis"
        ) from None
    if any(axis < 0 for axis in axes):
        raise ValueError(f"shape must not have negative axes, got {axes}")
    return axes


def is_real_floating(dtype: DType) -> bool:
    """Whether ``dtype`` is float16, bfloat16, float32 or float64."""
    return dtype.name in _FLOATS


def is_complex(dtype: DType) -> bool:
    """Whether ``dtype`` is complex64 or complex128."""
    return dtype.name in _COMPLEX


def part_dtype(dtype: DType) -> DType:
    """Return the dtype of a complex dtype's real and imaginary parts; a real dtype unchanged."""
    return np.dtype(f"float{dtype.itemsize * 4}") if is_complex(dtype) else dtype


def compute_dtype(dtype: DType) -> DType:
    """Return the dtype in which values are drawn before the one rounding to ``dtype``."""
    return np.dtype(np.float32) if dtype.itemsize < 4 else part_dtype(dtype)
