"""Views are read and written as numpy's strides do it."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.recording.strided import Geometry, box, read, slices, write


@st.composite
def views(draw):
    """A shape, and a view of an array of it made by numpy, without broadcasting."""
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    view = np.arange(np.prod(shape)).reshape(shape)
    for _ in range(draw(st.integers(0, 3))):
        axis = draw(st.integers(0, view.ndim - 1))
        match draw(st.sampled_from(["transpose", "slice", "pick", "flatten", "insert"])):
            case "transpose":
                view = np.moveaxis(view, axis, 0)
            case "slice":
                start, step = draw(st.integers(0, 1)), draw(st.integers(1, 2))
                view = view[(slice(None),) * axis + (slice(start, None, step),)]
            case "pick" if view.ndim > 1 and view.shape[axis]:
                view = view[(slice(None),) * axis + (0,)]
            case "flatten" if view.flags.c_contiguous:
                view = view.reshape(-1)
            case "insert":
                view = np.expand_dims(view, axis)
    return shape, view


def geometry(view):
    item = view.itemsize
    stride = tuple(s // item for s in view.strides)
    offset = int(view.reshape(-1)[0]) if view.size else 0
    return Geometry(view.shape, stride, offset)


@hypothesis.given(views())
@hypothesis.settings(max_examples=30)
def test_reads_and_writes_what_numpy_does(case):
    shape, view = case
    where = geometry(view)
    memory = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    np.testing.assert_array_equal(read(jnp.asarray(memory), where), view.astype(np.float32))
    values = -1.0 - np.arange(view.size, dtype=np.float32).reshape(view.shape)
    expected = memory.reshape(-1).copy()
    expected[view.reshape(-1)] = values.reshape(-1)
    got = write(jnp.asarray(memory), jnp.asarray(values), where)
    np.testing.assert_array_equal(got, expected.reshape(shape))


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [((3, 4), (0, 1), 2), ((4,), (0,), 5), ((2, 3), (1, 1), 0), ((0, 3), (3, 1), 0)],
)
def test_broadcast_overlapping_and_empty_views(size, stride, offset):
    memory = np.arange(24, dtype=np.float32)
    item = memory.itemsize
    expected = np.lib.stride_tricks.as_strided(
        memory[offset:], size, tuple(s * item for s in stride)
    )
    got = read(jnp.asarray(memory), Geometry(size, stride, offset))
    np.testing.assert_array_equal(got, expected)


def test_views_of_whole_axes_need_no_gather():
    """A gather would be copied to every device, and takes an index for each element."""
    cases = [
        ((1000, 64), Geometry((64,), (1,), 7 * 64)),
        ((1000, 64), Geometry((64, 1000), (1, 64))),
        ((1000, 64), Geometry((1000, 32), (64, 2), 1)),
        ((1000, 64), Geometry((1000, 8, 8), (64, 1, 8))),
    ]
    for shape, where in cases:
        assert box(64_000, where) is not None
        text = jax.jit(lambda x, where=where: read(x, where)).lower(jnp.zeros(shape)).as_text()
        assert "gather" not in text
    overlapping = jax.jit(lambda x: read(x, Geometry((3, 4), (1, 1))))
    assert "gather" in overlapping.lower(jnp.zeros(24)).as_text()


def test_slices():
    assert slices((6, 4), Geometry((4,), (1,), 8)) == (slice(2, 3, 1), slice(0, 4, 1))
    assert slices((6, 4), Geometry((6, 2), (4, 2), 1)) == (slice(0, 6, 1), slice(1, 4, 2))
    assert slices((6, 4), Geometry((4,), (5,), 0)) is None


def test_disjoint():
    first, second = Geometry((4,), (1,), 0), Geometry((4,), (1,), 4)
    assert first.is_disjoint(second)
    assert not first.is_disjoint(Geometry((4,), (1,), 3))
    assert first.is_disjoint(Geometry((0,), (1,), 0))
