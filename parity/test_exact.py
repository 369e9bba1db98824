"""Exact parity, one test an initializer."""

import pytest

from fanwise import kaiming_uniform
from parity import exact, gains, layer_defaults, refusals
from parity.cases import INITIALIZERS, Case
from parity.request import RELATIVE, Request, of_case, of_distribution, our_request


@pytest.mark.parametrize("initializer", [n for n in INITIALIZERS if n not in ("eye", "dirac")])
def test_arguments(initializer, seed):
    cases = exact.cases_of(initializer, seed)
    assert cases
    assert [line for case in cases for line in exact.mismatches(case)] == []


def test_hundreds_of_random_cases_are_compared(seed):
    labels = [case.label for name in INITIALIZERS for case in exact.cases_of(name, seed)]
    assert sum(label.startswith("random") for label in labels) >= 400


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (Case("kaiming_normal", (8, 3), {"mode": "fan_out"}), Case("kaiming_normal", (8, 3))),
        (Case("xavier_uniform", (8, 3), {"gain": 1 + 1e-11}), Case("xavier_uniform", (8, 3))),
        (Case("uniform", (3,), {"b": 2.0}), Case("uniform", (3,))),
        (Case("kaiming_normal", (8, 3)), Case("kaiming_uniform", (8, 3))),
        (Case("trunc_normal", (3,), {"b": 2.5}), Case("trunc_normal", (3,))),
    ],
    ids=str,
)
def test_a_wrong_request_is_noticed(wrong, right):
    assert of_case(right).agrees(of_case(right))
    assert not of_case(wrong).agrees(of_case(right))


@pytest.mark.parametrize(
    ("layout", "shape", "flat"),
    [
        # Attention: query kernel (in, heads, width) and output kernel (heads, width, out).
        ("IOO", (48, 3, 64), (192, 48)),
        ("IIO", (3, 64, 48), (48, 192)),
        # Eight experts, each a matrix (in, out).
        ("BIO", (8, 48, 192), (192, 48)),
        ("BHWIO", (8, 3, 5, 4, 64), (64, 4, 3, 5)),
    ],
)
@pytest.mark.parametrize("name", ["xavier_uniform", "xavier_normal", "kaiming_uniform"])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
def test_layouts_that_torch_has_no_word_for(layout, shape, flat, name, mode):
    kwargs = {"mode": mode} if name.startswith("kaiming") else {}
    case = Case(name, flat, kwargs)
    assert of_case(case).agrees(our_request(lambda: case.ours(layout).distribution(shape)))


def test_an_error_of_ours_is_a_mismatch():
    ours = our_request(lambda: kaiming_uniform().distribution((3,)))
    assert "ValueError" in str(ours)
    assert not of_case(Case("kaiming_uniform", (3, 4))).agrees(ours)


def test_a_difference_of_a_rounding_is_not_one():
    assert Request("normal", (0.0, 1.0)).agrees(Request("normal", (0.0, 1 + RELATIVE / 2)))
    assert not Request("normal", (0.0, 1.0)).agrees(Request("normal", (1e-300, 1.0)))
    assert not Request("nothing", (), "warning").agrees(Request("nothing"))


@pytest.mark.parametrize("name", gains.NAMES, ids=repr)
def test_gains(name):
    assert [line for slope in gains.SLOPES if (line := gains.mismatch(name, slope))] == []


@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_refusals(initializer):
    cases, lines = refusals.compare_one(initializer)
    assert len(cases) >= 29
    assert lines == []


def test_a_listed_departure_is_one():
    for initializer, dtype in refusals.TAKEN_BY_US:
        case = Case(initializer, (2, 2), dtype=dtype)
        assert refusals.torch_error(case) is not None
        assert refusals.ours_error(case) is None


@pytest.mark.parametrize(
    ("layer", "args", "kwargs", "layout"),
    layer_defaults.LAYERS,
    ids=lambda value: getattr(value, "__name__", None),
)
def test_layer_defaults(layer, args, kwargs, layout):
    assert layer_defaults.mismatches(layer, args, kwargs, layout) == ([], [])


def test_a_transposed_convolution_read_as_an_ordinary_one_is_noticed():
    # torch's (in, out, field) is Flax's (field, in, out).
    theirs = of_case(Case("kaiming_uniform", (10, 60, 4)))
    right, wrong = (
        of_distribution(kaiming_uniform(layout=layout).distribution((4, 10, 60)))
        for layout in ("...OI", "...IO")
    )
    assert theirs.agrees(right)
    assert not theirs.agrees(wrong)
