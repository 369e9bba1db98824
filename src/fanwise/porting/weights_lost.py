"""What a torch layer has and its counterpart has no place for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fanwise.layers import Layer
from fanwise.porting.convert import Array
from fanwise.porting.correspondence import Correspondence, Pair

__all__ = ["Lost", "lost_of", "not_carried", "refused"]

# A count of torch's own, which changes nothing that a layer computes but where its momentum is
# None; Flax has no such thing, and torch takes state dicts with and without it.
_COUNTS = ("num_batches_tracked",)


@dataclass(frozen=True)
class Lost:
    """Values without a place.

    Args:
        name: the parameter of the torch layer; of what is none, a description.
        part: the block of its first axis, as in :class:`fanwise.layers.Piece`; None is all of it.
    """

    name: str
    part: tuple[int, int] | None = None

    def is_zero(self, hub: Mapping[str, Array]) -> bool:
        """Whether the values are zeros that are added to others, so that nothing is lost."""
        if self.part is None or self.name not in hub:
            return False
        index, count = self.part
        array = hub[self.name]
        size = array.shape[0] // count
        return not array[index * size : (index + 1) * size].any()

    def __str__(self) -> str:
        if self.part is None:
            return self.name
        return f"block {self.part[0] + 1} of {self.part[1]} of {self.name}"


def not_carried(pair: Pair) -> frozenset[Any]:
    """The names of the tensors of a pair that its counterpart has nothing of."""
    return frozenset(
        leaf.path
        for leaf in pair.torch.leaves
        if all(piece.name not in pair.flax.shapes for piece in leaf.pieces)
    )


def is_count(name: str) -> bool:
    """Whether a tensor, or a layer's buffer, is a count that is not carried."""
    return name.rpartition(".")[2] in _COUNTS


def lost_of(pair: Pair) -> tuple[Lost, ...]:
    """What the counterpart of a torch layer has no place for."""
    lost = []
    for name in pair.torch.shapes:
        if name not in pair.flax.shapes:
            lost += [] if is_count(name) else [Lost(name)]
            continue
        parts = _parts(pair.flax, name)
        if None not in parts:
            count = next(part[1] for part in parts if part is not None)
            held = {part[0] for part in parts if part is not None}
            lost += [Lost(name, (index, count)) for index in range(count) if index not in held]
    known = {each.name for each in lost}
    # What is no parameter at all, in the words of the framework's adapter.
    lost += [Lost(text) for text in pair.flax.lost if text.partition(",")[0] not in known]
    return tuple(lost)


def _parts(layer: Layer, name: str) -> set[tuple[int, int] | None]:
    return {piece.part for leaf in layer.leaves for piece in leaf.pieces if piece.name == name}


def refused(
    correspondence: Correspondence,
    lost: Mapping[int, Sequence[Lost]],
    lossy: Collection[str],
) -> list[str]:
    """A line for each layer that loses values without permission, and each idle permission.

    Args:
        correspondence: the layers.
        lost: what really is lost, by the number of the pair.
        lossy: names of layers.

    Raises:
        TypeError: if ``lossy`` is a single name.
    """
    if isinstance(lossy, str):
        raise TypeError(f"lossy must be a collection of layers' names, got {lossy!r}")
    lines, names = [], set()
    for index, pair in enumerate(correspondence.pairs):
        # The model itself is a dot, as in tables.
        name, theirs = pair.torch.path.replace("/", ".") or ".", pair.flax.path or "."
        names |= {name, theirs}
        if lost.get(index) and not {name, theirs} & set(lossy):
            lines.append(
                f"{name}: {', '.join(map(str, lost[index]))}: {pair.flax.source} ({theirs}) has "
                f"no place for it; lossy=({name!r},) drops it"
            )
    unknown = [name for name in lossy if name not in names]
    lines += [f"lossy names {name!r}, which is no layer here" for name in unknown]
    return lines
