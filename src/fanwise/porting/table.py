"""Tables of layers, as plain text: what corresponds, and what does not."""

from fanwise.layers import Layer, Piece
from fanwise.layers.view import SAME
from fanwise.porting.correspondence import Correspondence, Pair
from fanwise.porting.flatten import words
from fanwise.text_table import rendered

__all__ = ["WHOLE", "conversion", "described", "table_of"]

WHOLE = ("torch", "Flax", "kind")
"""Columns of names, which are not broken where anything else can be."""


def described(layer: Layer) -> str:
    """Kind and shape of a layer that has arrays, for tables."""
    (_, first), *others = layer.shapes.items()
    rest = "".join(f", {name}" for name, _ in others if name != "num_batches_tracked")
    return f"{layer.kind or layer.source or '?'} {_text(first)}{rest}"


def _text(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def table_of(correspondence: Correspondence) -> str:
    """The layers side by side, and what has no counterpart."""
    rows = [
        (_torch_name(pair), _flax_name(pair), pair.flax.kind or "-", conversion(pair), pair.reason)
        for pair in correspondence.pairs
    ]
    titles = ("torch", "Flax", "kind", "conversion", "known by")
    lines = [rendered(titles, rows, whole=WHOLE, extra="port")]
    if correspondence.ties:
        lines.append("tied in torch:")
        lines += [f"  {name} is {first}" for name, first in correspondence.ties.items()]
    if correspondence.unused:
        lines.append("without a place in Flax:")
        lines += [
            f"  {leaf.name} {_text(leaf.shape)}"
            for layer in correspondence.unused
            for leaf in layer.leaves
        ]
    return "\n".join(lines)


def _torch_name(pair: Pair) -> str:
    """torch's name of the layer; of a bare parameter the parameter's."""
    name = pair.torch.path.replace("/", ".")
    if pair.flax.kind is None and len(pair.torch.leaves) == 1:
        return str(pair.torch.leaves[0].name)
    return name or "."


def _flax_name(pair: Pair) -> str:
    if pair.flax.kind is None and len(pair.flax.shapes) == 1:
        return f"{pair.flax.path}/{next(iter(pair.flax.shapes))}".lstrip("/")
    return pair.flax.path or "."


def conversion(pair: Pair) -> str:
    """In words how torch's arrays become the other framework's."""
    parts: dict[str, None] = {}
    for layer, is_torch in ((pair.torch, True), (pair.flax, False)):
        for leaf in layer.leaves:
            sums = [piece for piece in leaf.pieces if piece.at is None]
            if not is_torch and len(sums) > 1:
                parts[" + ".join(piece.name for piece in sums)] = None
                continue
            for piece in leaf.pieces:
                parts |= dict.fromkeys(_words(piece, is_torch))
    flat = words(pair)
    if flat:
        parts = {flat: None} | {part: None for part in parts if "(c " not in part}
    left = [name for name in pair.torch.shapes if name not in pair.flax.shapes]
    if left:
        parts[f"without {', '.join(left)}"] = None
    if pair.flax.lost:
        parts[f"without {'; '.join(pair.flax.lost)}"] = None
    return ", ".join(parts) or "as it is"


def _words(piece: Piece, is_torch: bool) -> list[str]:
    found = []
    if piece.view.pattern != SAME.pattern:
        left, right = (side.strip() for side in piece.view.pattern.split("->"))
        text = f"{right} -> {left}" if is_torch else f"{left} -> {right}"
        if piece.view.flipped:
            text += f" with {' '.join(piece.view.flipped)} reversed"
        found.append(text)
    if piece.part is not None and not is_torch:
        found.append(f"in {piece.part[1]} parts")
    if piece.at is not None and is_torch:
        found.append("a part of it")
    return found
