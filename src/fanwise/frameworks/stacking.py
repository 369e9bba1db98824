"""The axes by which a stacked layer's array is longer than the layer's own.

``nn.scan`` and ``nn.vmap`` keep the arrays of n equal layers in one, with an axis more. A module
inside of them sees the array without it, and those outside with it.
"""

from collections.abc import Collection, Sequence
from itertools import combinations, pairwise
from typing import TypeAlias

__all__ = ["added_axes", "is_ambiguous", "is_stack", "stacks_of"]

Shape: TypeAlias = tuple[int, ...]
Stack: TypeAlias = tuple[tuple[int, int, int], ...]


def stacks_of(
    shape: Shape, levels: Sequence[Collection[Shape]], known: Collection[int] = ()
) -> tuple[Shape, Stack]:
    """The layer's own shape, and the axes of the stacks, outermost first.

    Args:
        shape: of the whole array.
        levels: the shapes that modules saw: the model, its child, and so on to the owner.
        known: axes of the whole array that are known to be of stacks; needed where a stack is as
            long as the array beside it, see :func:`is_ambiguous`.

    Returns:
        The shape without any stack; and for each axis of a stack: the axis, counted when all
        axes of stacks further out are gone, its size, and the level whose module is repeated.
    """
    stack: list[tuple[int, int, int]] = []
    left = list(enumerate(shape))  # each axis under its place in the whole array
    for level, seen in enumerate(levels):
        for inner in sorted(seen, key=len, reverse=True):
            choices = added_axes(tuple(size for _, size in left), inner)
            fits = [axes for axes in choices if all(left[axis][0] in known for axis in axes)]
            for gone, axis in enumerate((fits or choices)[0]):
                _, size = left.pop(axis - gone)
                stack.append((axis - gone, size, level))
    return tuple(size for _, size in left), tuple(stack)


def is_stack(shape: Shape, levels: Sequence[Collection[Shape]]) -> bool:
    """Whether the whole array is one of those that modules saw, or a stack of them."""
    shapes = sorted({seen for level in levels for seen in level} | {shape}, key=len)
    return all(_choices(outer, inner) for inner, outer in pairwise(shapes))


def is_ambiguous(shape: Shape, levels: Sequence[Collection[Shape]]) -> bool:
    """Whether shapes alone do not tell which axes are those of stacks."""
    inner = min((seen for level in levels for seen in level), key=len, default=shape)
    return len(added_axes(shape, inner)) > 1


def added_axes(outer: Shape, inner: Shape) -> list[tuple[int, ...]]:
    """All choices of axes without which the outer shape is the inner one.

    Raises:
        ValueError: if there is none.

    Example:
        >>> added_axes((5, 3, 4), (5, 4))
        [(1,)]
        >>> added_axes((4, 4, 3), (4, 3))
        [(0,), (1,)]
    """
    choices = _choices(outer, inner)
    if not choices:
        raise ValueError(f"an array of shape {outer} is no stack of arrays of shape {inner}")
    return choices


def _choices(outer: Shape, inner: Shape) -> list[tuple[int, ...]]:
    return [
        axes
        for axes in combinations(range(len(outer)), max(len(outer) - len(inner), 0))
        if tuple(size for axis, size in enumerate(outer) if axis not in axes) == inner
    ]
