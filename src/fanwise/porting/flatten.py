"""Linears behind a flattened map: torch flattens (C, H, W), Flax (H, W, C).

Nothing in the shapes of a ``Linear(9216, 4096)`` says in which order its inputs come, and a port
that gets it wrong runs. So a layer directly behind one with C channels that has C * k inputs, k
being more than 1, must be stated, unless Flax's kernel has axes of its own for the map.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from fanwise.layers import Layer, View
from fanwise.layers.view import SAME, axes_of
from fanwise.porting.correspondence import Pair
from fanwise.porting.recast import recast

__all__ = ["Flatten", "flattened", "words"]

Flatten: TypeAlias = Mapping[str, tuple[int, ...] | None]

_LETTERS = {2: "l", 3: "hw", 4: "dhw"}
_WIDTHS = ("num_features", "num_channels", "normalized_shape")


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
    kinds = {_name(pair): pair.torch.kind for pair in pairs}
    takes = {_name(pair) for pair in pairs if _inputs(pair.torch) is not None}
    lines = []
    for name in stated:
        if name not in kinds:
            lines.append(f"{name!r} is no layer of torch's that has a counterpart")
        elif name not in takes:
            lines.append(
                f"{name!r} is a {kinds[name]}, which has no inputs that could be flattened"
            )
    needed = _needed(pairs, order)
    found, missing = [], {}
    seen: set[str] = set()
    for index, pair in enumerate(pairs):
        name, count = _name(pair), _inputs(pair.torch)
        shape = stated.get(name)
        if count is not None and name not in stated:
            shape = _told(pair, needed.get(index))
            if shape is None and index in needed:
                missing[name] = needed[index]
        if shape is None or count is None or (count != math.prod(shape) and name in seen):
            found.append(pair)  # of a recurrent module only the first layer is behind the map
        elif count == math.prod(shape):
            found.append(_permuted(pair, shape))
        else:
            lines.append(f"{name!r} has {count} inputs, and {shape} are {math.prod(shape)}")
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


def _inputs(layer: Layer) -> int | None:
    """The number of inputs of a layer that takes vectors."""
    name = _weight(layer)
    return layer.shapes[name][1] if name is not None else None


def _weight(layer: Layer) -> str | None:
    kind = layer.kind or ""
    if kind.partition("(")[2].removesuffix(")") == "Linear" or kind == "Linear":
        names: Iterable[str] = (n for n in layer.shapes if n.endswith(("weight", "original1")))
    elif kind.startswith(("RNN", "LSTM", "GRU")):
        names = (name for name in layer.shapes if name.startswith("weight_ih"))
    else:
        return None
    return next((name for name in names if len(layer.shapes[name]) == 2), None)


def _weights(layer: Layer) -> list[str]:
    first = _weight(layer)
    if first is None or not first.startswith("weight_ih"):
        return [first] if first is not None else []
    return [name for name in layer.shapes if name.startswith("weight_ih")]


@dataclass(frozen=True)
class _Map:
    """A map that a layer is behind.

    Args:
        channels: of the map.
        positions: how many it has, for the layer's inputs to be all of it.
        dimensions: of the convolution that made it.
        source: that layer's name.
    """

    channels: int
    positions: int
    dimensions: int
    source: str

    @property
    def guess(self) -> str:
        """Its shape if it is square."""
        side = round(self.positions ** (1 / self.dimensions))
        if side**self.dimensions == self.positions:
            return ", ".join([str(self.channels), *[str(side)] * self.dimensions])
        return ", ".join([str(self.channels), *"DHW"[-self.dimensions :]])


def _needed(pairs: Sequence[Pair], order: Sequence[Layer]) -> dict[int, _Map]:
    """The pairs directly behind a map of more than one position.

    The order is torch's of definition, and Flax's: linen's is that of execution, and a layer that
    follows a map in either is asked for.
    """
    by_path = {pair.flax.path: index for index, pair in enumerate(pairs)}
    theirs = [by_path[layer.path] for layer in order if layer.path in by_path]
    found: dict[int, _Map] = {}
    for sequence in (list(range(len(pairs))), list(dict.fromkeys(theirs))):
        _walk(pairs, sequence, found)
    return found


def _walk(pairs: Sequence[Pair], sequence: Sequence[int], found: dict[int, _Map]) -> None:
    channels, dimensions, source = 0, 2, ""
    widths: set[int] = set()  # of vectors that some layer gives
    last: _Map | None = None
    for at, index in enumerate(sequence):
        layer = pairs[index].torch
        count = _inputs(layer)
        if count is None:
            own = _channels(layer, channels)
            if own is not None:
                channels, source = own, layer.path.replace("/", ".")
                dimensions = _dimensions(layer) or dimensions
            if own:
                last = None
            widths |= _outputs(layer)
            continue
        if channels and count > channels and count % channels == 0 and count not in widths:
            last = _Map(channels, count // channels, dimensions, source)
            found.setdefault(index, last)
        elif last is not None and last.channels * last.positions == count and count not in widths:
            # Another head on the same map: a critic beside its actor.
            found.setdefault(index, last)
        following = pairs[sequence[at + 1]].torch if at + 1 < len(sequence) else None
        if following is None or not _channels(following, 0) or _dimensions(following) is None:
            # What a convolution follows may be made a map again, and be as wide as another one.
            widths |= _outputs(layer)
        channels = 0


def _outputs(layer: Layer) -> set[int]:
    names = ("out_features", "embedding_dim", "embed_dim", "hidden_size")
    return {layer.hyperparameters[name] for name in names if name in layer.hyperparameters}


def _dimensions(layer: Layer) -> int | None:
    kind = (layer.kind or "").removesuffix(")")
    is_spatial = "Conv" in kind and kind[-2:] in ("1d", "2d", "3d")
    return int(kind[-2]) if is_spatial else None


def _channels(layer: Layer, before: int) -> int | None:
    """How many channels a map has behind a layer; 0 if it is none, None if nothing changes."""
    kind = layer.kind or ""
    if _dimensions(layer) is not None:
        return int(layer.hyperparameters.get("out_channels", 0))
    if layer.kind is None or kind == "PReLU":
        return None
    width = next((layer.hyperparameters[n] for n in _WIDTHS if n in layer.hyperparameters), None)
    if isinstance(width, tuple | list):
        width = width[-1]
    # A normalization of as many channels is one of the map; of others it belongs elsewhere.
    return None if "Norm" in kind and width == before else 0


def _told(pair: Pair, needed: _Map | None) -> tuple[int, ...] | None:
    """The shape of the map where Flax's kernel has axes for it, as DenseGeneral's over a map."""
    if needed is None:
        return None
    name = _weight(pair.flax)
    for leaf in pair.flax.leaves:
        for piece in leaf.pieces:
            if piece.name != name or piece.view.pattern == SAME.pattern:
                continue
            left, _ = axes_of(piece.view.pattern)
            sizes = dict(piece.view.sizes)
            shape = tuple(sizes.get(axis, 0) for axis in left[1])
            if len(shape) in _LETTERS and shape[-1] == needed.channels and 0 not in shape:
                return (shape[-1], *shape[:-1])
    return None


def _permuted(pair: Pair, shape: tuple[int, ...]) -> Pair:
    """torch's layer with its inputs in Flax's order."""
    axes = " ".join(_LETTERS[len(shape)])
    names = dict(zip(("c", *_LETTERS[len(shape)]), shape, strict=True))
    view = View(f"o ({axes} c) -> o (c {axes})", tuple(names.items()))
    ours = pair.torch
    weights = _weights(ours)
    told = {name: (name, view if name in weights else SAME) for name in ours.shapes}
    return replace(pair, torch=recast(ours, ours, told))


def _ask(missing: Mapping[str, _Map]) -> str:
    lines = [
        f"{name} has {own.channels * own.positions} inputs behind {own.source} with "
        f"{own.channels} channels: {own.positions} positions, flattened?"
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
