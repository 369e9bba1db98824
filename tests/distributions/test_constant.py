"""Constant: exact in every dtype that holds the value, refused in those that do not."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.distributions import Constant


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (0.3, "float32"),
        (0.3, "bfloat16"),
        (0.3, "float16"),
        (0.3, "complex64"),
        (0.3, "float8_e4m3fn"),
        (1 - 2j, "complex64"),
        (-7, "int8"),
        (255, "uint8"),
        (2**31 - 1, "int32"),
        (-(2**31), "int32"),
        (2**32 - 1, "uint32"),
        (7, "int4"),
        (1, "bool"),
        (0, "bool"),
        (True, "bool"),
        (True, "float32"),
        (math.inf, "float16"),
        (-math.inf, "bfloat16"),
        (65504.0, "float16"),
        (np.float32(0.1), "float32"),
        (np.int64(3), "int32"),
        (np.array(3), "int16"),
        (jnp.bfloat16(0.5), "float32"),
        (np.complex64(1j), "complex64"),
        (np.bool_(True), "bool"),
    ],
)
def test_fills(value, dtype, key):
    filled = Constant(value).sample(key, (2, 3), dtype)
    assert filled.dtype == jnp.dtype(dtype)
    assert filled.shape == (2, 3)
    expected = np.asarray(value).astype(jnp.dtype(dtype))
    assert (np.asarray(filled) == expected).all()


def test_fills_with_nan(key):
    assert np.isnan(Constant(math.nan).sample(key, (2,))).all()


@pytest.mark.parametrize("value", [2**53 + 1, -(2**63), 2**62 + 1])
def test_large_integers_are_exact_or_refused(value, key):
    """A float has no room for all of their digits; nothing is rounded in silence."""
    with jax.enable_x64(True):
        try:
            filled = Constant(value).sample(key, (), "int64")
        except ValueError:
            return
        assert int(filled) == value


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (1e5, "float16"),
        (3.4e38, "bfloat16"),
        (1e39, "float32"),
        (1e300, "complex64"),
        (complex(0, 1e300), "complex64"),
        (0.5, "int32"),
        (2**31, "int32"),
        (-1, "uint8"),
        (256, "uint8"),
        (8, "int4"),
        (math.inf, "int32"),
        (math.nan, "int32"),
        (math.inf, "float8_e4m3fn"),
        (2, "bool"),
        (0.5, "bool"),
        (math.nan, "bool"),
    ],
)
def test_values_that_a_dtype_does_not_hold(value, dtype, key):
    with pytest.raises(ValueError, match=f"does not fit {dtype}") as caught:
        Constant(value).sample(key, (2,), dtype)
    assert repr(value) in str(caught.value) or repr(float(value)) in str(caught.value)
    assert "use a dtype that holds it" in str(caught.value)


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_a_complex_value_needs_a_complex_dtype(dtype, key):
    with pytest.raises(TypeError, match=rf"complex value 1j does not fit {dtype}"):
        Constant(1j).sample(key, (2,), dtype)


@pytest.mark.parametrize("value", ["1", None, [1.0], np.ones(1), np.ones((2, 2)), object(), sum])
def test_what_is_no_number(value):
    with pytest.raises(TypeError, match="Constant: value must be one real or complex") as caught:
        Constant(value)
    assert type(value).__name__ in str(caught.value)


def test_a_tracer_is_no_concrete_number():
    with pytest.raises(TypeError, match="outside of jit"):
        jax.jit(lambda x: Constant(x).sample(jax.random.key(0), (2,)))(1.0)


def test_a_dtype_that_is_not_numeric(key):
    with pytest.raises(TypeError, match="dtype must be numeric"):
        Constant(1.0).sample(key, (2,), "S1")


def test_it_answers_as_a_point_mass():
    point = Constant(2.0)
    assert (point.mean, point.std, point.support) == (2.0, 0.0, (2.0, 2.0))
    assert point.cdf([1.0, 2.0, 3.0]).tolist() == [0.0, 1.0, 1.0]
    assert Constant(1j).mean == 1j
    with pytest.raises(TypeError, match="no cdf"):
        Constant(1j).cdf(0.0)
