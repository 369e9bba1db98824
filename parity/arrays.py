"""Between torch's tensors and JAX's arrays: dtypes, and the order of axes.

Whatever is compared is compared as numpy arrays in torch's order (output, input, receptive
field). The order of axes is worked out here once more, without ``fanwise.layouts``: a suite that
shared that code could not find fault with it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import ml_dtypes
import numpy as np
import numpy.typing as npt
import torch

__all__ = [
    "LAYOUTS",
    "TORCH_DTYPES",
    "from_torch",
    "is_wide",
    "numpy_dtype",
    "precision",
    "shape_in",
    "to_torch_order",
]

LAYOUTS = ("OI...", "...IO", "...OI")
"""torch's own, that of Flax, and torch's reading of a transposed convolution in Flax."""

TORCH_DTYPES = {
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
    "complex64": torch.complex64,
    "complex128": torch.complex128,
    "bool": torch.bool,
    "uint8": torch.uint8,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
}


def numpy_dtype(name: str) -> np.dtype[Any]:
    """Return the numpy dtype of this name, bfloat16 included."""
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def from_torch(tensor: torch.Tensor) -> npt.NDArray[Any]:
    """Return a tensor's values; numpy has no bfloat16 that torch would know."""
    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def _permutation(axes: int, layout: str) -> tuple[int, ...]:
    """For each axis in ``layout``, its place in torch's order."""
    if axes < 2:
        return tuple(range(axes))
    field = iter(range(2, axes))
    letters = layout.replace("...", "." * (axes - 2))
    return tuple({"O": 0, "I": 1}[c] if c in "IO" else next(field) for c in letters)


def shape_in(layout: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape of torch's order in the order of ``layout``."""
    return tuple(shape[axis] for axis in _permutation(len(shape), layout))


def to_torch_order(array: npt.ArrayLike, layout: str) -> npt.NDArray[Any]:
    """Return an array of ``layout`` with its axes in torch's order."""
    values = np.asarray(array)
    return values.transpose(np.argsort(_permutation(values.ndim, layout)))


def is_wide(dtype: str) -> bool:
    """Whether a dtype has 64 bits, or 64 bits in each part of a complex number."""
    return dtype in ("float64", "complex128", "int64")


@contextmanager
def precision(dtype: str) -> Iterator[None]:
    """Let JAX have 64 bits where ``dtype`` has them."""
    with jax.enable_x64(is_wide(dtype)):
        yield
