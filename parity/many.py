"""Many weights of one case: from us, from jax, or from torch, one for each of several keys."""

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import torch

from parity.arrays import TORCH_DTYPES, from_torch, numpy_dtype, precision, to_torch_order
from parity.cases import Case
from parity.seeding import torch_seeded, typed_key

__all__ = ["Initializer", "Weights", "cropped", "of_jax", "of_torch", "thinned"]

Weights = npt.NDArray[Any]
"""Of shape (weights, *shape), each weight in torch's order."""

Initializer = Callable[..., jax.Array]


def of_jax(case: Case, initializer: Initializer, count: int, seed: int, name: str) -> Weights:
    """Draw ``count`` weights of a case, each with its own key.

    Args:
        case: gives shape, layout and dtype.
        initializer: ``(key, shape, dtype) -> array`` in the case's layout.
        count: how many.
        seed: the suite's seed.
        name: of this use of randomness.
    """
    shape, dtype = case.our_shape, numpy_dtype(case.dtype)
    keys = jax.random.split(typed_key(seed, name), count)
    with precision(case.dtype):
        draw = jax.jit(jax.vmap(lambda key: initializer(key, shape, dtype)))
        arrays = np.asarray(draw(keys))
    return _to_torch_order(arrays, case.layout)


def _to_torch_order(arrays: Weights, layout: str) -> Weights:
    # An array whose sizes are its axes' own numbers tells where each axis goes.
    axes = range(1, arrays.ndim)
    places = to_torch_order(np.empty(tuple(axes), np.uint8), layout).shape
    return arrays.transpose(0, *places)


def of_torch(case: Case, count: int, seed: int, name: str) -> Weights:
    """Draw ``count`` weights of a case with torch, one after another."""
    weights = torch.empty((count, *case.shape), dtype=TORCH_DTYPES[case.dtype])
    with torch_seeded(seed, name):
        for weight in weights:
            case.torch_function(weight, **case.kwargs)
    return from_torch(weights)


def thinned(weights: Weights, most: int) -> Weights:
    """Evenly spaced values, at most ``most`` of them."""
    flat = weights.reshape(-1)
    return flat[:: math.ceil(flat.size / most)]


def cropped(weights: Weights, most: int) -> Weights:
    """About ``most`` values that keep their axes: whole weights, or rows of the first two."""
    count, rows = weights.shape[:2]
    size = weights[0].size
    if 2 * size <= most:
        return weights[: max(2, min(count, most // size))]
    return weights[:2, : max(2, min(rows, most * rows // (2 * size)))]
