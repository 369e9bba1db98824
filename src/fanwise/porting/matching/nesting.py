"""Where a layer belongs, by what is told of the other layers in its block."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fanwise.porting.matching.names import Name

__all__ = ["around"]

# As much as two words of a name.
_NESTING = 2.0


def around(
    torch: Sequence[Name],
    flax: Sequence[Name],
    rows: Sequence[int],
    columns: Sequence[int],
    told: Mapping[int, int],
) -> Any:
    """How much pairs that are told speak for others, by the blocks that they are in.

    Args:
        torch: the names of torch's layers.
        flax: those of the other model's.
        rows: the layers in question, as positions in ``torch``.
        columns: those of the other side.
        told: pairs of other layers; these themselves would only confirm what they are taken for.

    Returns:
        A matrix; of two blocks it is the share of the told pairs in either that are in both.
    """
    ours = [_blocks(torch[row]) for row in told]
    theirs = [_blocks(flax[column]) for column in told.values()]
    rows_in = Counter(block for own in ours for block in own)
    columns_in = Counter(block for own in theirs for block in own)
    both = Counter(
        (a, b) for own, others in zip(ours, theirs, strict=True) for a in own for b in others
    )
    shares: dict[str, dict[str, float]] = {}
    for (a, b), count in both.items():
        shares.setdefault(a, {})[b] = count / (rows_in[a] + columns_in[b] - count)
    parents = {torch[row].parent: _blocks(torch[row]) for row in rows}
    best = {
        parent: {
            b: max(shares.get(a, {}).get(b, 0.0) for a in blocks)
            for b in {b for a in blocks for b in shares.get(a, {})}
        }
        for parent, blocks in parents.items()
    }
    insides = [_blocks(flax[column]) for column in columns]
    found = np.zeros((len(rows), len(columns)))
    for i, row in enumerate(rows):
        own = best[torch[row].parent]
        if own:
            found[i] = [max((own.get(b, 0.0) for b in blocks), default=0.0) for blocks in insides]
    return _NESTING * found


def _blocks(name: Name) -> list[str]:
    """What a layer is in, from the outermost, without the model itself."""
    parts = name.path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]
