"""Expressions as a table shows them."""

import pytest

from fanwise.distributions import Orthogonal, Uniform
from fanwise.recording import Call, Draw, Fill
from tests.recording.expressions import draw, elementwise, number, numbers, padded, read, write

BIAS = Fill((12,), "float32", 0.0)
ONE = Fill((3,), "float32", 1.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (padded(), "Normal(0, 1), row 1 = 0"),
        (write(BIAS, ONE, (1,), 3), "0, [3:6] = 1"),
        (write(BIAS, ONE, (4,), 1), "0, [1::4] = 1"),
        (write(draw((3, 3)), ONE, (4,)), "Normal(0, 1), diagonal = 1"),
        (write(draw((3, 4)), ONE, (4,), 2), "Normal(0, 1), [:, 2] = 1"),
        (draw((3,)), "Normal(0, 1)"),
        (
            Draw((3,), "float32", "a.weight", Uniform(0, 1), is_shared=True),
            "Uniform(0, 1) as a.weight",
        ),
        (elementwise("mul", draw((3,)), number(0.5)), "Normal(0, 1) * 0.5"),
        (
            elementwise("add", elementwise("mul", draw((3,)), number(0.5)), number(1.0)),
            "(Normal(0, 1) * 0.5) + 1",
        ),
        (read(draw((3, 4)), (4, 3), (1, 4)), "Normal(0, 1)"),
        (read(draw((4,)), (3, 4), (0, 1)), "Normal(0, 1) repeated to (3, 4)"),
        (
            elementwise("div", draw((3,)), elementwise("sub", number(1.0), draw((3,)))),
            "Normal(0, 1) / (1 - Normal(0, 1))",
        ),
        (numbers((2, 2)), "float32 literal (2, 2)"),
        (
            Call((), "float32", "sum", (draw((4,)),), (("dim", (0,)),)),
            "sum(Normal(0, 1), dim=(0,))",
        ),
        (
            Call(
                (80, 20),
                "float32",
                "cat",
                tuple(draw((10, 20), Orthogonal(), f"weight#{n}") for n in range(8)),
                (("dim", 0),),
            ),
            "parts: 8 of Orthogonal(1)",
        ),
    ],
)
def test_text(value, text):
    assert str(value) == text


def test_what_would_be_long_is_summed_up():
    value = draw((3,))
    for _ in range(40):
        value = elementwise("exp", elementwise("add", value, value))
    assert str(value) == "add, exp of Normal(0, 1)"
