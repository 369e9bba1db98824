"""Views of memory: reading and writing a part of an array by sizes, strides and an offset.

torch's views are these three over a storage. Most are a box, with axes of the storage split or
merged: those are slices and transposes here, which cost no index arrays and can be divided among
devices. What is none (overlapping windows) is gathered.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["Box", "Geometry", "box", "read", "slices", "write"]


class Geometry(NamedTuple):
    """Of a view: element ``i`` is at ``offset + sum(i * stride)`` of the memory."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int = 0

    @property
    def elements(self) -> int:
        """The number of elements."""
        return math.prod(self.size)

    @property
    def last(self) -> int:
        """The position of the last element; the view must have one."""
        return self.offset + sum((n - 1) * s for n, s in zip(self.size, self.stride, strict=True))

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements are side by side in row-major order."""
        expected = 1
        for n, s in zip(reversed(self.size), reversed(self.stride), strict=True):
            if n != 1 and s != expected:
                return False
            expected *= n
        return True

    def is_disjoint(self, other: "Geometry") -> bool:
        """Whether the two surely have no element in common: they lie one behind the other."""
        if not self.elements or not other.elements:
            return True
        return self.last < other.offset or other.last < self.offset


@dataclass(frozen=True)
class Box:
    """A view as a box of the memory, reshaped.

    Args:
        shape: of the memory.
        start: on each axis.
        extent: on each axis.
        order: of its axes in the view; the one without a stride is last.
        size: the view's without its broadcast axes.
    """

    shape: tuple[int, ...]
    start: tuple[int, ...]
    extent: tuple[int, ...]
    order: tuple[int, ...]
    size: tuple[int, ...]


@lru_cache(maxsize=4096)
def box(count: int, view: Geometry) -> Box | None:
    """The view of a memory of ``count`` elements as a box; None if it is none, or is empty."""
    axes = sorted(
        (s, n, axis)
        for axis, (n, s) in enumerate(zip(view.size, view.stride, strict=True))
        if n > 1 and s != 0
    )
    # The memory between two strides is an axis of the box. The innermost takes one position of
    # those that no stride tells apart, each other as many as the view has.
    steps = [1, *(stride for stride, _, _ in axes), count]
    extents = [1, *(n for _, n, _ in axes)]
    shape: list[int] = []
    start: list[int] = []
    rest = view.offset
    for below, above, extent in zip(steps[:-1], steps[1:], extents, strict=True):
        if not view.elements or above % below:
            return None
        width = above // below
        digit = rest if len(shape) == len(axes) else rest % width
        if digit + extent > width:
            return None
        shape.append(width)
        start.append(digit)
        rest //= width
    places = {axis: len(axes) - 1 - place for place, (_, _, axis) in enumerate(axes)}
    order = (*(places[axis] for axis in sorted(places)), len(axes))
    size = tuple(1 if s == 0 else n for n, s in zip(view.size, view.stride, strict=True))
    return Box(tuple(shape[::-1]), tuple(start[::-1]), tuple(extents[::-1]), order, size)


def read(memory: jax.Array, view: Geometry) -> jax.Array:
    """The elements of the view."""
    if not view.elements:
        return jnp.zeros(view.size, memory.dtype)
    own = _own_slices(memory.shape, view)
    if own is not None:
        return memory[own].reshape(view.size)
    found = box(memory.size, view)
    if found is None:
        return jnp.take(memory.reshape(-1), _positions(view))
    stop = tuple(a + n for a, n in zip(found.start, found.extent, strict=True))
    part = jax.lax.slice(memory.reshape(found.shape), found.start, stop)
    return jnp.broadcast_to(part.transpose(found.order).reshape(found.size), view.size)


def write(memory: jax.Array, values: jax.Array, view: Geometry) -> jax.Array:
    """The memory with the elements of the view replaced."""
    if not view.elements:
        return memory
    own = _own_slices(memory.shape, view)
    if own is not None:
        extent = tuple(part.stop - part.start for part in own)
        start = tuple(part.start for part in own)
        return jax.lax.dynamic_update_slice(memory, values.reshape(extent), start)
    found = box(memory.size, view)
    if found is None or 0 in view.stride:
        written = memory.reshape(-1).at[_positions(view)].set(values)
        return written.reshape(memory.shape)
    extent = tuple(found.extent[axis] for axis in found.order)
    part = values.reshape(extent).transpose(tuple(int(a) for a in np.argsort(found.order)))
    whole = jax.lax.dynamic_update_slice(memory.reshape(found.shape), part, found.start)
    return whole.reshape(memory.shape)


def _own_slices(shape: tuple[int, ...], view: Geometry) -> tuple[slice, ...] | None:
    """The view as slices of the array's own axes, in their order and without steps."""
    strides = [s for n, s in zip(view.size, view.stride, strict=True) if n > 1]
    found = slices(shape, view) if sorted(strides, reverse=True) == strides else None
    return found if found is not None and all(part.step == 1 for part in found) else None


def _positions(view: Geometry) -> Any:
    positions: Any = np.int32(view.offset)
    for axis, (n, s) in enumerate(zip(view.size, view.stride, strict=True)):
        own = jnp.arange(n, dtype=np.int32) * np.int32(s)
        positions = positions + own.reshape((n,) + (1,) * (len(view.size) - axis - 1))
    return positions


def slices(shape: tuple[int, ...], view: Geometry) -> tuple[slice, ...] | None:
    """The view as ``array[slices]`` of a row-major array, axes of length 1 apart; None if not."""
    if not view.elements:
        return None
    steps = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    digits = [view.offset // step % n for step, n in zip(steps, shape, strict=True)]
    found = [slice(digit, digit + 1, 1) for digit in digits]
    for n, stride in zip(view.size, view.stride, strict=True):
        if n == 1:
            continue
        axis = next((a for a, step in enumerate(steps) if stride and stride % step == 0), None)
        if axis is None or found[axis].stop - found[axis].start > 1:
            return None
        each = stride // steps[axis]
        stop = digits[axis] + each * (n - 1) + 1
        if stop > shape[axis]:
            return None
        found[axis] = slice(digits[axis], stop, each)
    return tuple(found)
