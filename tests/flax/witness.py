"""What every test of a Flax model needs: to know which key a parameter was drawn with.

Flax derives the key of a parameter from names (linen) or from the count of calls (nnx), and a
transform splits it further. Instead of repeating these rules, a model is built a second time with
a :class:`Witness` in place of the initializer: it writes the key that it is given into the
parameter itself, which no jit, vmap or scan can hide.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


class Witness:
    """An initializer whose parameter spells its key; it notes the shapes it was asked for."""

    def __init__(self):
        self.shapes = []

    def __call__(self, key, shape, dtype=None, out_sharding=None):
        self.shapes.append(tuple(shape))
        return _spell(key, tuple(shape))

    @staticmethod
    def key(parameter):
        """The key that a parameter of at least four elements spells."""
        assert parameter.dtype == jnp.float32, "lower precision does not hold 16 bits"
        assert parameter.size >= 4, "a key has four halves"
        high, low = np.ravel(parameter)[:4].astype(np.uint32).reshape(2, 2)
        return jax.random.wrap_key_data((high << 16) | low)


@partial(jax.jit, static_argnums=1)
def _spell(key, shape):
    bits = jax.random.key_data(key)
    # Halves of 16 bits are exact in float32, so that the model can still be run.
    halves = jnp.concatenate([bits >> 16, bits & 0xFFFF])
    return jnp.resize(halves, shape).astype(jnp.float32)


def assert_same_bits(actual, expected):
    """Fail unless two arrays agree in dtype, shape and every bit."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    actual, expected = np.asarray(actual), np.asarray(expected)
    differing = np.flatnonzero(_bits(actual) != _bits(expected))
    assert differing.size == 0, (
        f"{differing.size} of {actual.size} elements differ, first at {differing[0]}: "
        f"{actual.flat[differing[0]]!r} and {expected.flat[differing[0]]!r}"
    )


def _bits(array):
    return np.ascontiguousarray(array).reshape(-1).view(f"u{array.dtype.itemsize}")
