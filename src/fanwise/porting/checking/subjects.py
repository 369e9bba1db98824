"""What is compared as one: the regions of Flax arrays that hold the same of torch's tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fanwise.porting.checking.expected import Expected
from fanwise.porting.checking.parts import Part, Path, parts_of_pair
from fanwise.porting.correspondence import Correspondence, Pair

__all__ = ["Subject", "fingerprints", "subjects_of", "whole_of"]

Array = npt.NDArray[Any]

# The first values, of which fewer could be alike by chance.
_LEAST, _MOST = 8, 16


@dataclass(frozen=True)
class Subject:
    """A parameter of a layer, or a sum of several, in all its regions.

    Args:
        pair: the layers.
        parts: the regions, in torch's order where they are blocks of one tensor.
    """

    pair: Pair
    parts: tuple[Part, ...]

    @property
    def tensors(self) -> tuple[str, ...]:
        """torch's names."""
        return tuple(dict.fromkeys(self.parts[0].tensors))

    def blocks(self, draws: Mapping[Path, Array]) -> list[Array]:
        """For each region its draws, of shape (keys, ...)."""
        return [part.from_flax(draws[part.leaf.path]) for part in self.parts]

    def expected_blocks(self, expected: Expected) -> list[Array]:
        """The same of torch's side."""
        return [expected.of_part(part) for part in self.parts]

    def place(self, expected: Expected) -> tuple[Any, ...]:
        """What of which of torch's tensors it is; tied ones are at the same place."""
        pieces = [
            (expected.first(str(leaf.path)), piece.at)
            for leaf in self.pair.torch.leaves
            for piece in leaf.pieces
            if piece.name in self.parts[0].parameters
        ]
        return (*pieces, tuple(piece.part for part in self.parts for piece in part.pieces))


def subjects_of(correspondence: Correspondence) -> list[Subject]:
    """All of a correspondence, in torch's order."""
    found = []
    for pair in correspondence.pairs:
        groups: dict[tuple[str, ...], list[Part]] = {}
        for part in parts_of_pair(pair):
            if 0 in part.leaf.shape:
                continue  # nothing is there to compare
            groups.setdefault((*part.tensors, *part.parameters), []).append(part)
        for parts in groups.values():
            ordered = sorted(parts, key=lambda part: (part.pieces[0].part or (0, 1))[0])
            found.append(Subject(pair, tuple(ordered)))
    return found


def whole_of(blocks: Sequence[Array]) -> Array:
    """Blocks one below the other, of as many keys as all of them have."""
    keys = min(len(block) for block in blocks)
    if len(blocks) == 1:
        return blocks[0]
    return np.concatenate([block[:keys] for block in blocks], axis=1)


def fingerprints(values: Mapping[int, Array]) -> list[list[int]]:
    """Groups of arrays that are multiples of one another, by their first values.

    Args:
        values: one draw of each subject, by its number.
    """
    groups: dict[tuple[float, ...], list[int]] = {}
    for index, array in values.items():
        first = array.reshape(-1)[:_MOST].astype(np.float64)
        largest = np.abs(first).max(initial=0.0)
        if first.size < _LEAST or largest == 0 or np.ptp(first) == 0:
            continue
        sign = 1.0 if first[np.argmax(np.abs(first))] > 0 else -1.0
        shape = tuple(np.round(sign * first / largest, 4).tolist()[:_LEAST])
        groups.setdefault(shape, []).append(index)
    return [group for group in groups.values() if len(group) > 1]
