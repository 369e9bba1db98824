"""Recipes draw what they hold: the same bits wherever, and equal draws where torch copied."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.distributions import Constant, Normal, Orthogonal, Uniform
from fanwise.keys import path_keys
from fanwise.recording import Call, Draw, Fill, Literal, Recipe, Recorded
from tests.recording.expressions import draw, elementwise, number, padded

KEY = jax.random.key(3)
SHARED = Draw((5, 4), "float32", "first", Normal(0.0, 1.0), is_shared=True)
NORM = Call((5, 1), "float32", "norm", (SHARED,), (("ord", 2.0), ("dim", (1,)), ("keepdim", True)))


def recorded(value, shape=(5, 4), dtype="float32", **more):
    return Recorded(shape, dtype, value, **more)


RECIPE = Recipe(
    {
        "plain": recorded(Normal(0.0, 2.0)),
        "first": recorded(SHARED),
        "copy": recorded(SHARED),
        "scaled": recorded(elementwise("mul", SHARED, number(0.1))),
        "norm": recorded(NORM, (5, 1)),
        "table": recorded(padded(), (6, 4)),
        "matrix": recorded(Orthogonal(layout="OI...")),
        "count": recorded(Constant(3.0), (), "int64", is_buffer=True),
        "mask": recorded(Literal.of(np.eye(3, dtype=bool)), (3, 3), "bool", is_buffer=True),
        "narrow": recorded(Uniform(0.0, 1.0), (5, 4), "bfloat16"),
    },
    ties={"head": "table"},
)


@pytest.mark.parametrize("name", [*RECIPE.tensors, "head"])
def test_shape_and_dtype(name):
    array = RECIPE.draw(name, KEY)
    assert array.shape == RECIPE[name].shape
    expected = {"int64": "int32"}.get(RECIPE[name].dtype, RECIPE[name].dtype)
    assert array.dtype == jnp.dtype(expected)


@pytest.mark.parametrize("name", RECIPE.tensors)
def test_jit_gives_the_same_bits(name):
    inside = jax.jit(lambda key: RECIPE.draw(name, key))(KEY)
    np.testing.assert_array_equal(inside, RECIPE.draw(name, KEY))


@pytest.mark.parametrize("name", [name for name in RECIPE.tensors if name not in ("count", "mask")])
def test_narrow_values_are_the_wide_ones_rounded(name):
    wide = RECIPE.draw(name, KEY, "float32")
    np.testing.assert_array_equal(RECIPE.draw(name, KEY, "bfloat16"), wide.astype("bfloat16"))


def test_copies_are_equal_and_others_not():
    first = np.asarray(RECIPE.draw("first", KEY))
    np.testing.assert_array_equal(first, RECIPE.draw("copy", KEY))
    np.testing.assert_allclose(RECIPE.draw("scaled", KEY), first * np.float32(0.1))
    norms = np.linalg.norm(first, axis=1, keepdims=True)
    np.testing.assert_allclose(RECIPE.draw("norm", KEY), norms, rtol=1e-6)
    assert not np.array_equal(first * 2, RECIPE.draw("plain", KEY))


def test_ties_are_equal():
    np.testing.assert_array_equal(RECIPE.draw("head", KEY), RECIPE.draw("table", KEY))
    assert RECIPE.distributions()["head"] == padded()
    assert [*RECIPE.distributions()] == [*RECIPE.tensors, "head"]


def test_a_key_depends_on_the_name_alone():
    (key,) = path_keys(KEY, ["plain"])
    expected = Normal(0.0, 2.0).sample(key, (5, 4))
    np.testing.assert_array_equal(RECIPE.draw("plain", KEY), expected)
    alone = Recipe({"plain": RECIPE["plain"]})
    np.testing.assert_array_equal(alone.draw("plain", KEY), expected)
    # A table's other rows are what they are without the one that is zero.
    (key,) = path_keys(KEY, ["weight"])
    whole = np.array(Normal(0.0, 1.0).sample(key, (6, 4)))
    whole[1] = 0
    np.testing.assert_array_equal(RECIPE.draw("table", KEY), whole)


def test_law():
    assert RECIPE["plain"].law == Normal(0.0, 2.0)
    assert RECIPE["scaled"].law == Normal(0.0, 0.1)
    assert RECIPE["table"].law is None


def test_unknown_names():
    with pytest.raises(KeyError, match=r"got 'tabel'; did you mean 'table'"):
        RECIPE.draw("tabel", KEY)


def test_float64_without_64_bits():
    recipe = Recipe({"wide": recorded(Normal(0.0, 1.0), dtype="float64")})
    with pytest.warns(UserWarning, match="float64"):
        assert recipe.draw("wide", KEY).dtype == jnp.float32
    assert recipe.draw("wide", KEY, "float32").dtype == jnp.float32


def test_float64():
    with jax.enable_x64(True):
        array = RECIPE.draw("scaled", jax.random.key(3), "float64")
        assert array.dtype == jnp.float64
        assert not np.array_equal(array, array.astype(jnp.float32).astype(jnp.float64))


def test_a_large_table_is_drawn_in_place():
    """Compiled, not run: beside the table itself there is next to nothing."""
    shape = (50_000, 4_096)
    whole = draw(shape)
    row = Fill((4_096,), "float32", 0.0)
    settings = (("size", (4_096,)), ("stride", (1,)), ("offset", 0))
    value = Call(shape, "float32", "write", (whole, row), settings)
    recipe = Recipe({"table": recorded(value, shape)})
    compiled = jax.jit(lambda key: recipe.draw("table", key)).lower(KEY).compile()
    analysis = compiled.memory_analysis()
    size = 4 * shape[0] * shape[1]
    assert analysis.output_size_in_bytes == size
    assert analysis.temp_size_in_bytes < 0.01 * size


def test_str_is_a_table():
    lines = str(RECIPE).splitlines()
    assert len(lines) == len(RECIPE.tensors) + 1
    assert lines[0].split() == ["plain", "(5,", "4)", "Normal(0,", "2)"]
    assert lines[-1].endswith("is table")
