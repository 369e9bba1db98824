"""Layouts and fans."""

import math
import string

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import fanwise as fw
from fanwise.layouts import FLAX, TORCH, axes_of, check_layout

SPATIAL = sorted(set(string.ascii_uppercase) - set("BIO"))


@pytest.mark.parametrize(
    ("shape", "layout", "fan_in", "fan_out"),
    [
        ((3, 5), "...IO", 3, 5),
        ((3, 5), "OI...", 5, 3),
        ((3, 3, 64, 128), "...IO", 576, 1152),
        ((3, 3, 64, 128), "HWIO", 576, 1152),
        ((128, 64, 3, 3), "OI...", 576, 1152),
        ((128, 64, 3, 5), "OIHW", 960, 1920),
        ((2, 3, 5, 7, 11), "...IO", 210, 330),
        # A transposed convolution as torch reads it: torch's weight is (in, out, *k).
        ((64, 128, 4, 4), "OI...", 2048, 1024),
        ((4, 4, 64, 128), "...OI", 2048, 1024),
        # A grouped convolution: 32 groups of 4 inputs; fan_out is that of all outputs.
        ((3, 3, 4, 128), "...IO", 36, 1152),
        ((3, 3, 1, 96), "...IO", 9, 864),
        # Attention: model width 512, 8 heads of 64.
        ((512, 8, 64), "IOO", 512, 512),
        ((8, 64, 512), "IIO", 512, 512),
        ((128, 8, 16), "IOO", 128, 128),
        ((16, 64, 256), "BIO", 64, 256),
        ((12, 3, 3, 8, 16), "B...IO", 72, 144),
        ((2, 5, 3, 4, 7), "BIBOO", 5, 28),
        # A receptive field between and after the roles.
        ((2, 3, 5, 7), "IHOW", 42, 105),
        ((2, 3, 5, 7), "I...O", 30, 105),
        ((2, 5), "I...O", 2, 5),
    ],
)
def test_fans(shape, layout, fan_in, fan_out):
    fans = fw.fans(shape, layout)
    assert fans == (fan_in, fan_out)
    assert (fans.fan_in, fans.fan_out) == (fan_in, fan_out)
    assert isinstance(fans, fw.Fans)
    assert {type(fan) for fan in fans} == {int}


def test_default_is_flax():
    assert (FLAX, TORCH) == ("...IO", "OI...")
    assert fw.fans((3, 3, 4, 8)) == fw.fans((3, 3, 4, 8), "...IO") == (36, 72)


@pytest.mark.parametrize("shape", [np.array([3, 5]), [np.int64(3), 5], (np.uint8(3), np.int32(5))])
def test_shapes_of_numpy_integers(shape):
    assert fw.fans(shape) == (3, 5)
    assert {type(fan) for fan in fw.fans(shape)} == {int}


def test_large_fans_do_not_overflow():
    assert fw.fans([np.int32(2**20)] * 4) == (2**60, 2**60)


@pytest.mark.parametrize(
    ("shape", "expected"), [((0, 5), (0, 5)), ((5, 0), (5, 0)), ((0, 3, 5), (0, 0))]
)
def test_empty_axes(shape, expected):
    assert fw.fans(shape) == expected


def test_axes():
    axes = axes_of((2, 3, 4, 5, 6, 7), "BHIOWO")
    assert axes.batch == (0,)
    assert axes.spatial == (1, 4)
    assert axes.input == (2,)
    assert axes.output == (3, 5)
    assert axes.torch_order == (0, 3, 5, 2, 1, 4)


@pytest.mark.parametrize(
    ("layout", "head", "tail"),
    [("...IO", "", "IO"), ("OI...", "OI", ""), ("B...IO", "B", "IO"), ("HWIO", "HWIO", None)],
)
def test_check_layout(layout, head, tail):
    assert check_layout(layout) == (head, tail)


@pytest.mark.parametrize(
    "layout", ["io", "..IO", "....IO", "...IO...", "I O", "IO1", "HWIÖ", "I.O"]
)
def test_unknown_letters(layout):
    with pytest.raises(ValueError, match="unknown letter") as caught:
        fw.fans((3, 5), layout)
    message = str(caught.value)
    assert repr(layout) in message
    assert "'...IO'" in message
    assert "'OI...'" in message


@pytest.mark.parametrize(
    ("layout", "missing"), [("", "no I and no O"), ("...I", "no O"), ("OB", "no I"), ("HW", "no I")]
)
def test_layouts_without_an_input_or_an_output(layout, missing):
    with pytest.raises(ValueError, match=missing) as caught:
        fw.fans((3, 5), layout)
    assert repr(layout) in str(caught.value)


@pytest.mark.parametrize("layout", [None, 3, ["I", "O"], ("I", "O"), b"IO", {"I": 0}])
def test_layouts_that_are_no_strings(layout):
    with pytest.raises(TypeError, match="layout must be a string") as caught:
        fw.fans((3, 5), layout)
    assert repr(layout) in str(caught.value)
    assert type(layout).__name__ in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "layout", "needs"),
    [
        ((3, 4, 5), "IO", "exactly 2 axes"),
        ((3, 4), "IOO", "exactly 3 axes"),
        ((3, 4), "B...IO", "at least 3 axes"),
        ((3,), "...IO", "at least 2 axes"),
        ((), "...IO", "at least 2 axes"),
    ],
)
def test_shapes_that_do_not_fit(shape, layout, needs):
    with pytest.raises(ValueError, match=needs) as caught:
        fw.fans(shape, layout)
    message = str(caught.value)
    assert str(shape) in message
    assert repr(layout) in message


def test_way_out_for_a_bias_and_for_an_attention_kernel():
    with pytest.raises(ValueError, match=r"bias_uniform\(fan_in\)"):
        fw.fans((3,))
    with pytest.raises(ValueError, match="DenseGeneral"):
        fw.fans((3, 4, 5), "IO")


@pytest.mark.parametrize("shape", [3, None, "34", (3.0, 4), (3, None)])
def test_shapes_that_are_none(shape):
    with pytest.raises(TypeError, match="shape must be a sequence of integers") as caught:
        fw.fans(shape)
    assert repr(shape) in str(caught.value)


def test_negative_axes():
    with pytest.raises(ValueError, match=r"negative axes, got \(3, -1\)"):
        fw.fans((3, -1))


@st.composite
def layouts_and_shapes(draw, batch=True):
    """A layout without ``...``, letters repeated at will, and a shape that fits it."""
    letters = ["I", "O", *draw(st.lists(st.sampled_from([*("BIO" if batch else "IO"), *SPATIAL])))]
    letters = draw(st.permutations(letters[:7]))
    return "".join(letters), tuple(draw(st.integers(0, 9)) for _ in letters)


@hypothesis.given(layouts_and_shapes(), st.randoms(use_true_random=False))
def test_fans_move_with_the_axes(case, random):
    layout, shape = case
    order = list(range(len(shape)))
    random.shuffle(order)
    moved = "".join(layout[axis] for axis in order)
    assert fw.fans([shape[axis] for axis in order], moved) == fw.fans(shape, layout)


@hypothesis.given(layouts_and_shapes())
def test_swapping_the_roles_swaps_the_fans(case):
    layout, shape = case
    swapped = layout.translate(str.maketrans("IO", "OI"))
    assert fw.fans(shape, swapped) == fw.fans(shape, layout)[::-1]


@hypothesis.given(layouts_and_shapes())
def test_fans_multiply_to_the_size_times_the_receptive_field(case):
    layout, shape = case
    axes = axes_of(shape, layout)
    positions = [*axes.batch, *axes.output, *axes.input, *axes.spatial]
    assert sorted(positions) == list(range(len(shape)))
    assert axes.torch_order == tuple(positions)
    batch = math.prod(shape[axis] for axis in axes.batch)
    field = math.prod(shape[axis] for axis in axes.spatial)
    fan_in, fan_out = fw.fans(shape, layout)
    assert fan_in * fan_out * batch == math.prod(shape) * field


@hypothesis.given(layouts_and_shapes(batch=False), st.integers(1, 9))
def test_batch_axes_do_not_count(case, size):
    layout, shape = case
    assert fw.fans((size, *shape), "B" + layout) == fw.fans(shape, layout)


@hypothesis.given(st.lists(st.integers(1, 9), max_size=3), st.integers(1, 9), st.integers(1, 9))
def test_an_ellipsis_stands_for_receptive_field_axes(field, fan_in, fan_out):
    letters = "".join(SPATIAL[: len(field)])
    for pattern, shape in {
        "...IO": (*field, fan_in, fan_out),
        "OI...": (fan_out, fan_in, *field),
        "O...I": (fan_out, *field, fan_in),
    }.items():
        assert fw.fans(shape, pattern) == fw.fans(shape, pattern.replace("...", letters))
