"""PRNG keys: what is one, its words, and the key of each parameter of a model."""

import hashlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fanwise import threefry
from fanwise.typing import Key

__all__ = [
    "check_key",
    "hidden_constant",
    "hidden_true",
    "is_key",
    "is_tracing",
    "key_data",
    "path_keys",
]


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
    if isinstance(key, jax.core.Tracer) or not is_tracing():
        return key
    is_typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    words = jax.random.key_data(key) if is_typed else jnp.asarray(key)
    hidden: Key = _turned(words)
    return jax.random.wrap_key_data(hidden, impl=jax.random.key_impl(key)) if is_typed else hidden


def hidden_true(key: Key) -> jax.Array:
    """A truth value, of a traced key, that no compiler knows to be true."""
    word = key_data(key).reshape(-1)[0]
    return _turned(word) == word


def _turned(words: jax.Array) -> jax.Array:
    """The same words after two half turns."""
    half = np.uint32(16)
    turned: jax.Array = jax.lax.fori_loop(0, 2, lambda _, word: word << half | word >> half, words)
    return turned


def is_tracing() -> bool:
    """Whether a program is being traced."""
    # The one operation of JAX that compiles nothing when it is called eagerly.
    words: Any = np.zeros(2, np.uint32)
    probe = jax.random.wrap_key_data(words, impl="threefry2x32")
    return isinstance(probe, jax.core.Tracer)


def key_data(key: Key) -> jax.Array:
    """The uint32 words of a key, typed or old-style."""
    if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return jax.random.key_data(key)
    return key


def path_keys(key: Key, paths: Sequence[str]) -> list[Key]:
    """The key of each parameter of a model: the model's key, folded with a hash of the path.

    It depends on nothing else, so adding, removing or reordering layers changes no other
    parameter. The hash is the first 64 bits of BLAKE2b of the path in UTF-8, folded in as two
    words, the high one first.

    Args:
        key: the model's key, of any implementation, typed or old-style.
        paths: names.

    Returns:
        Typed keys, one a path.

    Raises:
        TypeError: if ``key`` is no key.
        ValueError: if ``key`` is an array of keys.

    Example:
        >>> (key,) = path_keys(jax.random.key(0), ["Dense_0/kernel"])
        >>> word = hashlib.blake2b(b"Dense_0/kernel", digest_size=8).digest()
        >>> high, low = int.from_bytes(word[:4], "big"), int.from_bytes(word[4:], "big")
        >>> key == jax.random.fold_in(jax.random.fold_in(jax.random.key(0), high), low)
        Array(True, dtype=bool)
    """
    check_key(key)
    key = hidden_constant(key)
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.wrap_key_data(key)
    digests = [hashlib.blake2b(path.encode(), digest_size=8).digest() for path in paths]
    words = np.frombuffer(b"".join(digests), ">u4").astype(np.uint32).reshape(-1, 2)
    implementation = jax.random.key_impl(key)
    if str(implementation) != "threefry2x32":
        # Not as a batch, in which unsafe_rbg gives other keys than alone.
        return [jax.random.fold_in(jax.random.fold_in(key, high), low) for high, low in words]
    # All at once; and eagerly on the host, where nothing needs to be compiled.
    is_traced = isinstance(key, jax.core.Tracer)
    folded: Any = key_data(key) if is_traced else np.asarray(key_data(key))
    for word in words.T:
        position = threefry.Counters(np.zeros_like(word), word)
        folded = (jnp.stack if is_traced else np.stack)(threefry.bits(folded, position))
    return [jax.random.wrap_key_data(own, impl=implementation) for own in folded.T]
