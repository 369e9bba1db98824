"""Layers of models that nobody built: torch's with its state dict, Flax's with their kernels.

Only names, kinds and shapes are needed to match, and arrays to see what became of them.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from fanwise.layers import Layer, Leaf, Piece, View, kind_of
from fanwise.layers.view import SAME
from fanwise.porting import Correspondence, Pair
from fanwise.porting.convert import hub_arrays, leaf_arrays

__all__ = ["arrays_of", "converted", "flax", "found", "linears", "torch"]

_KERNEL = {2: View("o i -> i o"), 3: View("o i l -> l i o"), 4: View("o i h w -> h w i o")}


def _shapes(kind: str, hyperparameters: dict[str, Any]) -> tuple[dict, dict]:
    known = kind_of(kind)
    return dict(known.shapes(**hyperparameters)), dict(known.buffers(**hyperparameters))


def torch(path: str, kind: str | None, shapes: dict | None = None, **hyperparameters) -> Layer:
    """A torch layer by its dotted path; of kind None with the given shapes."""
    buffers: dict = {}
    if kind is not None:
        shapes, buffers = _shapes(kind, hyperparameters)
    assert shapes is not None
    leaves = []
    for name, shape in {**shapes, **buffers}.items():
        key = f"{path}.{name}".lstrip(".")
        leaves.append(Leaf(key, key, shape, np.dtype(np.float32), (Piece(name),)))
    return Layer(
        path.replace(".", "/"), kind, hyperparameters, shapes, buffers, leaves=tuple(leaves)
    )


def flax(path: str, kind: str | None, shapes: dict | None = None, **hyperparameters) -> Layer:
    """A Flax layer by its path; kernels are stored as Flax does, all else as it is."""
    buffers: dict = {}
    if kind is not None:
        shapes, buffers = _shapes(kind, hyperparameters)
        buffers.pop("num_batches_tracked", None)
    assert shapes is not None
    leaves = []
    for name, shape in {**shapes, **buffers}.items():
        is_kernel = kind in ("Linear", "Conv1d", "Conv2d") and name == "weight"
        view = _KERNEL[len(shape)] if is_kernel else SAME
        at = (*path.split("/"), name)
        piece = Piece(name, view)
        leaves.append(Leaf(at, "/".join(at), view.shape(shape), np.dtype(np.float32), (piece,)))
    return Layer(path, kind, hyperparameters, shapes, buffers, "Sketch", leaves=tuple(leaves))


def linears(make, paths: Iterable[str], inputs: int = 4, outputs: int = 4) -> list[Layer]:
    """Linears of one shape."""
    return [make(path, "Linear", in_features=inputs, out_features=outputs) for path in paths]


def found(correspondence: Correspondence) -> dict[str, str]:
    """Flax's path by torch's dotted one; of bare parameters by their keys."""
    return {_torch_name(pair): _flax_name(pair) for pair in correspondence.pairs}


def _torch_name(pair: Pair) -> str:
    bare = pair.torch.kind is None and len(pair.torch.leaves) == 1
    return str(pair.torch.leaves[0].path) if bare else pair.torch.path.replace("/", ".")


def _flax_name(pair: Pair) -> str:
    bare = pair.flax.kind is None and len(pair.flax.leaves) == 1
    return "/".join(pair.flax.leaves[0].path) if bare else pair.flax.path


def arrays_of(layers: Iterable[Layer]) -> dict[Any, np.ndarray]:
    """Different numbers for each array."""
    arrays: dict[Any, np.ndarray] = {}
    for layer in layers:
        for leaf in layer.leaves:
            if leaf.path not in arrays:
                start, size = 1000 * len(arrays), int(np.prod(leaf.shape))
                values = np.arange(start, start + size, dtype=np.float32)
                arrays[leaf.path] = values.reshape(leaf.shape)
    return arrays


def converted(correspondence: Correspondence, arrays: dict[Any, np.ndarray]) -> dict:
    """Flax's arrays from torch's; those of which a pair has a region only are added up."""
    made: dict[Any, np.ndarray] = {}
    for pair in correspondence.pairs:
        for path, array in leaf_arrays(pair.flax, hub_arrays(pair.torch, arrays)).items():
            made[path] = made[path] + array if path in made else array
    return made
