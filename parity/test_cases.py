"""The table of cases holds what it promises."""

import inspect
from collections import Counter

import pytest
import torch

from fanwise import fans
from parity.arrays import LAYOUTS, TORCH_DTYPES, shape_in
from parity.cases import INITIALIZERS, SCALAR, Case, kernel_cases, table
from parity.kernels import NETWORKS
from parity.nearest import nearest
from parity.random_cases import random_cases


def test_covers_every_function_of_torch():
    public = {
        name.removesuffix("_")
        for name in torch.nn.init.__all__
        if name.endswith("_") and callable(getattr(torch.nn.init, name))
    }
    assert public == set(INITIALIZERS)
    assert {case.initializer for case in table()} == public


@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_every_argument_of_torch_occurs(initializer):
    parameters = set(inspect.signature(getattr(torch.nn.init, f"{initializer}_")).parameters)
    used = {name for case in table() if case.initializer == initializer for name in case.kwargs}
    assert used == parameters - {"tensor", "generator"}


def test_shapes_have_two_to_five_axes_and_unequal_fans():
    scaled = [case for case in table() if case.initializer.startswith(("xavier", "kaiming"))]
    assert {len(case.shape) for case in scaled} >= {2, 3, 4, 5}
    mine = [case for case in scaled if case.label not in NETWORKS]
    for case in mine:
        fan_in, fan_out = fans(case.shape, "OI...")
        assert max(fan_in, fan_out) >= 4 * min(fan_in, fan_out), case


def test_cases_are_distinct():
    cases = Counter(map(str, table()))
    assert [case for case, count in cases.items() if count > 1] == []


@pytest.mark.parametrize(
    ("network", "total"),
    [
        # Published numbers of parameters, less biases and scales of normalizations.
        ("AlexNet", 61_100_840 - 10_344),
        ("ResNet-50", 25_557_032 - 53_120 - 1_000),
        ("GPT-2", 124_439_808 - 12 * 9_984 - 1_536),
        ("EDSR baseline", 1_369_859 - 2_435),
        ("EDSR", 40_729_603 - 17_923),
        ("DnCNN", 556_032 - 15 * 128),
    ],
)
def test_weights_of_networks_add_up(network, total):
    weights = NETWORKS[network].weights
    assert sum(torch.Size(shape).numel() * count for shape, count in weights.items()) == total


def test_random_cases():
    cases = random_cases(3)
    assert len(cases) >= 400
    assert list(map(str, cases)) == list(map(str, random_cases(3)))
    assert list(map(str, cases)) != list(map(str, random_cases(4)))
    assert {len(case.shape) for case in cases} == {2, 3, 4, 5}
    assert {case.layout for case in cases} == set(LAYOUTS)
    assert {case.initializer for case in cases} == set(SCALAR) - {"ones", "zeros"}
    kaiming = [case.kwargs for case in cases if case.initializer == "kaiming_normal"]
    assert {kwargs["mode"].lower() for kwargs in kaiming} == {"fan_in", "fan_out"}
    assert None in {kwargs["a"] for kwargs in kaiming}


def test_a_shape_in_each_layout():
    shape = (8, 3, 5, 7)
    assert shape_in("OI...", shape) == (8, 3, 5, 7)
    assert shape_in("...IO", shape) == (5, 7, 3, 8)
    assert shape_in("...OI", shape) == (5, 7, 8, 3)
    assert shape_in("...IO", (4,)) == (4,)


def test_case_is_a_value():
    case = Case("normal", (2, 3), {"std": 2.0})
    assert case == Case("normal", (2, 3), {"std": 2.0})
    assert case != Case("normal", (2, 3), {"std": 3.0})
    assert len({case, Case("normal", (2, 3), {"std": 2.0})}) == 1
    with pytest.raises(TypeError):
        case.kwargs["std"] = 3.0


@pytest.mark.parametrize("case", [*table(), *kernel_cases()[:6]], ids=str)
def test_every_case_names_jax_nearest_function_or_why_there_is_none(case):
    other = nearest(case)
    assert case.dtype in TORCH_DTYPES
    if other.make is None:
        assert other.difference.startswith("none")
    else:
        assert callable(other.make())
        assert other.name
