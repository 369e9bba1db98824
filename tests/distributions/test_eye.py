"""Eye: the identity between output and input."""

import jax
import numpy as np
import pytest

from fanwise.distributions import Eye


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (1, 4), (0, 3), (3, 0)])
def test_identity(shape, key):
    assert (np.asarray(Eye().sample(key, shape)) == np.eye(*shape)).all()
    assert (np.asarray(Eye(layout="OI").sample(key, shape)) == np.eye(*shape)).all()


def test_the_key_does_not_matter(key):
    other = jax.random.split(key)[0]
    assert (np.asarray(Eye().sample(key, (3, 4))) == np.asarray(Eye().sample(other, (3, 4)))).all()


@pytest.mark.parametrize(
    ("layout", "shape", "matrix_shape"),
    [("IOO", (6, 2, 3), (6, 6)), ("IIO", (2, 3, 5), (6, 5)), ("IOO", (4, 3, 2), (4, 6))],
)
def test_axes_of_one_role_are_flattened(layout, shape, matrix_shape, key):
    weight = np.asarray(Eye(layout=layout).sample(key, shape))
    assert (weight.reshape(matrix_shape) == np.eye(*matrix_shape)).all()


def test_axes_of_one_role_that_are_apart(key):
    weight = np.asarray(Eye(layout="OIO").sample(key, (2, 6, 3)))
    assert (weight.transpose(0, 2, 1).reshape(6, 6) == np.eye(6)).all()


@pytest.mark.parametrize(("layout", "axis"), [("BIO", 0), ("IBO", 1), ("OIB", 2)])
def test_every_member_of_a_batch(layout, axis, key):
    shape = [3, 4]
    shape.insert(axis, 5)
    weight = np.moveaxis(np.asarray(Eye(layout=layout).sample(key, shape)), axis, 0)
    assert (weight == np.eye(3, 4)).all()


@pytest.mark.parametrize("shape", [(3, 3, 3), (2, 3, 4, 5)])
def test_a_receptive_field_is_refused(shape, key):
    with pytest.raises(ValueError, match="one output and one input axis") as caught:
        Eye().sample(key, shape)
    assert "dirac()" in str(caught.value)


def test_a_vector_is_refused(key):
    with pytest.raises(ValueError, match="does not fit layout"):
        Eye().sample(key, (3,))
