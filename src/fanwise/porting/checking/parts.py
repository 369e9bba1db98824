"""A Flax array as the regions that torch's tensors are in.

Most arrays are one tensor. Of a packed tensor each block is a region, or an array by itself; and
where Flax has one bias for two of torch's, the region is the sum of both.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fanwise.layers import Leaf, Piece
from fanwise.layers.view import SAME
from fanwise.porting.convert import At, parts_of
from fanwise.porting.correspondence import Pair

__all__ = ["Part", "Path", "parts_of_pair", "shown"]

Path = Any
"""What a framework keeps an array by."""

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Part:
    """A region of a Flax array, and what of torch's is there.

    Args:
        pair: the layers.
        leaf: Flax's array.
        at: start and stop on each axis; None is all of it.
        pieces: what is added up there.
        tensors: torch's name for the parameter that each piece is of.
    """

    pair: Pair
    leaf: Leaf
    at: At
    pieces: tuple[Piece, ...]
    tensors: tuple[str, ...]

    @property
    def is_sum(self) -> bool:
        """Whether several tensors are added."""
        return len(self.pieces) > 1

    @property
    def parameters(self) -> tuple[str, ...]:
        """The layer's own names of what is there."""
        return tuple(piece.name for piece in self.pieces)

    @property
    def is_packed(self) -> bool:
        """Whether this is one of several blocks of a tensor."""
        return any(piece.part is not None for piece in self.pieces) or any(
            piece.at is not None for leaf in self.pair.torch.leaves for piece in leaf.pieces
        )

    @property
    def blocks(self) -> int:
        """Into how many blocks torch's tensor is divided."""
        for piece in self.pieces:
            if piece.part is not None:
                return piece.part[1]
        for leaf in self.pair.torch.leaves:
            for piece in leaf.pieces:
                if piece.name == self.pieces[0].name and piece.at is not None:
                    whole, region = leaf.shape, piece.at
                    return int(np.prod(whole)) // int(np.prod([b - a for a, b in region]))
        return 1

    def from_flax(self, draws: Array) -> Array:
        """The region, in torch's arrangement where it is of one tensor.

        Args:
            draws: of the whole array, shape (keys, ...).
        """
        for axis, index in self.leaf.stack:
            draws = np.take(draws, index, axis + 1)
        draws = _floating(draws.reshape(len(draws), *self.leaf.shape))
        if self.at is not None:
            draws = draws[(slice(None), *(slice(start, stop) for start, stop in self.at))]
        piece = self.pieces[0]
        if self.is_sum or piece.view == SAME:
            return draws
        shape = piece.torch_shape(self.pair.flax.shapes[piece.name])
        return np.stack([piece.view.to_torch(draw, shape) for draw in draws])

    def from_hub(self, arrays: Mapping[str, Array]) -> Array:
        """The same of torch's side: what the layer's parameters come to there."""
        if not self.is_sum:
            piece = self.pieces[0]
            return _floating(np.asarray(piece.block(arrays[piece.name])))
        blocks = [piece.view.from_torch(piece.block(arrays[piece.name])) for piece in self.pieces]
        total: Array = np.asarray(sum(blocks[1:], blocks[0]))
        return total

    def __str__(self) -> str:
        region = ", ".join(f"{start}:{stop}" for start, stop in self.at or ())
        return shown(self.leaf.path) + (f"[{region}]" if region else "")


def _floating(array: Array) -> Array:
    """Counters and masks as floats, which hold them exactly and are compared as they are."""
    return array.astype(np.float64) if array.dtype.kind in "iub" else array


def shown(path: Path) -> str:
    """A path in one line, without the collection of parameters, which all are in."""
    names = [str(name) for name in path] if isinstance(path, tuple) else [str(path)]
    return "/".join(names[1:] if names[0] == "params" and len(names) > 1 else names)


def parts_of_pair(pair: Pair) -> Iterator[Part]:
    """All regions of all arrays of a Flax layer."""
    owners = {piece.name: str(leaf.path) for leaf in pair.torch.leaves for piece in leaf.pieces}
    for leaf in pair.flax.leaves:
        for at, pieces in parts_of(leaf):
            known = tuple(piece for piece in pieces if piece.name in owners)
            if known:
                yield Part(pair, leaf, at, known, tuple(owners[piece.name] for piece in known))
