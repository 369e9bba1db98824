"""Dtypes of weights: nothing is converted that was not asked for, and nothing overflows."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from fanwise.layers import Layer, Leaf, Piece
from fanwise.porting import Correspondence, Pair
from fanwise.porting.weights import weights
from tests.porting.nets import NET, refusal
from tests.porting.twins import random_state


@pytest.fixture
def state():
    return random_state(NET, np.random.default_rng(0))


def in_dtype(state, dtype):
    return {n: a.astype(dtype) if a.dtype.kind == "f" else a for n, a in state.items()}


def test_a_dtype_must_be_asked_for(state):
    half = in_dtype(state, np.float16)
    text = refusal(half)
    assert "stored as float16, and float32 in the model" in text
    assert "dtype='keep'" in text
    for asked, expected in {
        "keep": jnp.float16,
        "model": jnp.float32,
        jnp.float32: jnp.float32,
        "bfloat16": jnp.bfloat16,
    }.items():
        variables = weights(half, NET, dtype=asked)
        assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(expected)}
        kernel = variables["params"]["conv"]["kernel"]
        moved = half["conv.weight"].transpose(2, 3, 1, 0).astype(expected)
        assert np.asarray(kernel).tobytes() == moved.tobytes()


def test_bfloat16_keeps_its_bits(state):
    stored = in_dtype(state, ml_dtypes.bfloat16)
    kernel = weights(stored, NET, dtype="keep")["params"]["conv"]["kernel"]
    assert kernel.dtype == jnp.bfloat16
    expected = stored["conv.weight"].transpose(2, 3, 1, 0)
    assert np.asarray(kernel).tobytes() == expected.tobytes()


def test_float64_is_not_rounded_unasked(state):
    text = refusal(in_dtype(state, np.float64), dtype="keep")
    assert "float64 needs jax_enable_x64; give dtype='float32'" in text
    variables = weights(in_dtype(state, np.float64), NET, dtype="float32")
    assert variables["params"]["conv"]["kernel"].dtype == jnp.float32


def test_what_is_too_large_for_a_dtype(state):
    state["conv.bias"][1] = 1e5
    assert "conv.bias: 1 of 4 values are too large for float16" in refusal(state, dtype="float16")
    weights(state, NET, dtype="bfloat16")
    state["conv.bias"][1] = np.inf  # a value like others
    variables = weights(state, NET, dtype="float16")
    assert np.isinf(variables["params"]["conv"]["bias"][1])


@pytest.mark.parametrize("dtype", [int, "complex64", "bool"])
def test_a_dtype_that_is_none_of_floats(dtype, state):
    with pytest.raises(ValueError, match="dtype must be None, 'keep', 'model' or a floating"):
        weights(state, NET, dtype=dtype)
    with pytest.raises(TypeError, match="dtype must be None"):
        weights(state, NET, dtype="nonsense")


def integers(dtype):
    leaf = Leaf(("params", "index"), "index", (3,), np.dtype(np.int32), (Piece("index"),))
    flax = Layer("", None, parameters={"index": (3,)}, leaves=(leaf,))
    stored = Leaf("index", "index", (3,), np.dtype(dtype), (Piece("index"),))
    torch = Layer("", None, parameters={"index": (3,)}, leaves=(stored,))
    return Correspondence((Pair(torch, flax),))


def test_integers_get_the_models_dtype_if_they_fit():
    correspondence = integers(np.int64)
    array = np.array([1, 2, -3], np.int64)
    variables = weights({"index": array}, correspondence, dtype="bfloat16")
    assert variables["params"]["index"].dtype == jnp.int32
    assert variables["params"]["index"].tolist() == [1, 2, -3]
    large = np.array([1, 2**40, 3], np.int64)
    assert "1 of 3 values do not fit into int32" in refusal({"index": large}, correspondence)
    text = refusal({"index": array.astype(np.float32)}, correspondence)
    assert "another kind of number" in text
