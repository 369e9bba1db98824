"""What a program computes from a drawn value starts from the value, rounded as it is when stored.

XLA folds ``(x * c) * d`` into ``x * (c * d)`` and ``(x + c) + d`` into ``x + (c + d)``, LLVM
contracts ``x * c + d``, and a value may stay in float32 that was rounded to bfloat16. Where the
operation that a draw ends with is open to that, jitting a model changes what it computes.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from fanwise.distributions import (
    Normal,
    Orthogonal,
    Sparse,
    Triangular,
    TruncatedNormal,
    Uniform,
)
from tests.same_bits import differing

SHAPE = (16, 37)
DISTRIBUTIONS = (
    Normal(0.0, 0.7),
    Normal(0.3, 0.7),
    Uniform(-0.1, 0.3),
    Triangular(-0.2, 0.5),
    TruncatedNormal(0.1, 0.5, -1.0, 1.0),
    Orthogonal(1.3),
    Sparse(0.3, 0.7),
)


def constant(x):
    return np.asarray(0.3, x.dtype)


# One operation on a drawn array, each exact or rounded once in numpy as under jit.
USES = {
    "times a constant": lambda x: x * constant(x),
    "plus a constant": lambda x: x + constant(x),
    "in a wider dtype": lambda x: x.astype(np.float64 if x.dtype.itemsize > 2 else np.float32),
}


class NaiveNormal:
    """A negative control: mean + std * z as one writes it first."""

    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def sample(self, key, shape, dtype):
        u = jax.random.uniform(key, shape, dtype, np.nextafter(np.asarray(-1, dtype), 0))
        z = np.asarray(np.sqrt(2), dtype) * lax.erf_inv(u)
        return np.asarray(self.mean, dtype) + np.asarray(self.std, dtype) * z


def found_in(use, distribution, key, dtype):
    """What differs between a use under jit and numpy's on the stored value."""
    sample = lambda key: distribution.sample(key, SHAPE, dtype)
    ours = jax.jit(lambda key: USES[use](sample(key)))(key)
    value = np.asarray(jax.jit(sample)(key))
    return differing([ours], [USES[use](value)])


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_in_float32(use, distribution, key):
    with jax.enable_x64(use == "in a wider dtype"):
        assert not found_in(use, distribution, key, "float32")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_low_precision_stays_low(dtype, distribution, key):
    assert not found_in("in a wider dtype", distribution, key, dtype)


@pytest.mark.parametrize("use", ["times a constant", "plus a constant"])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS[:-1], ids=str)
def test_in_float64(use, distribution, key):
    with jax.enable_x64(True):
        assert not found_in(use, distribution, key, "float64")


@pytest.mark.parametrize(
    ("use", "distribution"),
    [("plus a constant", NaiveNormal(0.3, 0.7)), ("times a constant", NaiveNormal(0.0, 0.7))],
    ids=["sum", "product"],
)
def test_notices_a_naive_formula(use, distribution, key):
    assert found_in(use, distribution, key, "float32")


def test_two_uses_in_one_program(key):
    """The value that is a result is the one that the sum was made from."""
    for distribution in DISTRIBUTIONS:
        value, used = jax.jit(
            lambda key, d=distribution: (
                (x := d.sample(key, SHAPE, "float32")),
                x + constant(x),
            )
        )(key)
        assert not differing([used], [np.asarray(value) + constant(value)]), distribution


def test_a_matmul_takes_the_stored_values(key):
    """Against a matrix with one entry in each column, whose products are all but one zero."""
    pick = np.eye(SHAPE[1], dtype=np.float32)[:, ::-1] * np.float32(0.5)
    for distribution in DISTRIBUTIONS:
        value, product = jax.jit(
            lambda key, d=distribution: (
                (x := d.sample(key, SHAPE, "float32")),
                jnp.matmul(x, pick, precision="highest"),
            )
        )(key)
        assert not differing([product + np.float32(0)], [np.asarray(value)[:, ::-1] / 2 + 0.0])
