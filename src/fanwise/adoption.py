"""Host memory that JAX adopts without a copy."""

import math
import mmap
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from fanwise.typing import DType

__all__ = ["adopted", "aligned"]

# XLA adopts host memory without a copy where it is aligned like its own.
_ALIGNMENT = 64

# Bytes from which numpy asks for huge pages.
_OWN_MAPPING = 2**22


def aligned(shape: tuple[int, ...], dtype: DType) -> npt.NDArray[Any]:
    """Memory that JAX adopts; what is in it is not said.

    numpy asks for huge pages. Where memory is in pieces they are slow to be had: with them a
    model filled in a fresh process spent most of its time in the kernel.
    """
    size = math.prod(shape) * dtype.itemsize
    if size >= _OWN_MAPPING and hasattr(mmap, "MAP_PRIVATE"):
        mapping = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        return np.frombuffer(mapping, dtype).reshape(shape)
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    offset = -memory.ctypes.data % _ALIGNMENT
    return memory[offset : offset + size].view(dtype).reshape(shape)


def adopted(buffer: npt.NDArray[Any]) -> jax.Array:
    """An array of JAX's own over that memory, which is not to be written to any more."""
    array: jax.Array = jax.device_put(buffer, may_alias=True)
    return array
