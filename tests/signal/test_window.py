"""Counting taps, against a convolution with a kernel of ones, which counts them by itself."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.signal.window import Window

SMALL = st.integers(1, 3)
PADS = st.tuples(st.integers(-1, 3), st.integers(-1, 3))


def convolution(window):
    """A convolution with ones, of one channel."""

    def run(x):
        y = jax.lax.conv_general_dilated(
            x[None, None],
            jnp.ones((1, 1, *window.kernel)),
            window.strides,
            window.padding,
            window.input_dilation,
            window.dilation,
        )
        return y[0, 0]

    return run


def agree(window):
    """Forward and backward, at numbers that differ everywhere."""
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 2, window.size).astype(np.float32)
    y, pull = jax.vjp(convolution(window), x)
    ones = np.asarray(convolution(window)(jnp.ones(window.size)))
    assert window.outputs == y.shape
    assert window.connections == int(np.rint(ones.sum()))
    if window.connections:
        g = rng.uniform(1, 2, y.shape).astype(np.float32)
        forward = np.asarray(y) * y.size / window.connections
        backward = np.asarray(pull(g)[0]) * x.size / window.connections
        np.testing.assert_allclose(window.sums(x), forward, rtol=1e-5)
        np.testing.assert_allclose(window.sums_back(g), backward, rtol=1e-5)


# Each example compiles a convolution; FANWISE_SEED draws others.
@hypothesis.given(
    size=st.integers(9, 12),
    kernel=st.integers(1, 4),
    strides=SMALL,
    padding=PADS,
    dilation=st.integers(1, 2),
    input_dilation=SMALL,
)
@hypothesis.settings(max_examples=8)
def test_against_a_convolution(size, kernel, strides, padding, dilation, input_dilation):
    window = Window((size,), (kernel,), (strides,), (padding,), (dilation,), (input_dilation,))
    agree(window)


@pytest.mark.parametrize(
    "window",
    [
        Window((8, 6), (3, 5), (2, 1), ((1, 1), (2, 2))),
        Window((4, 5, 6), (3, 2, 1), (1, 2, 3), ((1, 0), (1, 1), (0, 0))),
        Window((4, 3), (4, 4), padding=((2, 2), (2, 2)), input_dilation=(2, 2)),
        Window((4, 3), (2, 2), padding=((1, 1), (1, 1)), input_dilation=(2, 2)),
    ],
    ids=str,
)
def test_several_axes(window):
    agree(window)


def test_nothing_is_lost_without_padding():
    window = Window((6, 6), (3, 3))
    assert (window.outputs, window.connections) == ((4, 4), 9 * 16)


@pytest.mark.parametrize("dilation", [1, 2])
def test_one_tap(dilation):
    window = Window((4, 4), (3, 3), padding=((1, 1), (1, 1)), dilation=(dilation,) * 2)
    taps = [(row, column) for row in range(3) for column in range(3)]
    alone = [window.only(tap) for tap in taps]
    assert {each.outputs for each in alone} == {window.outputs}
    assert sum(each.connections for each in alone) == window.connections
    total = sum(each.sums(np.eye(4)) * each.connections for each in alone)
    np.testing.assert_allclose(total, window.sums(np.eye(4)) * window.connections)
    if dilation == 1:
        assert [each.connections for each in alone[:5]] == [9, 12, 9, 12, 16]


def test_the_border_is_noticed():
    """Planted: a count that takes every tap to be inside says 144."""
    window = Window((4, 4), (3, 3), padding=((1, 1), (1, 1)))
    assert window.connections == 100
    sums = window.sums(np.ones((4, 4)))
    assert sums.mean() == pytest.approx(1, rel=1e-12)
    assert sums[0, 0] / sums[1, 1] == pytest.approx(4 / 9, rel=1e-12)


def test_a_kernel_larger_than_the_map():
    window = Window((2,), (3,))
    assert (window.outputs, window.connections) == ((0,), 0)
    assert window.sums(np.ones(2)).shape == (0,)


@pytest.mark.parametrize("name", ["kernel", "strides", "padding", "dilation", "input_dilation"])
def test_lengths_that_differ(name):
    numbers = {"kernel": (3, 3)} | {name: ((1, 1),) if name == "padding" else (1,)}
    with pytest.raises(ValueError, match=f"{name} must have an entry for each of the 2 axes"):
        Window((4, 4), **numbers)
