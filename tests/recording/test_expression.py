"""Expressions are compared by what they are made of."""

import math

import numpy as np

from fanwise.distributions import Eye, Normal, Uniform
from fanwise.recording import Call, Draw, Fill, Literal
from fanwise.recording.expression import Unknown, postorder
from tests.recording.expressions import draw, elementwise, number, padded


def test_equal_if_built_alike():
    assert padded() == padded()
    assert hash(padded()) == hash(padded())
    assert padded() != padded(row=2)
    assert padded() != draw((6, 4))
    assert draw((2,)) != draw((2,), name="other")
    assert draw((2,)) != draw((2,), Uniform(0, 1))
    assert draw((2,)) != draw((2,), dtype="bfloat16")
    assert number(1.0) != number(2.0)
    assert padded() != "padded"


def test_nan_and_signed_zero():
    assert number(math.nan) == number(math.nan)
    assert number(0.0) != number(-0.0)


def test_sharing_is_part_of_what_is_compared():
    one, other = draw((3,)), draw((3,), name="other")
    assert elementwise("add", one, one) != elementwise("add", one, other)


def test_draws_are_listed_once_and_only_random_ones():
    one, other = draw((3,)), draw((3,), name="other")
    identity = Draw((3, 3), "float32", "eye", Eye())
    found = elementwise("add", elementwise("add", one, other), one).draws
    assert [each.name for each in found] == ["weight", "other"]
    assert identity.draws == ()


def test_operands_come_before_what_is_made_of_them():
    value = padded()
    order = list(postorder(value, value))
    assert order[-1] is value
    assert len(order) == len(set(map(id, order))) == 3


def test_graphs_may_be_deep_and_share_much():
    value = draw((2,))
    for _ in range(5000):
        value = elementwise("add", value, value)
    other = draw((2,))
    for _ in range(5000):
        other = elementwise("add", other, other)
    assert value == other
    assert hash(value) == hash(other)
    assert len(repr(value)) < 300


def test_literals_keep_their_numbers():
    array = np.array([[0.1, math.nan], [math.inf, -0.0]], np.float32)
    kept = Literal.of(array)
    assert kept.array.tobytes() == array.tobytes()
    assert kept.shape == (2, 2)


def test_what_is_unknown_is_found():
    lost = Unknown((2,), "float32", "torch.cauchy")
    value = elementwise("mul", elementwise("add", number(1.0), lost), number(2.0))
    assert value.unknown is lost
    assert padded().unknown is None


def test_settings():
    call = Call((2,), "float32", "sum", (draw((2, 3)),), (("dim", (1,)),))
    assert call.setting("dim") == (1,)
    assert call.setting("keepdim") is None


def test_repr_is_short():
    assert repr(Fill((2,), "float32", 0.5)) == "Fill[0.5]"
    assert repr(draw((2,), Normal(0, 2))) == "Draw[Normal(0, 2)]"
