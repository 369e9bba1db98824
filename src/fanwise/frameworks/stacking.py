"""The axes by which a stacked layer's array is longer than the layer's own.

``nn.scan`` and ``nn.vmap`` keep the arrays of n equal layers in one, with an axis more. A module
inside of them sees the array without it, and those outside with it.
"""

from collections.abc import Collection, Sequence
from itertools import combinations
from typing import TypeAlias

__all__ = ["added_axes", "stacks_of"]

Shape: TypeAlias = tuple[int, ...]
Stack: TypeAlias = tuple[tuple[int, int, int], ...]


def stacks_of(shape: Shape, levels: Sequence[Collection[Shape]]) -> tuple[Shape, Stack]:
    """The layer's own shape, and the axes of the stacks, outermost first.

    Args:
        shape: of the whole array.
        levels: the shapes that modules saw: the model, its child, and so on to the owner.

    Returns:
        The shape without any stack; and for each axis of a stack: the axis, counted when all
        axes of stacks further out are gone, its size, and the level whose module is repeated.
    """
    stack: list[tuple[int, int, int]] = []
    for level, seen in enumerate(levels):
        for inner in sorted(seen, key=len, reverse=True):
            for axis in added_axes(shape, inner):
                stack.append((axis, shape[axis], level))
                shape = shape[:axis] + shape[axis + 1 :]
    return shape, tuple(stack)


def added_axes(outer: Shape, inner: Shape) -> list[int]:
    """The axes to take away, one after another, from the outer shape to get the inner one.

    Where several would do, the first: scan and vmap put theirs in front unless told otherwise.

    Raises:
        ValueError: if none do.

    Example:
        >>> added_axes((5, 3, 4), (5, 4))
        [1]
    """
    extra = len(outer) - len(inner)
    for axes in combinations(range(len(outer)), max(extra, 0)):
        if tuple(size for axis, size in enumerate(outer) if axis not in axes) == inner:
            # Each counted when those before it are gone.
            return [axis - gone for gone, axis in enumerate(axes)]
    raise ValueError(f"an array of shape {outer} is no stack of arrays of shape {inner}")
