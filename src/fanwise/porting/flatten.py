"""Linears behind a flattened map, or in front of one: torch has it (C, H, W), Flax (H, W, C).

Nothing in the shapes of a ``Linear(9216, 4096)`` says in which order its inputs come, and a port
that gets it wrong runs. So a layer directly behind one with C channels that has C * k inputs, k
being more than 1, must be stated, unless Flax's kernel has axes of its own for the map. So must a
Linear whose outputs are made a map, with which decoders begin.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from fanwise.layers import Layer, View
from fanwise.layers.view import SAME, axes_of
from fanwise.porting.correspondence import Pair
from fanwise.porting.matching.maps import (
    Map,
    elements_of,
    input_weights,
    inputs_of,
    maps_at,
)
from fanwise.porting.matching.recast import recast

__all__ = ["Flatten", "flattened", "words"]

Flatten: TypeAlias = Mapping[str, tuple[int, ...] | None]

_LETTERS = {2: "l", 3: "hw", 4: "dhw"}


def flattened(pairs: Sequence[Pair], flatten: Flatten | None, order: Sequence[Layer]) -> list[Pair]:
    """The pairs, the columns of those behind a flattened map in Flax's order.

    Args:
        pairs: in torch's order.
        flatten: by torch's names the shape of the map as torch has it, the channels first; None
            for a port that flattens as torch does.
        order: the other model's layers in its order, which linen's is that of execution.

    Raises:
        TypeError: if ``flatten`` is no mapping from names to shapes.
        ValueError: with a line for each name that is no such layer, each shape that does not fit,
            and each layer that must be stated.
    """
    stated = _checked(flatten)
    needed = maps_at(pairs, order)
    names = {_name(pair) for pair in pairs}
    lines = [
        f"{name!r} is no layer of torch's that has a counterpart"
        for name in stated
        if name not in names
    ]
    found, missing = [], {}
    seen: set[str] = set()
    for index, pair in enumerate(pairs):
        name, own = _name(pair), needed.get(index)
        shape = stated[name] if name in stated else _told(pair, own)
        if name not in stated and shape is None and own is not None:
            missing[name] = own
        axis = _axis(pair.torch, math.prod(shape), own) if shape is not None else None
        if shape is not None and axis is not None:
            found.append(_permuted(pair, shape, axis))
        else:
            # Of a recurrent module only the first layer is behind the map.
            if shape is not None and name not in seen:
                lines.append(_misfit(name, pair.torch, shape))
            found.append(pair)
        seen.add(name)
    if lines:
        raise ValueError("flatten does not fit the two models:\n  " + "\n  ".join(lines))
    if missing:
        raise ValueError(_ask(missing))
    return found


def _name(pair: Pair) -> str:
    return pair.torch.path.replace("/", ".")


def _checked(flatten: Any) -> dict[str, tuple[int, ...] | None]:
    if flatten is None:
        return {}
    if not isinstance(flatten, Mapping):
        raise TypeError(
            f"flatten must be a mapping from torch's names to shapes, got {flatten!r} of type "
            f"{type(flatten).__name__}"
        )
    found: dict[str, tuple[int, ...] | None] = {}
    for name, shape in flatten.items():
        if shape is not None:
            sizes = tuple(shape) if isinstance(shape, tuple | list) else ()
            if len(sizes) not in _LETTERS or not all(isinstance(n, int) and n > 0 for n in sizes):
                raise TypeError(
                    f"flatten[{name!r}] must be torch's shape of the map, as (256, 6, 6) with the "
                    f"channels first, or None for a port that flattens as torch does, got {shape!r}"
                )
            shape = sizes
        found[name] = shape
    return found


def _told(pair: Pair, needed: Map | None) -> tuple[int, ...] | None:
    """The shape of the map where Flax's kernel has axes for it, as DenseGeneral's over a map."""
    if needed is None or needed.is_output:
        return None
    names = input_weights(pair.flax)
    for leaf in pair.flax.leaves:
        for piece in leaf.pieces:
            if piece.name not in names or piece.view.pattern == SAME.pattern:
                continue
            left, _ = axes_of(piece.view.pattern)
            sizes = dict(piece.view.sizes)
            shape = tuple(sizes.get(axis, 0) for axis in left[1])
            if len(shape) in _LETTERS and shape[-1] == needed.channels and 0 not in shape:
                return (shape[-1], *shape[:-1])
    return None


def _axis(layer: Layer, size: int, own: Map | None) -> int | None:
    """The axis of the parameters that is the flattened map; None if there is none so long."""
    is_output = own is not None and own.is_output
    if inputs_of(layer) == size and not is_output:
        return 1
    is_linear = layer.hyperparameters.get("out_features") == size and inputs_of(layer) is not None
    return 0 if is_linear or elements_of(layer) == size else None


def _misfit(name: str, layer: Layer, shape: tuple[int, ...]) -> str:
    size = math.prod(shape)
    if elements_of(layer) is not None:
        return f"{name!r} has {elements_of(layer)} elements, and {shape} are {size}"
    if inputs_of(layer) is None:
        return f"{name!r} is a {layer.kind}, which has no inputs that could be flattened"
    outputs = layer.hyperparameters.get("out_features")
    also = f" and {outputs} outputs" if outputs else ""
    return f"{name!r} has {inputs_of(layer)} inputs{also}, and {shape} are {size}"


def _permuted(pair: Pair, shape: tuple[int, ...], axis: int) -> Pair:
    """torch's layer with its inputs, or outputs, in Flax's order."""
    axes = " ".join(_LETTERS[len(shape)])
    sizes = tuple(zip(("c", *_LETTERS[len(shape)]), shape, strict=True))
    ours, count = pair.torch, math.prod(shape)
    told = {}
    for name, own in ours.shapes.items():
        view = SAME
        if axis == 1 and name in input_weights(ours):
            view = View(f"o ({axes} c) -> o (c {axes})", sizes)
        elif axis == 0 and own and own[0] == count:
            rest = " i" * (len(own) - 1)
            view = View(f"({axes} c){rest} -> (c {axes}){rest}", sizes)
        told[name] = (name, view)
    return replace(pair, torch=recast(ours, ours, told))


def _ask(missing: Mapping[str, Map]) -> str:
    lines = [
        f"{name} has {own.channels * own.positions} {'outputs' if own.is_output else 'inputs'} "
        f"{own.source} with {own.channels} channels: {own.positions} positions, flattened?"
        for name, own in missing.items()
    ]
    entries = ", ".join(f"{name!r}: ({own.guess})" for name, own in missing.items())
    return (
        "torch flattens a map with the channels first and Flax with the channels last, which "
        "nothing in the shapes of a Linear tells:\n  "
        + "\n  ".join(lines)
        + f"\nState torch's shapes of the maps, channels first: flatten={{{entries}}} if they are "
        "square. None instead of a shape is for a port that flattens as torch does, and where "
        "there is no map"
    )


def words(pair: Pair) -> str:
    """What was done for a flattened map, for tables."""
    for leaf in pair.torch.leaves:
        for piece in leaf.pieces:
            sizes = dict(piece.view.sizes)
            if "c" in sizes and "(c" in piece.view.pattern:
                shape = tuple(sizes[axis] for axis in "cdhwl" if axis in sizes)
                return f"flattened {shape}"
    return ""
