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


# Each is exact, or rounded once, in numpy as under jit.
USES = {
    "times a constant": lambda x: x * constant(x),
    "plus a constant": lambda x: x + constant(x),
}
WIDER = {"in a wider dtype": lambda x: x.astype(np.float32)}


class NaiveNormal:
    """A negative control: mean + std * z as one writes it first."""

    def __init__(self, mean, std):
        self.mean, self.std = mean, std

    def sample(self, key, shape, dtype):
        u = jax.random.uniform(key, shape, dtype, np.nextafter(np.asarray(-1, dtype), 0))
        z = np.asarray(np.sqrt(2), dtype) * lax.erf_inv(u)
        return np.asarray(self.mean, dtype) + np.asarray(self.std, dtype) * z


def found_in(uses, distribution, key, dtype):
    """What differs between uses under jit and numpy's of the stored value."""
    sample = lambda key: distribution.sample(key, SHAPE, dtype)
    apply = lambda x: {name: use(x) for name, use in uses.items()}
    return differing(jax.jit(lambda key: apply(sample(key)))(key), apply(np.asarray(sample(key))))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_rounded_before_use(dtype, distribution, key):
    with jax.enable_x64(dtype == "float64"):
        assert not found_in(USES, distribution, key, dtype)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS[1:5], ids=str)
def test_low_precision_stays_low(distribution, key):
    assert not found_in(WIDER, distribution, key, "bfloat16")


@pytest.mark.parametrize(
    ("use", "naive"),
    [
        ("plus a constant", NaiveNormal(0.3, 0.7)),
        ("times a constant", NaiveNormal(0.0, 0.7)),
    ],
    ids=["plus", "times"],
)
def test_notices_a_naive_formula(use, naive, key):
    assert use in found_in(USES, naive, key, "float32")


def test_a_matmul_takes_the_stored_values(key):
    """Against a matrix that turns the columns around and halves them."""
    turn = np.eye(SHAPE[1], dtype=np.float32)[::-1] / np.float32(2)

    def draw(key):
        return {str(d): d.sample(key, SHAPE, "float32") for d in DISTRIBUTIONS[1:5]}

    @jax.jit
    def products(key):
        return {name: jnp.matmul(x, turn) for name, x in draw(key).items()}

    halves = {name: np.asarray(x)[:, ::-1] / np.float32(2) + 0 for name, x in draw(key).items()}
    assert not differing(products(key), halves)
