"""The inverse error function is that of JAX wherever a normal needs it: compared everywhere.

A uniform in float32 has 2^23 values, so that all that can be asked of it is asked.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.erf_inv import erf_inv
from fanwise.sampling import WIDE


def every_argument():
    lowest = np.nextafter(np.float32(-1), np.float32(0))
    uniform = np.arange(2**23, dtype=np.float32) * np.float32(2.0**-23)
    return jnp.asarray(np.maximum(uniform * np.float32(2) + lowest, lowest))


@pytest.mark.parametrize("options", [{}, WIDE], ids=["as it is", "wide"])
def test_as_jax(options):
    x = every_argument()
    assert x[0] > -1
    assert x[-1] < 1
    ours = jax.jit(erf_inv, compiler_options=options)(x)
    theirs = jax.jit(jax.lax.erf_inv)(x)
    assert np.array_equal(ours, theirs)
    # The control: one unit in the last place is noticed.
    assert not np.array_equal(jnp.nextafter(ours, jnp.float32(9)), theirs)


@pytest.mark.parametrize("size", [1, 3, 7, 17, 1000])
def test_in_arrays_of_any_size(size, key):
    x = jax.random.uniform(key, (size,), jnp.float32, -0.99, 0.99)
    assert np.array_equal(jax.jit(erf_inv)(x), jax.jit(jax.lax.erf_inv)(x))
    assert np.array_equal(jax.jit(partial(jax.vmap(erf_inv)))(x), jax.jit(jax.lax.erf_inv)(x))
