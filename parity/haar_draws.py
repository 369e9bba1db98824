"""Thousands of small orthogonal matrices, from us, from torch and from jax.

Each source gives matrices of (output) by (everything else), as torch reads a weight.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import torch
from jax.nn import initializers as jax_initializers

import fanwise
from parity.arrays import from_torch, shape_in
from parity.result import NEAREST, OURS, TORCH
from parity.seeding import torch_seeded, typed_key

__all__ = ["MATRICES", "SHAPES", "sources"]

Matrices = npt.NDArray[Any]

MATRICES = 12_000
"""Enough to notice a mean of entries off by 0.11, or a cdf off by 0.05."""

# torch draws them one by one; as a control these are enough.
TORCH_MATRICES = 4_000

# Square, tall, and a convolution of 2 outputs that is wide: 2 by 4.
SHAPES = ((3, 3), (5, 2), (2, 2, 2))


def sources() -> dict[tuple[str, str, str], Callable[[int], Matrices]]:
    """Return by initializer, subject and description what draws from the suite's seed."""
    found: dict[tuple[str, str, str], Callable[[int], Matrices]] = {}
    for shape in SHAPES:
        text = f"many weights of {shape}"
        found["orthogonal", OURS, text] = lambda seed, shape=shape: _per_key(
            fanwise.orthogonal(), shape, seed
        )
        found["orthogonal", TORCH, text] = lambda seed, shape=shape: _torch(shape, seed)
        found["orthogonal", NEAREST, text] = lambda seed, shape=shape: _per_key(
            jax_initializers.orthogonal(), shape, seed
        )
    found["orthogonal", OURS, "many weights of (3, 3) in one batch"] = _batch
    text = "many centres of (4, 3, 3)"
    for subject, make in ((OURS, fanwise), (NEAREST, jax_initializers)):
        found["delta_orthogonal", subject, text] = lambda seed, make=make: _per_key(
            make.delta_orthogonal(), (4, 3, 3), seed
        )[:, :, 1::3]
    return found


def _per_key(initializer: Callable[..., Any], shape: tuple[int, ...], seed: int) -> Matrices:
    """One weight in Flax's layout from each of many keys, in torch's order."""
    kernel = shape_in("...IO", shape)
    keys = jax.random.split(typed_key(seed, f"haar {shape}"), MATRICES)
    draw = jax.jit(jax.vmap(lambda key: initializer(key, kernel, np.float32)))
    field = range(1, len(shape) - 1)
    weights = np.asarray(draw(keys)).transpose(0, len(shape), len(shape) - 1, *field)
    return weights.reshape(MATRICES, shape[0], -1)


def _batch(seed: int) -> Matrices:
    """All weights from one key, side by side along a batch axis."""
    initializer = fanwise.orthogonal(layout="BIO")
    array = initializer(typed_key(seed, "haar batch"), (MATRICES, 3, 3), np.float32)
    return np.asarray(array).transpose(0, 2, 1)


def _torch(shape: tuple[int, ...], seed: int) -> Matrices:
    weights = torch.empty((TORCH_MATRICES, *shape))
    with torch_seeded(seed, f"haar {shape}"):
        for weight in weights:
            torch.nn.init.orthogonal_(weight)
    return from_torch(weights).reshape(TORCH_MATRICES, shape[0], -1)
