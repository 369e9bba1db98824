"""What is to be matched with what: the layers of two models in parts of equal size."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fanwise.layers import Layer, Leaf, Piece, kind_of
from fanwise.porting.matching.candidates import Fit, fit
from fanwise.porting.matching.split import (
    Item,
    attention,
    directions,
    is_recurrent,
    layers_of,
    unknown,
)

__all__ = ["items_of", "tied_items", "untied"]


def items_of(torch: Iterable[Layer], flax: Iterable[Layer]) -> tuple[list[Item], list[Item]]:
    """Both models' layers, split where one side has parts of what the other has whole.

    Recurrent layers are split by layer always, since no other framework packs them, and by
    direction where there is no counterpart of both; attention where the two sides have not equally
    many of a kind; what nobody knows by its parameters, unless the other side has a layer of
    torch's with the same ones.
    """
    ours = [part for layer in torch if layer.leaves for part in layers_of(Item.of(layer))]
    theirs = [Item.of(layer) for layer in flax if layer.leaves]
    ours, theirs = _split(ours, theirs, directions, _is_both)
    ours, theirs = _split(ours, theirs, attention, _is_attention)
    ours = [_without_tied(item) for item in ours]
    return (
        [part for item in ours for part in _parameters(item, theirs)],
        [part for item in theirs for part in _parameters(item, ours)],
    )


def _is_both(layer: Layer) -> Any:
    if not is_recurrent(layer) or not layer.hyperparameters.get("bidirectional"):
        return None
    return layer.kind, tuple(layer.parameters.items())


def _is_attention(layer: Layer) -> Any:
    if layer.kind != "MultiheadAttention":
        return None
    shapes = layer.parameters.items()
    # What add_bias_kv adds is no reason to split: it has no place in any part.
    return tuple(sorted(each for each in shapes if each[0] not in ("bias_k", "bias_v")))


def _split(
    ours: Sequence[Item],
    theirs: Sequence[Item],
    split: Callable[[Item], list[Item]],
    form_of: Callable[[Layer], Any],
) -> tuple[list[Item], list[Item]]:
    """Split layers of those forms of which the two sides have not equally many."""
    counts = [Counter(form_of(item.layer) for item in side) for side in (ours, theirs)]
    uneven = {form for form in counts[0] | counts[1] if counts[0][form] != counts[1][form]}
    made = [
        [
            part
            for item in side
            for part in (split(item) if form_of(item.layer) in uneven - {None} else [item])
        ]
        for side in (ours, theirs)
    ]
    return made[0], made[1]


def _without_tied(item: Item) -> Item:
    """A layer of which a part is another's: what is left of it are bare parameters."""
    layer = item.layer
    if layer.kind is None or not _missing(layer):
        return item
    return replace(item, layer=replace(layer, kind=None, hyperparameters={}))


def _missing(layer: Layer) -> list[str]:
    if layer.kind is None:
        return []
    try:
        shapes = kind_of(layer.kind).shapes(**layer.hyperparameters)
    except TypeError:
        return []  # described by hand, without all arguments
    return [name for name in shapes if name not in layer.shapes]


def _parameters(item: Item, others: Iterable[Item]) -> list[Item]:
    layer = item.layer
    if layer.kind is not None:
        return [item]
    if len(layer.shapes) > 1:
        for other in others:
            known = other.layer
            fits = known.kind is not None and len(known.shapes) > 1
            if fits and (isinstance(fit(layer, known), Fit) or isinstance(fit(known, layer), Fit)):
                return [item]
    return unknown(item)


def tied_items(torch: Iterable[Layer], ties: Mapping[str, str]) -> list[Item]:
    """Layers that torch has under a second name: whole, their arrays under the first names.

    Args:
        torch: torch's layers; one that shares its weight with another is listed without it.
        ties: the names of the tensors that are another one, by its first name.
    """
    layers = list(torch)
    leaves = {str(leaf.path): (layer, leaf) for layer in layers for leaf in layer.leaves}
    found = []
    for layer in layers:
        missing = _missing(layer)
        prefix = layer.path.replace("/", ".") + "." if layer.path else ""
        firsts = {name: ties.get(prefix + name, "") for name in missing}
        if missing and all(first in leaves for first in firsts.values()):
            shapes = kind_of(layer.kind or "").shapes(**layer.hyperparameters)
            own = [_renamed(leaves[first][1], name) for name, first in firsts.items()]
            whole = replace(layer, parameters=shapes, leaves=(*layer.leaves, *own))
            found.append(replace(Item.of(whole), is_tied=True))
    listed = {layer.path for layer in layers}
    again: dict[str, tuple[Layer, set[str]]] = {}
    for name, first in ties.items():
        if first not in leaves:
            continue
        layer, _ = leaves[first]
        prefix = layer.path.replace("/", ".") + "." if layer.path else ""
        local = first.removeprefix(prefix)
        if name.endswith(f".{local}") and first.startswith(prefix):
            path = name.removesuffix(f".{local}").replace(".", "/")
            again.setdefault(path, (layer, set()))[1].add(first)
    for path, (layer, firsts_of) in again.items():
        if path not in listed and firsts_of == {leaf.path for leaf in layer.leaves}:
            found.append(replace(Item.of(replace(layer, path=path)), is_tied=True))
    return found


def _renamed(leaf: Leaf, name: str) -> Leaf:
    (piece,) = leaf.pieces
    return replace(leaf, pieces=(Piece(name, piece.view, piece.part, piece.at),))


def untied(tied: Iterable[Item], layer: Layer) -> list[Item]:
    """The layers of torch that are another one and would fit a layer that is left."""
    return [item for item in tied if isinstance(fit(item.layer, layer), Fit)]
