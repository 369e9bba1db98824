"""Views: the same elements in another order, there and back."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanwise.layers import View

NAMES = "abcde"


@st.composite
def views(draw):
    """A view, a shape of torch's that it fits, and the framework's shape."""
    sizes = {name: draw(st.integers(1, 4)) for name in NAMES[: draw(st.integers(0, 5))]}

    def side(names):
        """The names in an order, cut into axes, with axes of one element between."""
        axes, names = [], list(names)
        while names:
            taken = draw(st.integers(0, len(names)))
            axes.append(names[:taken])
            names = names[taken:]
        return axes

    left, right = side(draw(st.permutations(list(sizes)))), side(draw(st.permutations(list(sizes))))
    text = lambda axes: " ".join("1" if not axis else f"({' '.join(axis)})" for axis in axes)
    flipped = tuple(name for name in sizes if draw(st.booleans()))
    view = View(f"{text(left)} -> {text(right)}", tuple(sizes.items()), flipped)
    shape = lambda axes: tuple(math.prod(sizes[name] for name in axis) for axis in axes)
    return view, shape(left), shape(right)


@given(views())
def test_there_and_back(case):
    view, torch_shape, shape = case
    array = np.arange(math.prod(torch_shape)).reshape(torch_shape)
    moved = view.from_torch(array)
    assert moved.shape == shape == view.shape(torch_shape)
    assert sorted(moved.ravel().tolist()) == sorted(array.ravel().tolist())
    assert (view.to_torch(moved, torch_shape) == array).all()


CASES = {
    "Linear": (View("o i -> i o"), (3, 2), lambda w: w.T),
    "convolution": (View("o i h w -> h w i o"), (5, 4, 3, 2), lambda w: w.transpose(2, 3, 1, 0)),
    "flipped": (
        View("i o k -> k i o", flipped=("k",)),
        (2, 3, 4),
        lambda w: w.transpose(2, 0, 1)[::-1],
    ),
    "heads": (
        View("(n d) i -> i n d", (("n", 2),)),
        (6, 5),
        lambda w: w.T.reshape(5, 2, 3),
    ),
    "groups": (
        View("(g i) o k -> k i (g o)", (("g", 2),)),
        (4, 3, 5),
        lambda w: np.concatenate([w[:2], w[2:]], 1).transpose(2, 0, 1),
    ),
    "a scalar": (View("1 ->"), (1,), lambda w: w.reshape(())),
    "a bias with axes": (View("o -> o 1 1"), (4,), lambda w: w[:, None, None]),
    "as it is": (View("... -> ..."), (2, 3), lambda w: w),
}


@pytest.mark.parametrize("name", CASES)
def test_written_by_hand(name):
    view, shape, expected = CASES[name]
    array = np.arange(math.prod(shape)).reshape(shape)
    assert np.array_equal(view.from_torch(array), expected(array))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: View("o i -> o"), "the same axes on both sides"),
        (lambda: View("o o -> o o"), "each once"),
        (lambda: View("o i"), "no '->'"),
        (lambda: View("o i -> i o").shape((3,)), r"\(3,\) does not fit"),
        (lambda: View("(n d) -> n d", (("n", 4),)).shape((6,)), "does not fit"),
        (lambda: View("(n d) -> n d").shape((6,)), "does not fit"),
        (lambda: View("1 o -> o").shape((2, 3)), "does not fit"),
    ],
)
def test_refusals(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
