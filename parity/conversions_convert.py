"""torch's parameters put into the arrays of another framework, by the pieces of its layers.

This is what a Layer says of where its parameters live, and nothing more: the block of torch's
array that a piece is, rearranged, added to the others at the same place.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from fanwise.layers import Layer, Leaf

__all__ = ["arrays_of", "leaf_of"]

Array = npt.NDArray[Any]


def leaf_of(leaf: Leaf, parameters: Mapping[str, Array]) -> Array:
    """The array of a leaf made from torch's."""
    whole = np.zeros(leaf.shape, np.float64)
    for piece in leaf.pieces:
        part = piece.view.from_torch(piece.block(parameters[piece.name].astype(np.float64)))
        region = tuple(slice(*ends) for ends in piece.at) if piece.at is not None else ...
        whole[region] += part
    return whole.astype(np.float32)


def arrays_of(layers: Iterable[Layer], parameters: Mapping[str, Mapping[str, Array]]) -> Any:
    """All arrays by path; those of a stack put together.

    Args:
        layers: of the framework's model.
        parameters: of torch's layers, by the path of ours.
    """
    stacked: dict[Any, dict[tuple[int, ...], Array]] = {}
    arrays: dict[Any, Array] = {}
    for layer in layers:
        for leaf in layer.leaves:
            array = leaf_of(leaf, parameters[layer.path])
            if leaf.stack:
                ((_, index),) = leaf.stack  # one stack, along axis 0, is all that is used here
                stacked.setdefault(leaf.path, {})[(index,)] = array
            else:
                arrays[leaf.path] = array
    for path, parts in stacked.items():
        arrays[path] = np.stack([parts[index] for index in sorted(parts)])
    return arrays
