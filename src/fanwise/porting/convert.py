"""Between the arrays of a model and the parameters of its layers in torch's shapes.

Every framework says by the pieces of its leaves how its arrays are made of torch's parameters, so
that each conversion is the same two steps: arrays to parameters by one framework's pieces,
parameters to arrays by another's. What only moves keeps its bits.

Where a leaf is the sum of two parameters, as Flax's one bias of a recurrent layer is of torch's
two, the way back gives the sum to the first of them and zero to the second.
"""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from fanwise.layers import Layer, Leaf, Piece

__all__ = [
    "Array",
    "Arrays",
    "At",
    "hub_array",
    "hub_arrays",
    "is_whole",
    "leaf_array",
    "leaf_arrays",
    "parts_of",
    "write_leaf",
]

Array: TypeAlias = Any
"""Of numpy or JAX."""

Arrays: TypeAlias = Mapping[Hashable, Array]
At: TypeAlias = tuple[tuple[int, int], ...] | None


def hub_arrays(layer: Layer, arrays: Arrays) -> dict[str, Array]:
    """A layer's parameters and buffers in torch's shapes.

    Args:
        layer: of any framework.
        arrays: the model's by the paths of the layer's leaves, with the axes of their stacks.

    Returns:
        An array for each of ``layer.shapes``; of numpy's where they are, views where they can be.

    Raises:
        ValueError: if an array has the wrong shape, or says nothing of a part of a parameter that
            is not among those that ``layer.lost`` names.

    Example:
        >>> from fanwise.layers import View
        >>> kernel = Leaf("kernel", "kernel", (2, 3), np.dtype("f4"),
        ...               (Piece("weight", View("o i -> i o")),))
        >>> linear = Layer("fc", "Linear", {}, {"weight": (3, 2)}, leaves=(kernel,))
        >>> hub_arrays(linear, {"kernel": np.arange(6.0).reshape(2, 3)})["weight"]
        array([[0., 3.],
               [1., 4.],
               [2., 5.]])
    """
    return {name: hub_array(layer, name, arrays) for name in layer.shapes}


def hub_array(layer: Layer, name: str, arrays: Arrays) -> Array:
    """One parameter or buffer of :func:`hub_arrays`."""
    shape = layer.shapes[name]
    parts: dict[int, Array] = {}
    count = 1
    for leaf in layer.leaves:
        for at, pieces in parts_of(leaf):
            for index, piece in enumerate(pieces):
                if piece.name != name:
                    continue
                own = _region(_unstacked(arrays[leaf.path], leaf), at)
                block = piece.view.to_torch(own, piece.torch_shape(shape))
                position, count = piece.part or (0, 1)
                # Of a sum the first has all of it.
                parts[position] = block if index == 0 else _zeros(block)
    missing = [index for index in range(count) if index not in parts]
    if missing:
        if not parts or not any(text.startswith(name) for text in layer.lost):
            raise ValueError(
                f"{layer.path}: no array of the model holds "
                f"{name if not parts else f'all of {name}'}"
            )
        parts |= dict.fromkeys(missing, _zeros(next(iter(parts.values()))))
    if count == 1:
        return parts[0]
    is_jax = any(isinstance(part, jax.Array) for part in parts.values())
    concatenate: Any = jnp.concatenate if is_jax else np.concatenate
    return concatenate([parts[index] for index in range(count)])


def leaf_arrays(layer: Layer, hub: Mapping[str, Array]) -> dict[Hashable, Array]:
    """A layer's own arrays from its parameters and buffers in torch's shapes.

    Args:
        layer: of any framework.
        hub: numpy arrays by torch's names.

    Returns:
        An array for each leaf, of the leaf's shape and so without the axes of a stack; views
        where they can be. Where a leaf is only partly the layer's, the rest is zero.

    Raises:
        ValueError: if a parameter has the wrong shape.

    Example:
        >>> from fanwise.layers import View
        >>> kernel = Leaf("kernel", "kernel", (2, 3), np.dtype("f4"),
        ...               (Piece("weight", View("o i -> i o")),))
        >>> linear = Layer("fc", "Linear", {}, {"weight": (3, 2)}, leaves=(kernel,))
        >>> leaf_arrays(linear, {"weight": np.arange(6.0).reshape(3, 2)})["kernel"]
        array([[0., 2., 4.],
               [1., 3., 5.]])
    """
    arrays: dict[Hashable, Array] = {}
    for leaf in layer.leaves:
        if is_whole(leaf):
            arrays[leaf.path] = leaf_array(layer, leaf, hub)
            continue
        if leaf.path not in arrays:
            dtype = hub[leaf.pieces[0].name].dtype
            arrays[leaf.path] = np.zeros(leaf.shape, dtype)
        _write(arrays[leaf.path], layer, leaf, hub)
    return arrays


def is_whole(leaf: Leaf) -> bool:
    """Whether a leaf is an array by itself, of one region and no stack."""
    return not leaf.stack and all(piece.at is None for piece in leaf.pieces)


def leaf_array(layer: Layer, leaf: Leaf, hub: Mapping[str, Array]) -> Array:
    """The array of a leaf that :func:`is_whole`."""
    ((at, pieces),) = parts_of(leaf)
    return _block(layer, leaf, at, pieces, hub)


def write_leaf(whole: Array, layer: Layer, leaf: Leaf, hub: Mapping[str, Array]) -> int:
    """Write a leaf into the array that it is a part of, and count the elements written.

    Args:
        whole: the numpy array, with the axes of the stack.
        layer: of any framework.
        leaf: one of the layer's.
        hub: the layer's parameters and buffers.
    """
    return _write(_unstacked(whole, leaf), layer, leaf, hub)


def _write(own: Array, layer: Layer, leaf: Leaf, hub: Mapping[str, Array]) -> int:
    count = 0
    for at, pieces in parts_of(leaf):
        block = _block(layer, leaf, at, pieces, hub)
        _region(own, at)[...] = block
        count += block.size
    return count


def parts_of(leaf: Leaf) -> Iterator[tuple[At, list[Piece]]]:
    """The regions of a leaf, and the pieces that are added in each."""
    regions: dict[At, list[Piece]] = {}
    for piece in leaf.pieces:
        regions.setdefault(piece.at, []).append(piece)
    yield from regions.items()


def _zeros(array: Array) -> Array:
    zeros_like: Any = jnp.zeros_like if isinstance(array, jax.Array) else np.zeros_like
    return zeros_like(array)


def _region(array: Array, at: At) -> Array:
    return array if at is None else array[tuple(slice(*ends) for ends in at)]


def _unstacked(array: Array, leaf: Leaf) -> Array:
    for axis, index in leaf.stack:
        array = array[(*(slice(None),) * axis, index, ...)]
    if tuple(array.shape) != leaf.shape:
        raise ValueError(f"{leaf.name} must have the shape {leaf.shape}, got {array.shape}")
    return array


def _block(layer: Layer, leaf: Leaf, at: At, pieces: list[Piece], hub: Mapping[str, Array]) -> Any:
    shape = leaf.shape if at is None else tuple(stop - start for start, stop in at)
    total = None
    for piece in pieces:
        array = hub[piece.name]
        if tuple(array.shape) != layer.shapes[piece.name]:
            raise ValueError(
                f"{layer.path}: {piece.name} must have the shape {layer.shapes[piece.name]}, got "
                f"{array.shape}"
            )
        block = piece.view.from_torch(piece.block(array))
        # Zero adds nothing, which x + 0.0 does where x is -0.0.
        total = block if total is None else np.where(block == 0, total, total + block)
    assert total is not None
    if total.shape != shape:
        raise ValueError(f"{leaf.name} must have the shape {shape}, got {total.shape}")
    return total
