"""What to propose for a Linear that is packed in torch: which layers of the other side it may be.

A layer of equal size beside it, ``proj`` beside ``qkv``, could be any of the same layers, so both
are proposed together: nothing is given to the one that may be a part of the other.
"""

from collections.abc import Mapping, Sequence

from fanwise.porting.matching.assign import Assignment
from fanwise.porting.matching.names import names_of
from fanwise.porting.matching.similarity import similarity
from fanwise.porting.matching.split import Item
from fanwise.porting.matching.suggest import Targets

__all__ = ["likeness", "packed"]

_PROJECTIONS = ("query", "key", "value")


def packed(
    torch: Sequence[Item], flax: Sequence[Item], found: Assignment, left: Sequence[int] = ()
) -> dict[int, Targets]:
    """What packed Linears are in parts, and what is left for the others that compete for these.

    Args:
        torch: torch's layers.
        flax: the other model's.
        found: what was assigned.
        left: positions in torch that need no counterpart.

    Returns:
        By positions in torch the paths of the other model's layers.
    """
    taken = {column for column, _ in found.pairs.values()}
    holders = {found.pairs[row][0]: row for row in (*found.free, *found.unclear)}
    blocks: dict[str, list[int]] = {}
    for column, item in enumerate(flax):
        if item.layer.kind == "Linear" and (column not in taken or column in holders):
            blocks.setdefault(item.name.rpartition("/")[0], []).append(column)
    proposed: dict[int, Targets] = {}
    for row, item in enumerate(torch):
        if item.layer.kind != "Linear" or row in found.pairs or row in left:
            continue
        fitting = {}
        for name, block in blocks.items():
            same = [c for c in block if _size(flax[c])[1] == _size(item)[1]]
            rows = sorted([row, *(holders[column] for column in same if column in holders)])
            if len(same) > 1 and (parts := _dealt(row, rows, same, torch, flax)):
                fitting[name] = parts
        if fitting:
            best = max(fitting, key=lambda name: likeness(item, flax[blocks[name][0]]))
            for own, columns in fitting[best].items():
                proposed[own] = tuple(flax[column].name for column in columns)
            del blocks[best]
    return proposed


def _dealt(
    row: int, rows: Sequence[int], block: Sequence[int], torch: Sequence[Item], flax: Sequence[Item]
) -> Mapping[int, list[int]]:
    """Which of a block's layers the packed one and its competitors get; nothing if none fit.

    By their names; where these say nothing, in order, and then all must be dealt out.
    """
    columns = sorted(block, key=lambda column: _projection(flax[column]))
    named = [column for column in columns if _projection(flax[column]) < len(_PROJECTIONS)]
    if sum(_size(flax[column])[0] for column in named) == _size(torch[row])[0]:
        rest = [column for column in columns if column not in named]
        dealt = _in_order([own for own in rows if own != row], rest, torch, flax)
        return {row: named, **(dealt if _is_whole(row, dealt) else {})}
    dealt = _in_order(rows, columns, torch, flax)
    is_all = sum(map(len, dealt.values())) == len(columns)
    return dealt if is_all and _is_whole(row, dealt) else {}


def _is_whole(row: int, dealt: Mapping[int, list[int]]) -> bool:
    """Whether nothing but the packed one is taken apart."""
    return all(own == row or len(columns) == 1 for own, columns in dealt.items())


def _in_order(
    rows: Sequence[int], columns: Sequence[int], torch: Sequence[Item], flax: Sequence[Item]
) -> dict[int, list[int]]:
    """One layer after another gets as many as are as wide together."""
    found: dict[int, list[int]] = {}
    rest = list(columns)
    for row in rows:
        width = _size(torch[row])[0]
        own: list[int] = []
        while rest and sum(_size(flax[column])[0] for column in own) < width:
            own.append(rest.pop(0))
        if sum(_size(flax[column])[0] for column in own) != width:
            return {}
        found[row] = own
    return found


def _size(item: Item) -> tuple[int, ...]:
    return item.layer.shapes["weight"]


def _projection(item: Item) -> int:
    """Queries before keys before values, as everybody packs them; else the order as it is."""
    words = names_of([(item.name.rpartition("/")[2], "")])[0].words
    return next((n for n, word in enumerate(_PROJECTIONS) if word in words), len(_PROJECTIONS))


def likeness(one: Item, other: Item) -> float:
    """How much two names have in common, each by itself."""
    ours, theirs = names_of([(one.name, "")]), names_of([(other.name, "")])
    return similarity(ours[0], theirs[0])
