"""How a framework stores torch's array: the same elements with their axes rearranged.

A pattern names torch's axes on the left and the framework's on the right, as in einops:
``"o i h w -> h w i o"`` is a convolution's weight in Flax. Parentheses split or merge axes
(``"(n d) i -> i n d"``), ``1`` is an axis of one element, and axes in ``flipped`` are reversed.
Read from right to left, the pattern is the way back.
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

__all__ = ["SAME", "View", "axes_of"]

Array: TypeAlias = Any
"""Of JAX, numpy, or anything with their reshape, transpose and slicing."""

Axes: TypeAlias = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class View:
    """A bijection between the elements of torch's array and those of a framework's.

    Args:
        pattern: torch's axes, ``->``, the framework's. ``"..."`` alone on both sides keeps any
            array as it is.
        sizes: of axes that cannot be read off torch's shape: all but one of each parenthesis on
            the left, as pairs.
        flipped: the axes whose order is reversed.

    Raises:
        ValueError: if the two sides do not have the same axes.

    Example:
        >>> import numpy as np
        >>> kernel = View("o i k -> k i o", flipped=("k",))
        >>> kernel.shape((8, 4, 3))
        (3, 4, 8)
        >>> weight = np.arange(96.0).reshape(8, 4, 3)
        >>> bool((kernel.to_torch(kernel.from_torch(weight), (8, 4, 3)) == weight).all())
        True
    """

    pattern: str
    sizes: tuple[tuple[str, int], ...] = ()
    flipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        left, right = axes_of(self.pattern)
        names = sorted(name for axis in left for name in axis)
        if names != sorted(name for axis in right for name in axis) or len(set(names)) < len(names):
            raise ValueError(
                f"pattern {self.pattern!r} must have the same axes on both sides, each once"
            )

    def shape(self, torch_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The framework's shape for torch's."""
        if self.pattern == SAME.pattern:
            return torch_shape
        sizes = self._sizes(torch_shape)
        return tuple(math.prod(sizes[name] for name in axis) for axis in axes_of(self.pattern)[1])

    def from_torch(self, array: Array) -> Array:
        """Rearrange torch's array to the framework's."""
        if self.pattern == SAME.pattern:
            return array
        return self._rearranged(array, array.shape, *axes_of(self.pattern))

    def to_torch(self, array: Array, torch_shape: tuple[int, ...]) -> Array:
        """Rearrange the framework's array to torch's, of the given shape."""
        if self.pattern == SAME.pattern:
            return array
        return self._rearranged(array, torch_shape, *reversed(axes_of(self.pattern)))

    def _rearranged(
        self, array: Array, torch_shape: tuple[int, ...], source: Axes, target: Axes
    ) -> Array:
        sizes = self._sizes(torch_shape)
        names = [name for axis in source for name in axis]
        wanted = [name for axis in target for name in axis]
        array = array.reshape(tuple(sizes[name] for name in names))
        array = array[tuple(slice(None, None, -1 if name in self.flipped else 1) for name in names)]
        array = array.transpose(tuple(names.index(name) for name in wanted))
        return array.reshape(tuple(math.prod(sizes[name] for name in axis) for axis in target))

    def _sizes(self, torch_shape: tuple[int, ...]) -> dict[str, int]:
        """The size of every axis; raises ValueError where the shape does not fit the pattern."""
        left, _ = axes_of(self.pattern)
        sizes = dict(self.sizes)
        if len(left) != len(torch_shape):
            raise ValueError(f"shape {torch_shape} does not fit {self.pattern!r}")
        for axis, size in zip(left, torch_shape, strict=True):
            known = math.prod(sizes.get(name, 1) for name in axis)
            unknown = [name for name in axis if name not in sizes]
            if len(unknown) > 1 or (size % known if unknown else size != known):
                raise ValueError(
                    f"shape {torch_shape} does not fit {self.pattern!r} with sizes {self.sizes}"
                )
            if unknown:
                sizes[unknown[0]] = size // known
        return sizes


@lru_cache(maxsize=1024)
def axes_of(pattern: str) -> tuple[Axes, Axes]:
    """The names of each axis, on the left and on the right; none for an axis of one element."""
    left, arrow, right = pattern.partition("->")
    if not arrow:
        raise ValueError(f"pattern {pattern!r} has no '->'")
    return _axes(left), _axes(right)


def _axes(side: str) -> Axes:
    tokens = re.findall(r"\(([^()]*)\)|(\S+)", side)
    names = [(inside if alone == "" else alone).split() for inside, alone in tokens]
    return tuple(tuple(name for name in axis if name != "1") for axis in names)


SAME = View("... -> ...")
"""The array as torch has it."""
