"""Counting taps, against a convolution of ones with ones, which counts them by itself."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.signal.window import Window

SMALL = st.integers(1, 3)
PADS = st.tuples(st.integers(-1, 3), st.integers(-1, 3))


def counted(window):
    """The sum of a convolution's outputs over ones, and their number."""
    y = jax.lax.conv_general_dilated(
        jnp.ones((1, 1, *window.size)),
        jnp.ones((1, 1, *window.kernel)),
        window.strides,
        window.padding,
        window.input_dilation,
        window.dilation,
    )
    return y.size, int(np.rint(float(y.sum())))


# Each example compiles a convolution; FANWISE_SEED draws others.
@hypothesis.given(
    size=st.integers(9, 12),
    kernel=st.integers(1, 4),
    strides=SMALL,
    padding=PADS,
    dilation=st.integers(1, 2),
    input_dilation=SMALL,
)
@hypothesis.settings(max_examples=20)
def test_against_a_convolution(size, kernel, strides, padding, dilation, input_dilation):
    window = Window((size,), (kernel,), (strides,), (padding,), (dilation,), (input_dilation,))
    assert (window.outputs, window.connections) == counted(window)


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
    assert (window.outputs, window.connections) == counted(window)


def test_nothing_is_lost_without_padding():
    window = Window((6, 6), (3, 3))
    assert window.connections == 9 * window.outputs == 9 * 16


def test_one_tap():
    window = Window((4, 4), (3, 3), padding=((1, 1), (1, 1)))
    taps = [(row, column) for row in range(3) for column in range(3)]
    assert window.connections_of((1, 1)) == 16
    assert window.connections_of((0, 1)) == 12
    assert sum(window.connections_of(tap) for tap in taps) == window.connections


def test_the_border_is_noticed():
    """Planted: a count that takes every tap to be inside says 144."""
    window = Window((4, 4), (3, 3), padding=((1, 1), (1, 1)))
    assert window.connections == 100
    assert window.connections != 9 * window.outputs


def test_a_kernel_larger_than_the_map():
    assert Window((2,), (3,)).outputs == Window((2,), (3,)).connections == 0


@pytest.mark.parametrize("name", ["kernel", "strides", "padding", "dilation", "input_dilation"])
def test_lengths_that_differ(name):
    numbers = {"kernel": (3, 3)} | {name: ((1, 1),) if name == "padding" else (1,)}
    with pytest.raises(ValueError, match=f"{name} must have an entry for each of the 2 axes"):
        Window((4, 4), **numbers)
