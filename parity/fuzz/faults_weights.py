"""Errors in where parameters live: transposes, flips, pairs, gates, heads, statistics."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from fanwise.layers import Layer, Leaf, View
from fanwise.porting import Correspondence, Pair
from parity.fuzz.examine import Case
from parity.fuzz.fault import Fault, NoPlace, nodes_of
from parity.fuzz.flat import Linear, Norm
from parity.fuzz.node import Node
from parity.fuzz.sequences import Attention, Recurrent
from parity.fuzz.spatial import Conv, ConvTranspose
from parity.fuzz.spec import Spec

__all__ = ["FAULTS"]

Alter = Callable[[Correspondence], Correspondence]


def _carried(alter: Alter) -> Callable[[Case, bool], list[str]]:
    """The check of weights, through a correspondence that is altered or not."""

    def check(case: Case, is_planted: bool) -> list[str]:
        match = case.match()
        if match.correspondence is None:
            return list(match.lines)
        altered = alter(match.correspondence)
        return case.weights(altered if is_planted else match.correspondence).lines

    return check


def _one_leaf(change: Callable[[Layer, Leaf], Leaf | None]) -> Alter:
    """The first array of the twin for which the change is one."""

    def alter(found: Correspondence) -> Correspondence:
        for index, pair in enumerate(found.pairs):
            for place, leaf in enumerate(pair.flax.leaves):
                changed = change(pair.flax, leaf)
                if changed is None or changed == leaf:
                    continue
                leaves = list(pair.flax.leaves)
                leaves[place] = changed
                return _with(found, index, replace(pair.flax, leaves=tuple(leaves)))
        raise NoPlace

    return alter


def _with(found: Correspondence, index: int, layer: Layer) -> Correspondence:
    pairs = list(found.pairs)
    pairs[index] = replace(pairs[index], flax=layer)
    return replace(found, pairs=tuple(pairs))


def _viewed(leaf: Leaf, view: View) -> Leaf:
    (piece,) = leaf.pieces
    return replace(leaf, pieces=(replace(piece, view=view),))


def _is_weight(leaf: Leaf) -> bool:
    return len(leaf.pieces) == 1 and leaf.pieces[0].name == "weight"


def _not_transposed(layer: Layer, leaf: Leaf) -> Leaf | None:
    """Of a square Linear, whose shapes tell nothing."""
    if layer.kind != "Linear" or not _is_weight(leaf) or leaf.pieces[0].view.flipped:
        return None
    shape = layer.shapes["weight"]
    if shape[0] != shape[1] or shape != leaf.shape:
        return None
    return _viewed(leaf, View("o i -> o i"))


def _channels_not_swapped(layer: Layer, leaf: Leaf) -> Leaf | None:
    """Of a convolution with as many channels before as after."""
    if not (layer.kind or "").startswith("Conv") or not _is_weight(leaf):
        return None
    view, shape = leaf.pieces[0].view, layer.shapes["weight"]
    if shape[0] != shape[1] or shape[0] == 1:
        return None
    left, right = view.pattern.split(" -> ")
    first, second, *field = left.split()
    turned = " ".join((second, first, *field))
    return _viewed(leaf, View(f"{turned} -> {right}", view.sizes, view.flipped))


def _not_flipped(layer: Layer, leaf: Leaf) -> Leaf | None:
    """Of a transposed convolution whose kernel Flax has reversed."""
    if not _is_weight(leaf) or not leaf.pieces[0].view.flipped:
        return None
    return _viewed(leaf, View(leaf.pieces[0].view.pattern))


def _flipped(layer: Layer, leaf: Leaf) -> Leaf | None:
    """Of a transposed convolution whose kernel Flax has as torch."""
    is_other = (layer.kind or "").startswith("ConvTranspose") and _is_weight(leaf)
    if not is_other or leaf.pieces[0].view.flipped:
        return None
    pattern = leaf.pieces[0].view.pattern
    return _viewed(leaf, View(pattern, flipped=tuple(pattern.split(" -> ")[0].split()[2:])))


def _other_heads(layer: Layer, leaf: Leaf) -> Leaf | None:
    """The heads within the features; of the values, as queries and keys would cancel out."""
    view = leaf.pieces[0].view
    if view.pattern != "(n d) i -> i n d" or leaf.pieces[0].part != (2, 3):
        return None
    sizes = tuple((name, size) for name, size in view.sizes)
    piece = replace(leaf.pieces[0], view=View("(d n) i -> i n d", sizes))
    return replace(leaf, pieces=(piece,))


def _gates_swapped(found: Correspondence) -> Correspondence:
    """Of a recurrent layer: the first two gates' matrices, each for the other."""
    for index, pair in enumerate(found.pairs):
        layer = pair.flax
        leaves = tuple(map(_other_gate, layer.leaves))
        if leaves != layer.leaves:
            return _with(found, index, replace(layer, leaves=leaves))
    raise NoPlace


def _other_gate(leaf: Leaf) -> Leaf:
    piece = leaf.pieces[0]
    if piece.name != "weight_ih_l0" or piece.part is None or piece.part[0] > 1:
        return leaf
    return replace(leaf, pieces=(replace(piece, part=(1 - piece.part[0], piece.part[1])),))


def _exchanged(one: str, other: str) -> Alter:
    """Two arrays of a normalization, each for the other."""

    def alter(found: Correspondence) -> Correspondence:
        for index, pair in enumerate(found.pairs):
            layer = pair.flax
            if "Norm" in (layer.kind or "") and {one, other} <= set(layer.shapes):
                leaves = tuple(map(exchanged, layer.leaves))
                return _with(found, index, replace(layer, leaves=leaves))
        raise NoPlace

    def exchanged(leaf: Leaf) -> Leaf:
        names = {one: other, other: one}
        pieces = tuple(replace(p, name=names.get(p.name, p.name)) for p in leaf.pieces)
        return replace(leaf, pieces=pieces)

    return alter


def _pair_swapped(found: Correspondence) -> Correspondence:
    """Two layers of one kind and shape."""
    for index, other in _alike(found.pairs):
        first, second = found.pairs[index].flax, found.pairs[other].flax
        return _with(_with(found, index, second), other, first)
    raise NoPlace


def _alike(pairs: tuple[Pair, ...]) -> Iterator[tuple[int, int]]:
    for index, one in enumerate(pairs):
        for other in range(index + 1, len(pairs)):
            two = pairs[other]
            if one.flax.kind in ("Linear", "Conv1d", "Conv2d") and (
                (one.flax.kind, one.flax.shapes, one.torch.leaves[0].pieces)
                == (two.flax.kind, two.flax.shapes, two.torch.leaves[0].pieces)
            ):
                yield index, other


_OFF = "outputs off by"


def _has(*kinds: type[Node]) -> Callable[[Spec], bool]:
    """Whether a model has a node of one of these classes."""
    return lambda spec: any(isinstance(node, kinds) for node in nodes_of(spec.root))


def _fault(kind: str, error: str, alter: Alter, count: int, *nodes: type[Node]) -> Fault:
    return Fault(kind, error, _OFF, _carried(alter), count, _has(*nodes))


FAULTS = (
    _fault("swapped pair", "two layers of one shape", _pair_swapped, 5, Linear, Conv),
    _fault("transpose", "a square Linear", _one_leaf(_not_transposed), 5, Linear),
    _fault("transpose", "square channels", _one_leaf(_channels_not_swapped), 4, Conv),
    _fault("kernel", "not reversed", _one_leaf(_not_flipped), 5, ConvTranspose),
    _fault("kernel", "reversed", _one_leaf(_flipped), 4, ConvTranspose),
    _fault("other", "heads within features", _one_leaf(_other_heads), 2, Attention),
    _fault("other", "gates swapped", _gates_swapped, 2, Recurrent),
    _fault(
        "other", "mean and variance exchanged", _exchanged("running_mean", "running_var"), 2, Norm
    ),
    _fault("other", "scale and bias exchanged", _exchanged("weight", "bias"), 2, Norm),
)
