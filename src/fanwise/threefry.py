"""Threefry-2x32 as one elementwise function of an element's index.

``jax.random`` defines the random bits of an array's element as the hash of its position in
row-major order (``jax_threefry_partitionable``, JAX's default). XLA on CPU runs JAX's own lowering
of that hash as a loop over whole arrays, with temporaries of three times the result. Written as
here, unrolled over an element, it fuses with whatever follows, needs no temporary memory, and is
partitioned over devices without communication.

The hash is that of Salmon et al. (2011), Parallel random numbers: as easy as 1, 2, 3, with 20
rounds.
"""

import math
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["Counters", "bits", "block_counters", "counters"]

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)
_WORD = 2**32

Words: TypeAlias = Any
"""uint32 arrays, of JAX or of numpy."""


class Counters(NamedTuple):
    """Positions in row-major order as 64-bit integers in two uint32 words."""

    high: Words
    low: Words


def counters(shape: tuple[int, ...]) -> Counters:
    """The positions of all elements of an array, from one iota per axis.

    They depend on each axis through its own iota, so that XLA's partitioner can give each device
    its share of the positions however the axes are sharded. Each axis must be shorter than 2^32.
    """
    if math.prod(shape) <= _WORD:
        low = jnp.zeros(shape, jnp.uint32)
        stride = 1
        for axis in reversed(range(len(shape))):
            low += jax.lax.broadcasted_iota(jnp.uint32, shape, axis) * np.uint32(stride % _WORD)
            stride *= shape[axis]
        return Counters(jnp.zeros_like(low), low)
    position = Counters(jnp.zeros(shape, jnp.uint32), jnp.zeros(shape, jnp.uint32))
    for axis, size in enumerate(shape):  # Horner's rule
        step = jax.lax.broadcasted_iota(jnp.uint32, shape, axis)
        position = _plus(_times(position, size), step)
    return position


def block_counters(start: Counters, size: int) -> Counters:
    """``size`` positions one after another, along the last axis of a start that may be traced."""
    others = (1,) * (np.ndim(start.low) - 1)
    return _plus(start, jax.lax.iota(jnp.uint32, size).reshape(*others, size))


def _plus(position: Counters, step: Words) -> Counters:
    low = position.low + step
    return Counters(position.high + (low < step).astype(jnp.uint32), low)


def _times(position: Counters, factor: int) -> Counters:
    """``position * factor`` for a factor below 2^32, by products of 16-bit halves."""
    half, mask = np.uint32(16), np.uint32(0xFFFF)
    top, bottom = np.uint32(factor >> 16), np.uint32(factor & 0xFFFF)
    low_top, low_bottom = position.low >> half, position.low & mask
    crossed = low_top * bottom + ((low_bottom * bottom) >> half)
    other = low_bottom * top + (crossed & mask)
    carried = low_top * top + (crossed >> half) + (other >> half)
    return Counters(position.high * np.uint32(factor) + carried, position.low * np.uint32(factor))


def bits(key: Words, position: Counters) -> tuple[Words, Words]:
    """The two uint32 words of the hash of each position.

    Args:
        key: the key's two words, of shape (2,); with more axes, each position has its own.
        position: the positions.

    ``jax.random.bits`` gives their exclusive or for 32 bits, and ``first << 32 | second`` for 64.
    """
    schedule = (key[0], key[1], key[0] ^ key[1] ^ _PARITY)
    first, second = position.high + schedule[0], position.low + schedule[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            first = first + second
            left = second << np.uint32(rotation)
            second = first ^ (left | second >> np.uint32(32 - rotation))
        first = first + schedule[(group + 1) % 3]
        second = second + schedule[(group + 2) % 3] + np.uint32(group + 1)
    return first, second
