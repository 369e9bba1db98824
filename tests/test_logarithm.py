"""The logarithm is that of XLA, and the same in every program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.logarithm import log
from fanwise.sampling import WIDE

LARGEST = np.finfo(np.float32).max


def arguments():
    """Around every power of two, and 2^21 others, evenly by their bits."""
    powers = np.float32(2.0) ** np.arange(-126, 128, dtype=np.float32)
    below = np.nextafter(powers[1:], np.float32(0))
    least, most = np.float32([powers[0], LARGEST]).view(np.uint32)
    spread = np.linspace(least, most, 2**21).astype(np.uint32).view(np.float32)
    return np.concatenate([powers, below, np.nextafter(powers, LARGEST), spread])


@pytest.mark.parametrize("options", [{}, WIDE], ids=["as it is", "wide"])
def test_as_xla(options):
    x = arguments()
    ours = jax.jit(log, compiler_options=options)(x)
    theirs = jax.jit(jnp.log)(x)
    assert np.array_equal(ours, theirs)
    assert not np.array_equal(jnp.nextafter(ours, jnp.float32(99)), theirs)


@pytest.mark.parametrize("size", [1, 3, 7, 17, 40])
def test_in_programs_of_any_size_and_width(size, key):
    x = np.asarray(jax.random.uniform(key, (200, size), minval=1e-6))
    whole = np.asarray(jax.jit(log)(x))
    wide = jax.jit(log, compiler_options=WIDE)
    assert all(np.array_equal(wide(row), logs) for row, logs in zip(x, whole, strict=True))


def test_is_a_logarithm():
    x = arguments()
    exact = np.log(x.astype(np.float64))
    assert np.abs(np.asarray(log(x)) - exact).max() < 8e-6
    near_one = np.abs(x - 1) < 0.3
    assert (np.abs(log(x) - exact)[near_one] <= 1.2e-7 * np.abs(exact)[near_one]).all()
