"""Arguments become plain Python numbers, or an error says what is wrong with them."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.validation import choice, positive_integer, real


@pytest.mark.parametrize(
    "value",
    [
        2,
        2.0,
        np.float64(2),
        np.float32(2),
        np.float16(2),
        np.int8(2),
        np.uint64(2),
        np.array(2.0),
        np.array(2),
        jnp.float32(2),
        jnp.int32(2),
        jnp.bfloat16(2),
        np.array(2, jnp.bfloat16),
    ],
    ids=repr,
)
def test_real_numbers_become_floats(value):
    number = real("owner", "name", value)
    assert number == 2.0
    assert type(number) is float


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        np.True_,
        np.array(True),
        jnp.array(True),
        None,
        "2",
        1j,
        np.complex64(1),
        [2.0],
        np.ones(1),
        jnp.ones(2),
        math.sqrt,
        object,
    ],
    ids=repr,
)
def test_what_is_no_real_number(value):
    with pytest.raises(TypeError, match="owner: name must be a real number, got") as caught:
        real("owner", "name", value)
    assert repr(value) in str(caught.value)
    assert type(value).__name__ in str(caught.value)
    assert "pass a Python number" in str(caught.value)


def test_a_tracer_is_no_concrete_number():
    with pytest.raises(TypeError, match="outside of jit"):
        jax.jit(lambda x: real("owner", "name", x))(1.0)


@pytest.mark.parametrize("value", [math.nan, -math.nan, np.float32("nan")])
@pytest.mark.parametrize("finite", [True, False])
def test_nan_is_never_allowed(value, finite):
    with pytest.raises(ValueError, match="owner: name must be a real number"):
        real("owner", "name", value, finite=finite)


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinity_is_allowed_on_request(value):
    assert real("owner", "name", value, finite=False) == value
    with pytest.raises(ValueError, match="and finite, got") as caught:
        real("owner", "name", value)
    assert repr(value) in str(caught.value)


def test_an_integer_beyond_the_floats():
    with pytest.raises(ValueError, match="owner: name"):
        real("owner", "name", 10**400)


@pytest.mark.parametrize(
    ("limits", "allowed", "inside", "outside"),
    [
        ({"minimum": 0.0}, "a number of at least 0", [0, -0.0, 1e308], [-1e-300, -1]),
        ({"above": 0.0}, "a number greater than 0", [5e-324, 1], [0, -0.0, -1]),
        ({"minimum": 0.0, "maximum": 1.0}, "a number from 0 to 1", [0, 0.5, 1], [-0.1, 1.0001]),
    ],
)
def test_limits(limits, allowed, inside, outside):
    for value in inside:
        assert real("owner", "name", value, **limits) == value
    for value in outside:
        with pytest.raises(ValueError, match=f"owner: name must be {allowed}") as caught:
            real("owner", "name", value, **limits)
        assert repr(value) in str(caught.value)
    with pytest.raises(TypeError, match=allowed):
        real("owner", "name", "0.5", **limits)


@pytest.mark.parametrize(
    "value", [3, np.int64(3), np.uint8(3), np.array(3), jnp.int32(3)], ids=repr
)
def test_positive_integers_become_ints(value):
    number = positive_integer("owner", "name", value)
    assert number == 3
    assert type(number) is int


@pytest.mark.parametrize("value", [3.0, True, np.True_, "3", None, np.ones(2, int)], ids=repr)
def test_what_is_no_integer(value):
    with pytest.raises(TypeError, match="owner: name must be a positive integer, got") as caught:
        positive_integer("owner", "name", value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("value", [0, -1, np.int8(-3)])
def test_integers_that_are_not_positive(value):
    with pytest.raises(ValueError, match="owner: name must be a positive integer, got") as caught:
        positive_integer("owner", "name", value)
    assert repr(value) in str(caught.value)


def test_choice():
    allowed = ("fan_in", "fan_out")
    assert choice("owner", "name", "fan_in", allowed) == "fan_in"
    with pytest.raises(
        ValueError, match="owner: name must be one of 'fan_in', 'fan_out'"
    ) as caught:
        choice("owner", "name", "Fan_In", allowed)
    assert "got 'Fan_In'; did you mean 'fan_in'?" in str(caught.value)
    with pytest.raises(ValueError, match=r"got 'zzz'$"):
        choice("owner", "name", "zzz", allowed)
    with pytest.raises(TypeError, match="got 3 of type int") as caught:
        choice("owner", "name", 3, allowed)
    assert "'fan_in', 'fan_out'" in str(caught.value)
