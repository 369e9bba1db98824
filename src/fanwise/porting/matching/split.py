"""Layers in parts, where the other side has the parts: by rows of parameters, never by guess.

torch packs the layers and directions of an LSTM in one module, and queries, keys and values in one
matrix. Other models have a layer for each.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fanwise.layers import Layer
from fanwise.layers.view import SAME, axes_of
from fanwise.porting.matching.recast import Rows, rows

__all__ = [
    "Item",
    "attention",
    "directions",
    "is_merging",
    "is_recurrent",
    "layers_of",
    "packed",
    "unknown",
]

_SUFFIX = re.compile(r"(.*)_l(\d+)(_reverse)?")

# Names of a parameter that say no more than the class that has it.
_PLAIN_NAMES = ("weight", "scale", "gamma", "g", "kernel", "bias", "embedding")


@dataclass(frozen=True)
class Item:
    """A layer to be matched.

    Args:
        layer: the layer, or a part of one.
        name: what it is matched and shown by: its path, of a bare parameter with its own name.
        source: the path of the whole layer.
        is_tied: whether its tensors are another layer's in torch.
    """

    layer: Layer
    name: str
    source: str
    is_tied: bool = False

    @classmethod
    def of(cls, layer: Layer) -> "Item":
        """A whole layer."""
        return cls(layer, layer.path, layer.path)

    @property
    def dotted(self) -> str:
        """The name as torch writes it."""
        return self.name.replace("/", ".")


def is_recurrent(layer: Layer) -> bool:
    """Whether a layer runs over sequences, and so may have several layers and directions."""
    return layer.kind in ("RNN", "LSTM", "GRU")


def layers_of(item: Item) -> list[Item]:
    """The layers of a recurrent module one by one."""
    layer = item.layer
    count = layer.hyperparameters.get("num_layers", 1)
    if not is_recurrent(layer) or count == 1:
        return [item]
    width = layer.hyperparameters.get("proj_size") or layer.hyperparameters["hidden_size"]
    both = 2 if layer.hyperparameters.get("bidirectional") else 1
    return [
        _part(
            item,
            str(index),
            lambda own, index=index: own[1] == index,
            num_layers=1,
            input_size=width * both if index else layer.hyperparameters["input_size"],
        )
        for index in range(count)
    ]


def directions(item: Item) -> list[Item]:
    """The two directions of a recurrent layer."""
    if not is_recurrent(item.layer) or not item.layer.hyperparameters.get("bidirectional"):
        return [item]
    return [
        _part(item, name, lambda own, back=back: own[2] == back, bidirectional=False)
        for name, back in (("forward", False), ("backward", True))
    ]


def _part(item: Item, name: str, belongs: Any, **hyperparameters: Any) -> Item:
    layer = item.layer
    is_both = hyperparameters.get("bidirectional", layer.hyperparameters.get("bidirectional"))
    wanted: dict[str, tuple[str, Rows]] = {}
    for own, (base, index, is_reverse) in _suffixes(layer):
        if belongs((base, index, is_reverse)):
            suffix = "_reverse" if is_reverse and is_both else ""
            wanted[f"{base}_l0{suffix}"] = (own, (0, layer.shapes[own][0]))
    made = rows(
        layer,
        wanted,
        path=f"{layer.path}/{name}".lstrip("/"),
        hyperparameters={**layer.hyperparameters, **hyperparameters},
    )
    return Item(made, f"{item.name}/{name}".lstrip("/"), item.source, item.is_tied)


def _suffixes(layer: Layer) -> Iterator[tuple[str, tuple[str, int, bool]]]:
    for name in layer.shapes:
        if (found := _SUFFIX.fullmatch(name)) is not None:
            yield name, (found[1], int(found[2]), found[3] is not None)


def attention(item: Item) -> list[Item]:
    """Query, key, value and output projection of an attention, as Linears."""
    layer = item.layer
    if layer.kind != "MultiheadAttention" or "bias_k" in layer.shapes:
        return [item]
    width = layer.hyperparameters["embed_dim"]
    made = []
    for index, name in enumerate(("query", "key", "value")):
        span = (index * width, (index + 1) * width)
        weight: tuple[str, Rows] = ("in_proj_weight", span)
        if "in_proj_weight" not in layer.shapes:
            weight = (f"{name[0]}_proj_weight", (0, width))
        wanted = {"weight": weight}
        if "in_proj_bias" in layer.shapes:
            wanted["bias"] = ("in_proj_bias", span)
        made.append(_linear(item, name, wanted))
    whole = (0, width)
    names = {own: f"out_proj.{own}" for own in ("weight", "bias")}
    wanted = {own: (name, whole) for own, name in names.items() if name in layer.shapes}
    return [*made, _linear(item, "out", wanted)]


def packed(item: Item, sizes: Sequence[int], names: Sequence[str]) -> list[Item]:
    """Linears one below the other in one.

    Args:
        item: a Linear.
        sizes: the number of outputs of each part.
        names: of the parts.
    """
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    return [
        _linear(item, name, {own: (own, (start, start + size)) for own in item.layer.shapes})
        for start, size, name in zip(starts, sizes, names, strict=True)
    ]


def _linear(item: Item, name: str, wanted: Mapping[str, tuple[str, Rows]]) -> Item:
    layer = item.layer
    weight = next(own for own in wanted if own.endswith(("weight", "original1", "original")))
    own, (start, stop) = wanted[weight]
    made = rows(
        layer,
        wanted,
        path=f"{layer.path}/{name}".lstrip("/"),
        kind="Linear" if layer.kind == "MultiheadAttention" else layer.kind,
        hyperparameters={
            "in_features": layer.shapes[own][1],
            "out_features": stop - start,
            "bias": "bias" in wanted,
        },
    )
    return Item(made, f"{item.name}/{name}".lstrip("/"), item.source, item.is_tied)


def is_merging(layer: Layer) -> bool | None:
    """Whether a Linear takes heads together, as an attention's output does, or makes them.

    None if its arrays have no axis for heads.
    """
    for leaf in layer.leaves:
        for piece in leaf.pieces:
            if not piece.name.endswith("weight") or piece.view.pattern == SAME.pattern:
                continue
            outputs, inputs = axes_of(piece.view.pattern)[0][:2]
            if (len(outputs) > 1) != (len(inputs) > 1):
                return len(inputs) > 1
    return None


def unknown(item: Item) -> list[Item]:
    """The parameters and buffers of what nobody knows, each by itself."""
    layer = item.layer
    if layer.kind is not None:
        return [item]
    found = []
    for name, shape in layer.shapes.items():
        leaves = tuple(
            leaf for leaf in layer.leaves if any(piece.name == name for piece in leaf.pieces)
        )
        own = replace(
            layer,
            parameters={name: shape} if name in layer.parameters else {},
            buffers={name: shape} if name in layer.buffers else {},
            leaves=leaves,
        )
        is_plain = len(layer.shapes) == 1 and name in _PLAIN_NAMES and item.name
        label = item.name if is_plain else f"{item.name}/{name}".lstrip("/")
        found.append(Item(own, label, item.source, item.is_tied))
    return found
