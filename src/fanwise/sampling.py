"""From a key to standard arrays: uniform on [0, 1), and normal of mean 0 and std 1.

Values are bit for bit those of ``jax.random.uniform`` and ``jax.random.normal`` in float32 and
float64. For threefry keys they are made by :mod:`fanwise.threefry`; other keys (``rbg``,
``unsafe_rbg``, a user's own), and threefry with ``jax_threefry_partitionable`` off, go through
``jax.random``.

Which path serves a backend was decided by measurement (``make bench``). On CPUs with AVX-512 large
arrays are made several times as fast as by ``jax.random`` and faster than by torch, inside of
another program, without wide vectors, too. On GPU and TPU nothing was measured, so there the
choice is ``jax.random``. Since the values are the same, a wrong guess of the backend costs time
only.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from fanwise import threefry
from fanwise.erf_inv import erf_inv
from fanwise.keys import key_data
from fanwise.rounding import rounded_product_above
from fanwise.typing import DType, Key

__all__ = [
    "WIDE",
    "Block",
    "FromUniforms",
    "Standard",
    "Whole",
    "is_fused",
    "is_wide",
]

# LLVM keeps to vectors of 256 bits unless asked. Only a program of its own can ask, not a part of
# another one: that is the difference between "fanwise" and "fanwise jit" in the benchmarks.
WIDE = {"xla_cpu_prefer_vector_width": 512}

# XLA's CPU loops are slow, up to five times, when the innermost axis is shorter than a vector
# register: convolution kernels in torch's layout, biases of shape (n, 1). Trailing axes are
# merged until there are at least as many elements.
_SHORTEST_ROW = 32


class Standard(Protocol):
    """A source of standard variables, for a whole array or a part of one."""

    def uniform(self, dtype: DType) -> jax.Array:
        """Values on [0, 1) in float32 or float64: multiples of 2^-23 resp. 2^-52."""

    def normal(self, dtype: DType) -> jax.Array:
        """Values of mean 0 and std 1 in float32 or float64."""

    def split(self) -> "tuple[Standard, Standard]":
        """Two independent sources, as ``jax.random.split`` makes two keys."""


@dataclass(frozen=True)
class Whole:
    """All elements of an array of ``shape``, for use under jit.

    ``sharding`` is how the result will be laid out, if that is known: it changes no value.
    """

    key: Key
    shape: tuple[int, ...]
    sharding: NamedSharding | None = None

    def uniform(self, dtype: DType) -> jax.Array:
        """Values on [0, 1); bit for bit ``jax.random.uniform(key, shape, dtype)``."""
        if not self._is_fused:
            return jax.random.uniform(self.key, self.shape, dtype)
        return _uniform(key_data(self.key), self._positions(), dtype).reshape(self.shape)

    def normal(self, dtype: DType) -> jax.Array:
        """Standard normals; bit for bit ``jax.random.normal(key, shape, dtype)``."""
        if not self._is_fused:
            return jax.random.normal(self.key, self.shape, dtype)
        uniforms = _uniform(key_data(self.key), self._positions(), dtype)
        return _normal(uniforms).reshape(self.shape)

    @property
    def _is_fused(self) -> bool:
        # Positions come from one 32-bit iota per axis.
        return is_fused(self.key) and max(self.shape, default=0) < 2**32

    def _positions(self) -> threefry.Counters:
        merged = _merge_short_rows(self.shape)
        if self.sharding is not None:
            kept = len(merged) - 1
            # XLA does not see through a reshape of axes that lie on several devices.
            if any(axis is not None for axis in self.sharding.spec[kept:]):
                merged = self.shape
        return threefry.counters(merged)

    def split(self) -> tuple[Standard, Standard]:
        """Two sources of the same shape."""
        first, second = jax.random.split(self.key)
        return Whole(first, self.shape, self.sharding), Whole(second, self.shape, self.sharding)


@dataclass(frozen=True)
class Block:
    """``size`` elements of a larger array, one after another in row-major order.

    Or as many blocks side by side: ``words``, the words of a threefry key, has the shape (2,), or
    (2, blocks, 1), and ``start``, the position of the first element, the shape (), or
    (blocks, 1). Both may be traced.
    """

    words: threefry.Words
    start: threefry.Counters
    size: int

    def uniform(self, dtype: DType) -> jax.Array:
        """The elements that :meth:`Whole.uniform` has at these positions."""
        return _uniform(self.words, threefry.block_counters(self.start, self.size), dtype)

    def normal(self, dtype: DType) -> jax.Array:
        """The elements that :meth:`Whole.normal` has at these positions."""
        return _normal(self.uniform(dtype))

    def split(self) -> tuple[Standard, Standard]:
        """Two sources for the same positions; jax.random.split hashes 0 and 1."""
        return self._child(0), self._child(1)

    def _child(self, index: int) -> "Block":
        position = threefry.Counters(jnp.uint32(0), jnp.uint32(index))
        return Block(jnp.stack(threefry.bits(self.words, position)), self.start, self.size)


@dataclass(frozen=True)
class FromUniforms:
    """Variables made from uniforms on [0, 1) that are there already, one for each.

    Of the uniforms' own dtype, whichever is asked for.
    """

    uniforms: jax.Array

    def uniform(self, dtype: DType) -> jax.Array:
        """The uniforms themselves."""
        return self.uniforms

    def normal(self, dtype: DType) -> jax.Array:
        """What :meth:`Block.normal` makes from its uniforms."""
        return _normal(self.uniforms)

    def split(self) -> tuple[Standard, Standard]:
        """Not possible: a second variable needs another uniform."""
        raise TypeError("there is one uniform for each element; two sources need a Block")


def is_fused(key: Key) -> bool:
    """Whether values for this key are made by :mod:`fanwise.threefry`."""
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        implementation = jax.default_prng_impl.value
        if key.shape != (2,):
            return False  # jax.random says what is wrong with it
    else:
        implementation = str(jax.random.key_impl(key))
        if key.shape != ():
            return False
    return bool(
        implementation == "threefry2x32"
        and jax.threefry_partitionable.value
        and jax.default_backend() == "cpu"
    )


def is_wide(key: Key) -> bool:
    """Whether a sampler called with this key, eagerly, may be compiled with :data:`WIDE`."""
    return not isinstance(key, jax.core.Tracer) and is_fused(key)


def _merge_short_rows(shape: tuple[int, ...]) -> tuple[int, ...]:
    while len(shape) > 1 and shape[-1] < _SHORTEST_ROW and shape[-2] * shape[-1] < 2**32:
        shape = (*shape[:-2], shape[-2] * shape[-1])
    return shape


def _uniform(key: jax.Array, position: threefry.Counters, dtype: DType) -> jax.Array:
    """As ``jax.random``: random mantissa bits under the exponent of 1, minus 1."""
    info = jnp.finfo(dtype)
    first, second = threefry.bits(key, position)
    if info.bits == 32:
        word = first ^ second
    else:
        word = first.astype(jnp.uint64) << np.uint64(32) | second.astype(jnp.uint64)
    one = jnp.ones((), dtype)
    mantissa = word >> np.asarray(info.bits - info.nmant, word.dtype)
    pattern = mantissa | jax.lax.bitcast_convert_type(one, word.dtype)
    return jax.lax.bitcast_convert_type(pattern, dtype) - one


def _normal(uniforms: jax.Array) -> jax.Array:
    """As ``jax.random``: the inverse error function of a uniform on (-1, 1)."""
    dtype = uniforms.dtype
    lowest = np.nextafter(np.asarray(-1, dtype), np.asarray(0, dtype))
    span = np.asarray(1, dtype) - lowest
    # The span is a power of two after rounding, so the product is exact and it does not matter
    # whether XLA contracts it with the sum. JAX takes the maximum with the lowest, which it is.
    u = uniforms * span + lowest
    # Rounded, so that no constant that multiplies the result is folded into sqrt(2).
    inverse = erf_inv(u) if dtype == np.float32 else jax.lax.erf_inv(u)
    return rounded_product_above(-64, inverse, jnp.asarray(math.sqrt(2), dtype))
