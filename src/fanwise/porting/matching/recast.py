"""A layer under other names, and parts of a layer: the arrays stay, the pieces are told anew."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fanwise.layers import Layer, Leaf, Piece, View
from fanwise.layers.view import SAME, axes_of

__all__ = ["after", "recast", "rows"]

Rows = tuple[int, int]


def after(first: View, second: View) -> View:
    """One view after another.

    Raises:
        ValueError: if the second takes apart an axis that the first puts together otherwise.

    Example:
        >>> after(View("o (h w c) -> o (c h w)", (("h", 2), ("w", 2))), View("o i -> i o")).pattern
        'o (h w c) -> (c h w) o'
    """
    if first.pattern == SAME.pattern:
        return second
    if second.pattern == SAME.pattern:
        return first
    left, between = axes_of(first.pattern)
    inner, right = axes_of(second.pattern)
    if len(between) != len(inner):
        raise ValueError(f"{second.pattern!r} does not follow {first.pattern!r}")
    names: dict[str, tuple[str, ...]] = {}
    for made, taken in zip(between, inner, strict=True):
        if len(made) == len(taken):
            names |= {name: (own,) for name, own in zip(taken, made, strict=True)}
        elif len(taken) == 1:
            names[taken[0]] = made
        else:
            raise ValueError(f"{second.pattern!r} does not follow {first.pattern!r}")
    axes = [tuple(own for name in axis for own in names[name]) for axis in right]
    sizes = {names[name][0]: size for name, size in second.sizes if len(names[name]) == 1}
    flipped = tuple(own for name in second.flipped for own in names[name])
    return View(
        f"{_side(left)} -> {_side(axes)}",
        tuple({**sizes, **dict(first.sizes)}.items()),
        (*first.flipped, *flipped),
    )


def _side(axes: Any) -> str:
    return " ".join(
        axis[0] if len(axis) == 1 else f"({' '.join(axis)})" if axis else "1" for axis in axes
    )


def recast(
    layer: Layer, like: Layer, names: Mapping[str, tuple[str, View]], **changes: Any
) -> Layer:
    """The same arrays as a layer of another kind.

    Args:
        layer: the layer.
        like: one of the kind that is wanted, with its parameters and buffers.
        names: for each of these the name that it has in ``layer``, and how it is arranged there.
        changes: other fields of the result.
    """
    others: dict[str, list[tuple[str, View]]] = {}
    for name, (own, view) in names.items():
        others.setdefault(own, []).append((name, view))

    def told(piece: Piece) -> list[Piece]:
        return [
            replace(piece, name=name, view=after(view, piece.view))
            for name, view in others.get(piece.name, [])
        ]

    leaves = []
    for leaf in layer.leaves:
        pieces = tuple(new for piece in leaf.pieces for new in told(piece))
        if pieces:
            leaves.append(replace(leaf, pieces=pieces))
    return replace(
        layer,
        kind=like.kind,
        hyperparameters=like.hyperparameters,
        parameters={name: s for name, s in like.parameters.items() if name in names},
        buffers={name: s for name, s in like.buffers.items() if name in names},
        leaves=tuple(leaves),
        **changes,
    )


def rows(layer: Layer, wanted: Mapping[str, tuple[str, Rows]], **changes: Any) -> Layer:
    """The layer that some rows of a layer's parameters are.

    Args:
        layer: the layer.
        wanted: for each parameter of the result the one that it is a part of, and the first row
            and the last one's successor.
        changes: fields of the result: path, kind, hyperparameters.

    Raises:
        ValueError: if the arrays hold these rows and others in one, in a way that cannot be told.
    """
    shapes = {
        name: (stop - start, *layer.shapes[own][1:])
        for name, (own, (start, stop)) in wanted.items()
    }
    leaves = []
    for leaf in layer.leaves:
        for name, (own, span) in wanted.items():
            pieces = tuple(
                found
                for piece in leaf.pieces
                if piece.name == own
                for found in _rows(leaf, piece, name, span, layer.shapes[own])
            )
            if pieces:
                leaves.append(replace(leaf, pieces=pieces))
    return replace(
        layer,
        parameters={name: s for name, s in shapes.items() if wanted[name][0] in layer.parameters},
        buffers={name: s for name, s in shapes.items() if wanted[name][0] in layer.buffers},
        leaves=tuple(leaves),
        **changes,
    )


def _rows(leaf: Leaf, piece: Piece, name: str, span: Rows, shape: tuple[int, ...]) -> list[Piece]:
    if span == (0, shape[0]):
        return [replace(piece, name=name)]
    if piece.part is not None:
        size = shape[0] // piece.part[1]
        start, stop = piece.part[0] * size, (piece.part[0] + 1) * size
        if (start, stop) == span:
            return [replace(piece, name=name, part=None)]
        if stop <= span[0] or span[1] <= start:
            return []
        raise ValueError(f"{leaf.name} is split otherwise")
    axis = 0
    if piece.view.pattern != SAME.pattern:
        left, right = axes_of(piece.view.pattern)
        if len(left[0]) != 1 or left[0] not in right:
            raise ValueError(f"{leaf.name} has the rows of {piece.name} in several axes")
        axis = right.index(left[0])
    at = list(piece.at or [(0, size) for size in leaf.shape])
    first = at[axis][0]
    at[axis] = (first + span[0], first + span[1])
    return [replace(piece, name=name, at=tuple(at))]
