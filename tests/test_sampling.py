"""Standard arrays are those of jax.random, bit for bit, whole or in part."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise import keys, sampling, threefry

SHAPES = [(), (5,), (33, 65), (8, 4, 3, 3), (10_007,), (3, 0)]
KEYS = {
    "typed": jax.random.key,
    "old style": jax.random.PRNGKey,
    "rbg": partial(jax.random.key, impl="rbg"),
    "unsafe_rbg": partial(jax.random.key, impl="unsafe_rbg"),
}


@partial(jax.jit, static_argnames=("shape", "dtype"))
def standard(key, shape, dtype):
    whole = sampling.Whole(key, shape)
    return whole.uniform(jnp.dtype(dtype)), whole.normal(jnp.dtype(dtype))


@partial(jax.jit, static_argnames=("shape", "dtype"))
def standard_of_jax(key, shape, dtype):
    return jax.random.uniform(key, shape, dtype), jax.random.normal(key, shape, dtype)


def same_bits(x, y):
    x, y = np.asarray(x), np.asarray(y)
    return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()


def assert_as_jax_random(key, shape, dtype):
    ours, theirs = standard(key, shape, dtype), standard_of_jax(key, shape, dtype)
    assert same_bits(ours[0], theirs[0])
    assert same_bits(ours[1], theirs[1])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_as_jax_random(shape, dtype, key):
    with jax.enable_x64(dtype == "float64"):
        assert_as_jax_random(key, shape, dtype)


@pytest.mark.parametrize("kind", KEYS)
def test_as_jax_random_for_every_kind_of_key(kind, seed):
    assert_as_jax_random(KEYS[kind](seed), (33, 5), "float32")


@pytest.mark.parametrize("kind", ["typed", "old style"])
def test_as_jax_random_without_partitionable_bits(kind, seed):
    with jax.threefry_partitionable(False):
        assert_as_jax_random(KEYS[kind](seed), (33, 5), "float32")


def test_partitionable_matters(key):
    """The control: the two settings give different values, so that the test above can fail."""
    draws = []
    for partitionable in (True, False):
        with jax.threefry_partitionable(partitionable):
            draws.append(standard(key, (33, 5), "float32")[0])
    assert not same_bits(*draws)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("start", "size"), [(0, 1000), (17, 300), (999, 1)])
def test_a_block_is_a_part_of_the_whole(dtype, start, size, key):
    @jax.jit
    def block(key, start):
        part = sampling.Block(keys.key_data(key), threefry.Counters(jnp.uint32(0), start), size)
        return part.uniform(jnp.dtype(dtype)), part.normal(jnp.dtype(dtype))

    with jax.enable_x64(dtype == "float64"):
        whole = standard(key, (10, 100), dtype)
        for values, part in zip(whole, block(key, jnp.uint32(start)), strict=True):
            assert same_bits(np.asarray(values).ravel()[start : start + size], part)


def test_a_block_of_an_array_of_more_than_32_bits_of_positions(key):
    """Neither the array nor more than its last elements are ever made."""
    shape = (3, 2**16, 2**15)
    float32 = jnp.dtype("float32")
    last = jax.jit(lambda key: sampling.Whole(key, shape).uniform(float32)[-1, -1, -5:])
    start = threefry.Counters(jnp.uint32(1), jnp.uint32(2**31 - 5))
    block = jax.jit(lambda key: sampling.Block(keys.key_data(key), start, 5).uniform(float32))
    assert last.lower(key).compile().memory_analysis().temp_size_in_bytes < 1e6
    assert same_bits(last(key), block(key))


def test_split_gives_two_sources(key):
    float32 = jnp.dtype("float32")

    @jax.jit
    def halves(key):
        block = sampling.Block(
            keys.key_data(key), threefry.Counters(jnp.uint32(0), jnp.uint32(10)), 7
        )
        sources = [*sampling.Whole(key, (5, 8)).split(), *block.split()]
        return [(source.uniform(float32), source.normal(float32)) for source in sources]

    first, second, *parts = halves(key)
    for whole, part, half_key in zip((first, second), parts, jax.random.split(key), strict=True):
        expected = standard(half_key, (5, 8), "float32")
        for values, some, right in zip(whole, part, expected, strict=True):
            assert same_bits(values, right)
            assert same_bits(some, np.asarray(right).ravel()[10:17])
    assert not np.isin(np.asarray(first[1]), np.asarray(second[1])).any()


def test_variables_from_uniforms_that_are_there(key):
    float32 = jnp.dtype("float32")
    whole = sampling.Whole(key, (5, 8))
    source = sampling.FromUniforms(whole.uniform(float32))
    assert same_bits(source.uniform(float32), whole.uniform(float32))
    assert same_bits(source.normal(float32), whole.normal(float32))
    with pytest.raises(TypeError, match="two sources need a Block"):
        source.split()


def test_uniforms_are_multiples_of_a_unit(key):
    """Half-open, with the full resolution of jax.random's mantissa bits."""
    values = np.asarray(standard(key, (1 << 16,), "float32")[0], np.float64)
    assert values.min() >= 0
    assert values.max() < 1
    steps = values * 2**23
    assert (steps == np.round(steps)).all()
    assert len(np.unique(steps)) > 65_000
