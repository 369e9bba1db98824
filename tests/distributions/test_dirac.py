"""Dirac: ones at k // 2 in each group, zeros elsewhere, by torch's own loop in numpy."""

import itertools

import hypothesis
import hypothesis.strategies as st
import jax
import numpy as np
import pytest

from fanwise.distributions import Dirac


def reference(shape, groups):
    """torch's dirac_ for a weight (out, in, *k), element by element."""
    weight = np.zeros(shape, np.float32)
    per_group = shape[0] // groups
    centre = tuple(size // 2 for size in shape[2:])
    for group, channel in itertools.product(range(groups), range(min(per_group, shape[1]))):
        weight[(group * per_group + channel, channel, *centre)] = 1
    return weight


@hypothesis.given(
    groups=st.integers(1, 4),
    per_group=st.integers(0, 4),
    inputs=st.integers(0, 4),
    field=st.lists(st.integers(1, 6), min_size=1, max_size=3),
)
@hypothesis.settings(max_examples=25)
def test_against_the_definition(groups, per_group, inputs, field):
    shape = (groups * per_group, inputs, *field)
    expected = reference(shape, groups)
    key = jax.random.key(0)
    ours = Dirac(groups, layout="OI...").sample(key, shape)
    assert (np.asarray(ours) == expected).all()
    flax_shape = (*field, inputs, groups * per_group)
    ours = Dirac(groups).sample(key, flax_shape)
    assert (np.asarray(ours) == np.moveaxis(expected, (0, 1), (-1, -2))).all()


def test_the_centre_of_even_kernels(key):
    """k // 2, as in torch, where delta_orthogonal has (k - 1) // 2."""
    for size, centre in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3)]:
        kernel = np.asarray(Dirac().sample(key, (size, 1, 1)))[:, 0, 0]
        assert kernel.tolist() == [float(i == centre) for i in range(size)]


def test_a_grouped_convolution_passes_its_input_on(key):
    image = jax.random.normal(key, (1, 6, 6, 4))
    kernel = Dirac(2).sample(key, (3, 3, 2, 4))
    result = jax.lax.conv_general_dilated(
        image,
        kernel,
        (1, 1),
        "SAME",
        feature_group_count=2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    np.testing.assert_allclose(np.asarray(result), np.asarray(image), rtol=1e-6)


def test_every_member_of_a_batch(key):
    batch = np.asarray(Dirac(2, layout="BOI...").sample(key, (5, 4, 2, 3, 2)))
    assert (batch == reference((4, 2, 3, 2), 2)).all()


def test_several_axes_of_a_role_are_flattened(key):
    kernel = np.asarray(Dirac(layout="HIOO").sample(key, (3, 6, 2, 3)))
    flat = np.moveaxis(kernel.reshape(3, 6, 6), (2, 1), (0, 1))
    assert (flat == reference((6, 6, 3), 1)).all()


@pytest.mark.parametrize(
    ("shape", "groups", "message"),
    [
        ((4, 8), 1, "1, 2 or 3 receptive-field axes, got 0; use eye"),
        ((2, 2, 2, 2, 4, 8), 1, "1, 2 or 3 receptive-field axes, got 4"),
        ((3, 4, 8), 3, "output axis of size 8 must be divisible by groups=3"),
        ((3, 4, 8), 16, "divisible by groups=16"),
        ((0, 4, 8), 1, "empty and has no centre"),
    ],
)
def test_shapes_that_are_refused(shape, groups, message, key):
    with pytest.raises(ValueError, match=message):
        Dirac(groups).sample(key, shape)


@pytest.mark.parametrize("groups", [0, -1])
def test_groups_must_be_positive(groups):
    with pytest.raises(ValueError, match=f"groups must be a positive integer, got {groups}"):
        Dirac(groups)


@pytest.mark.parametrize("groups", [2.0, True, "2", None])
def test_groups_must_be_an_integer(groups):
    with pytest.raises(TypeError, match="groups must be a positive integer, got"):
        Dirac(groups)
