"""From a key to standard arrays: uniform on [0, 1), and normal of mean 0 and std 1.

Values are bit for bit those of ``jax.random.uniform`` and ``jax.random.normal`` in float32 and
float64. For threefry keys they are made by :mod:`fanwise.threefry`; other keys (``rbg``,
``unsafe_rbg``, a user's own), and threefry with ``jax_threefry_partitionable`` off, go through
``jax.random``.

Which path serves a backend was decided by measurement. CPU, two cores, float32, (4096, 4096),
warm: uniform 1.3 ns an element against 8.5 by ``jax.random`` and 2.1 by torch, normal 2.7 against
9.0 and 2.4. On GPU and TPU nothing was measured, so there the choice is ``jax.random``. Since the
values are the same, a wrong guess of the backend costs time only.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

from fanwise import threefry
from fanwise.typing import DType, Key

__all__ = [
    "Block",
    "Standard",
    "Whole",
    "check_key",
    "finished",
    "hidden_constant",
    "is_fused",
    "is_key",
    "key_data",
    "rounded_product",
]

# XLA's CPU loops are slow, up to five times, when the innermost axis is shorter than a vector
# register: convolution kernels in torch's layout, biases of shape (n, 1). Trailing axes are
# merged until there are at least as many elements.
_SHORTEST_ROW = 32


def is_key(value: object) -> bool:
    """Whether ``value`` is a PRNG key: a typed key array, or old-style ``PRNGKey`` bits."""
    if not hasattr(value, "dtype") or not hasattr(value, "shape"):
        return False
    if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return True
    return bool(value.dtype == jnp.uint32 and len(value.shape) >= 1)


# The shapes of old-style keys, by jax_default_prng_impl.
_RAW_KEY_SHAPES = {"threefry2x32": (2,), "rbg": (4,), "unsafe_rbg": (4,)}


def check_key(key: object) -> None:
    """Raise TypeError unless ``key`` is a PRNG key, ValueError if it is an array of keys."""
    if not is_key(key):
        raise TypeError(
            f"key must be a JAX PRNG key, got {key!r} of type {type(key).__name__}; make one "
            f"with jax.random.key(seed)"
        )
    shape = tuple(key.shape)  # type: ignore[attr-defined]
    is_typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)  # type: ignore[attr-defined]
    expected = () if is_typed else _RAW_KEY_SHAPES.get(jax.default_prng_impl.value, shape)
    if shape != expected:
        raise ValueError(
            f"key must be a single key, of shape {expected}, got shape {shape}; use jax.vmap for "
            f"an array of keys"
        )


def hidden_constant(key: Key) -> Key:
    """Hide a key that is a constant of the program being traced from the compiler.

    XLA and LLVM compute what follows from constants while compiling, where a product and a sum
    are rounded one after the other, and in compiled code they may be contracted: arrays of a few
    elements, and the last few of longer ones, would differ in the last bit from those of an eager
    call. No compiler looks through a loop of two half turns. Eagerly, and for traced keys, the
    key is returned as it is.
    """
    if isinstance(key, jax.core.Tracer):
        return key
    is_typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    words = jax.random.key_data(key) if is_typed else jax.lax.bitwise_not(jnp.asarray(key))
    if not isinstance(words, jax.core.Tracer):
        return key
    if not is_typed:
        words = jax.lax.bitwise_not(words)
    half = np.uint32(16)
    words = jax.lax.fori_loop(0, 2, lambda _, word: word << half | word >> half, words)
    hidden: Key = words
    return jax.random.wrap_key_data(hidden, impl=jax.random.key_impl(key)) if is_typed else hidden


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
    """All elements of an array of ``shape``, for use under jit."""

    key: Key
    shape: tuple[int, ...]

    def uniform(self, dtype: DType) -> jax.Array:
        """Values on [0, 1); bit for bit ``jax.random.uniform(key, shape, dtype)``."""
        if not self._is_fused:
            return jax.random.uniform(self.key, self.shape, dtype)
        merged = _merge_short_rows(self.shape)
        position = threefry.counters(merged)
        return _uniform(key_data(self.key), position, dtype).reshape(self.shape)

    def normal(self, dtype: DType) -> jax.Array:
        """Standard normals; bit for bit ``jax.random.normal(key, shape, dtype)``."""
        if not self._is_fused:
            return jax.random.normal(self.key, self.shape, dtype)
        merged = _merge_short_rows(self.shape)
        position = threefry.counters(merged)
        return _normal(key_data(self.key), position, dtype).reshape(self.shape)

    @property
    def _is_fused(self) -> bool:
        # Positions come from one 32-bit iota per axis.
        return is_fused(self.key) and max(self.shape, default=0) < 2**32

    def split(self) -> tuple[Standard, Standard]:
        """Two sources of the same shape."""
        first, second = jax.random.split(self.key)
        return Whole(first, self.shape), Whole(second, self.shape)


@dataclass(frozen=True)
class Block:
    """``size`` elements of a larger array, one after another in row-major order.

    Only for keys for which :func:`is_fused` holds. ``start`` may be traced.
    """

    key: Key
    start: threefry.Counters
    size: int

    def uniform(self, dtype: DType) -> jax.Array:
        """The elements that :meth:`Whole.uniform` has at these positions."""
        return _uniform(key_data(self.key), threefry.block_counters(self.start, self.size), dtype)

    def normal(self, dtype: DType) -> jax.Array:
        """The elements that :meth:`Whole.normal` has at these positions."""
        return _normal(key_data(self.key), threefry.block_counters(self.start, self.size), dtype)

    def split(self) -> tuple[Standard, Standard]:
        """Two sources for the same positions."""
        first, second = jax.random.split(self.key)
        return Block(first, self.start, self.size), Block(second, self.start, self.size)


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


def key_data(key: Key) -> jax.Array:
    """The uint32 words of a key, typed or old-style."""
    if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return jax.random.key_data(key)
    return key


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


def _normal(key: jax.Array, position: threefry.Counters, dtype: DType) -> jax.Array:
    """As ``jax.random``: the inverse error function of a uniform on (-1, 1)."""
    lowest = np.nextafter(np.asarray(-1, dtype), np.asarray(0, dtype))
    span = np.asarray(1, dtype) - lowest
    # The span is a power of two after rounding, so the product is exact and it does not matter
    # whether XLA contracts it with the sum.
    u = jnp.maximum(_uniform(key, position, dtype) * span + lowest, lowest)
    # Rounded, so that no constant that multiplies the result is folded into sqrt(2).
    return rounded_product(jax.lax.erf_inv(u), jnp.asarray(math.sqrt(2), dtype))


def rounded_product(x: jax.Array, y: jax.Array) -> jax.Array:
    """``x * y``, rounded before anything is added to it.

    ``x * y + c`` may be contracted into a fused multiply-add in one program and not in another,
    and ``(x * c) * d`` is folded into ``x * (c * d)`` where both factors are constants; the last
    bit of the result then depends on the program around it. A clamp to the finite numbers changes
    no finite value and keeps the operations apart. (``reduce_precision`` to the precision that
    the product already has only stops XLA: on CPU no instruction is left of it, and LLVM
    contracts what it finds.)
    """
    largest = jnp.asarray(jnp.finfo(x.dtype).max, x.dtype)
    return jax.lax.clamp(-largest, x * y, largest)


def finished(x: jax.Array) -> jax.Array:
    """``x``, kept apart from whatever is done with it.

    XLA folds ``(x + c) + d`` into ``x + (c + d)`` where both terms are constants, across the end of
    the sampler; rounding to the precision that ``x`` already has stops it and costs nothing.
    """
    if not jnp.issubdtype(x.dtype, np.floating):
        return x
    info = jnp.finfo(x.dtype)
    return jax.lax.reduce_precision(x, exponent_bits=info.nexp, mantissa_bits=info.nmant)
