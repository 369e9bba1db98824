"""Sparse: the number of zeros for every input, which they are, and what remains."""

import math

import hypothesis
import hypothesis.strategies as st
import jax
import numpy as np
import pytest

from fanwise.distributions import Normal, Sparse
from tests.agreement import assert_drawn_from


@pytest.mark.parametrize("sparsity", [0, 0.1, 0.99, 1])
@pytest.mark.parametrize(("layout", "axis"), [("...IO", 1), ("OI...", 0)])
def test_zeros_for_every_input(sparsity, layout, axis, key):
    """In torch's (out, in) they are those of a column, in Flax's (in, out) those of a row."""
    weight = np.asarray(Sparse(sparsity, layout=layout).sample(key, (30, 41)))
    outputs = weight.shape[axis]
    zeros = (weight == 0).sum(axis=axis)
    assert zeros.tolist() == [math.ceil(sparsity * outputs)] * weight.shape[1 - axis]


@hypothesis.given(st.floats(0, 1), st.integers(0, 12))
@hypothesis.settings(max_examples=20)
def test_number_of_zeros_is_that_of_torch(sparsity, outputs):
    assert Sparse(sparsity).zeros_per_input(outputs) == math.ceil(sparsity * outputs)


def test_what_remains_is_normal(key):
    weight = np.asarray(Sparse(0.25).sample(key, (400, 600)))
    assert_drawn_from(weight[weight != 0], Normal(0, 0.01))


def test_every_output_is_equally_likely_to_be_lost(key):
    inputs, outputs, lost = 20_000, 10, 3
    zero = np.asarray(Sparse(0.3).sample(key, (inputs, outputs))) == 0
    share = zero.mean(axis=0)
    spread = math.sqrt(0.3 * 0.7 / inputs)
    assert np.abs(share - 0.3).max() < 6.2 * spread
    # Two outputs of one input: both lost with probability 3/10 * 2/9.
    both = (zero[:, 0] & zero[:, 1]).mean()
    chance = lost / outputs * (lost - 1) / (outputs - 1)
    assert abs(both - chance) < 6.2 * math.sqrt(chance / inputs)
    # Two inputs lose outputs independently.
    overlap = (zero[1:] & zero[:-1]).mean()
    assert abs(overlap - 0.09) < 6.2 * math.sqrt(0.09 / zero.size) * 3


def test_zeros_and_values_are_independent(key):
    """Neighbours of a zero are no smaller than others."""
    weight = np.asarray(Sparse(0.5, 1.0).sample(key, (2000, 100)), np.float64)
    left, right = weight[:, :-1], weight[:, 1:]
    beside = left[(left != 0) & (right == 0)]
    assert_drawn_from(beside, Normal(0, 1))


def test_every_member_of_a_batch(key):
    weight = np.asarray(Sparse(0.4, layout="BIO").sample(key, (5, 6, 10)))
    assert ((weight == 0).sum(axis=2) == 4).all()
    assert len({tuple(member.ravel()) for member in weight}) == 5


def test_several_axes_of_a_role_are_flattened(key):
    weight = np.asarray(Sparse(0.4, layout="IOO").sample(key, (6, 2, 5)))
    assert ((weight == 0).sum(axis=(1, 2)) == 4).all()
    weight = np.asarray(Sparse(0.4, layout="IIO").sample(key, (2, 3, 10)))
    assert ((weight == 0).sum(axis=2) == 4).all()


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_empty(shape, key):
    assert Sparse(0.5).sample(key, shape).shape == shape


def test_a_receptive_field_is_refused(key):
    with pytest.raises(ValueError, match="one output and one input axis"):
        Sparse(0.5).sample(key, (3, 4, 5))


@pytest.mark.parametrize("sparsity", [-0.1, 1.1, 10, float("nan")])
def test_sparsity_is_a_fraction(sparsity):
    with pytest.raises(ValueError, match="sparsity must be a number from 0 to 1"):
        Sparse(sparsity)


def test_a_std_that_a_dtype_does_not_hold(key):
    with pytest.raises(ValueError, match="does not fit float16"):
        Sparse(0.5, 1e5).sample(key, (3, 4), "float16")
    with jax.enable_x64(True):
        assert np.isfinite(Sparse(0.5, 1e300).sample(key, (3, 4), "float64")).all()
