"""One layer of any framework's model, described in torch's vocabulary."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fanwise.layers.view import SAME, View
from fanwise.typing import DType

__all__ = ["Layer", "Leaf", "Piece"]

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Piece:
    """Where a part of a framework's array comes from.

    Args:
        name: torch's parameter.
        view: how its elements are arranged.
        part: ``(i, n)`` takes the i-th of n equal blocks of the parameter's first axis, before
            the view; the gates of a recurrent layer.
        at: start and stop on each axis of the leaf; None is all of it. Pieces at the same place
            are added, as the two biases of torch's recurrent layers are in Flax's one.
    """

    name: str
    view: View = SAME
    part: tuple[int, int] | None = None
    at: tuple[tuple[int, int], ...] | None = None

    def torch_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the block of the parameter that this piece is."""
        return (shape[0] // self.part[1], *shape[1:]) if self.part else shape

    def block(self, array: Any) -> Any:
        """The block of torch's array that this piece is."""
        if self.part is None:
            return array
        size = array.shape[0] // self.part[1]
        return array[self.part[0] * size : (self.part[0] + 1) * size]


@dataclass(frozen=True)
class Leaf:
    """One array of the framework's model, or one slice of it where layers are stacked.

    Args:
        path: where the framework keeps it.
        name: what its key is made from.
        shape: without the axes of the stack.
        dtype: the array's.
        pieces: what it is made of.
        stack: axis and position of this layer, for each axis by which the array is longer, the
            outermost first.
    """

    path: Hashable
    name: str
    shape: tuple[int, ...]
    dtype: DType
    pieces: tuple[Piece, ...]
    stack: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Layer:
    """What a rule sees.

    Args:
        path: where the layer is in the model, with ``/`` between names. Of layers stacked in one
            array (``nn.scan``, ``nnx.vmap``) each is listed for itself, with its number in the
            path.
        kind: the name of torch's class; None where torch has no counterpart or nobody knows the
            parameter (a bare ``self.param``).
        hyperparameters: torch's constructor arguments.
        parameters: shapes by name. Where ``kind`` is None these are the framework's own.
        buffers: the same for what is not trained.
        index: the position among the model's layers, in order of execution where the framework
            tells it, else of definition.
        count: the number of the model's layers.
        source: the framework's class.
        lost: what torch's layer has and this one has no place for.
        leaves: the framework's arrays.

    Example:
        >>> layer = Layer("fc", "Linear", {"in_features": 4}, {"weight": (3, 4)})
        >>> layer.parameters["weight"]
        (3, 4)
    """

    path: str
    kind: str | None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    parameters: Shapes = field(default_factory=dict)
    buffers: Shapes = field(default_factory=dict)
    index: int = 0
    count: int = 1
    source: str = ""
    lost: tuple[str, ...] = ()
    leaves: tuple[Leaf, ...] = field(default=(), repr=False)

    @property
    def shapes(self) -> Shapes:
        """Of parameters and buffers."""
        return {**self.parameters, **self.buffers}

    @property
    def size(self) -> int:
        """The number of elements in the model's arrays."""
        return sum(int(np.prod(leaf.shape, dtype=np.int64)) for leaf in self.leaves)

    def __str__(self) -> str:
        shown = ", ".join(f"{name} {shape}" for name, shape in self.shapes.items())
        return f"{self.path or '.'}: {self.kind or f'{self.source} (not in torch)'} [{shown}]"
