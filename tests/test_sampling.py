"""Standard arrays are those of jax.random, bit for bit, whole or in part."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise import sampling, threefry

SHAPES = [
    (),
    (1,),
    (5,),
    (33, 65),
    (3, 3, 16, 32),
    (64, 32, 3, 3),
    (100_003,),
    (7, 1),
    (0,),
    (3, 0),
]
KEYS = {
    "typed": jax.random.key,
    "old style": jax.random.PRNGKey,
    "rbg": partial(jax.random.key, impl="rbg"),
    "unsafe_rbg": partial(jax.random.key, impl="unsafe_rbg"),
}


@partial(jax.jit, static_argnames=("name", "shape", "dtype"))
def standard(name, key, shape, dtype):
    return getattr(sampling.Whole(key, shape), name)(jnp.dtype(dtype))


def same_bits(x, y):
    return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()


@pytest.mark.parametrize("name", ["uniform", "normal"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_as_jax_random(name, shape, dtype, key):
    with jax.enable_x64(dtype == "float64"):
        ours = np.asarray(standard(name, key, shape, dtype))
        theirs = np.asarray(getattr(jax.random, name)(key, shape, dtype))
    assert same_bits(ours, theirs)


@pytest.mark.parametrize("name", ["uniform", "normal"])
@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("partitionable", [True, False])
def test_as_jax_random_for_every_kind_of_key(name, kind, partitionable, seed):
    with jax.threefry_partitionable(partitionable):
        key = KEYS[kind](seed)
        ours = np.asarray(standard(name, key, (33, 5), "float32"))
        theirs = np.asarray(getattr(jax.random, name)(key, (33, 5), "float32"))
    assert same_bits(ours, theirs)


def test_partitionable_matters(key):
    """The control: the two settings give different values, so that the test above can fail."""
    with jax.threefry_partitionable(True):
        one = np.asarray(standard("uniform", key, (33, 5), "float32"))
    with jax.threefry_partitionable(False):
        other = np.asarray(standard("uniform", key, (33, 5), "float32"))
    assert not same_bits(one, other)


@pytest.mark.parametrize("name", ["uniform", "normal"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("start", "size"), [(0, 1), (0, 1000), (17, 300), (999, 1)])
def test_a_block_is_a_part_of_the_whole(name, dtype, start, size, key):
    with jax.enable_x64(dtype == "float64"):
        dtype = jnp.dtype(dtype)
        whole = jax.jit(lambda key: getattr(sampling.Whole(key, (10, 100)), name)(dtype))(key)

        @jax.jit
        def block(key, start):
            position = threefry.Counters(jnp.uint32(0), start)
            return getattr(sampling.Block(key, position, size), name)(dtype)

        part = block(key, jnp.uint32(start))
        assert same_bits(np.asarray(part), np.asarray(whole).ravel()[start : start + size])


@pytest.mark.parametrize("name", ["uniform", "normal"])
def test_split_gives_two_sources(name, key):
    float32 = jnp.dtype("float32")
    whole = sampling.Whole(key, (40,))
    block = sampling.Block(key, threefry.Counters(jnp.uint32(0), jnp.uint32(10)), 7)
    values = [np.asarray(getattr(half, name)(float32)) for half in whole.split()]
    parts = [np.asarray(getattr(half, name)(float32)) for half in block.split()]
    for whole_half, part, half_key in zip(values, parts, jax.random.split(key), strict=True):
        expected = np.asarray(getattr(jax.random, name)(half_key, (40,)))
        np.testing.assert_allclose(whole_half, expected, rtol=1e-6)
        np.testing.assert_allclose(part, expected[10:17], rtol=1e-6)
    assert not (values[0] == values[1]).any()


def test_uniforms_are_multiples_of_a_unit(key):
    """Half-open, with the full resolution of jax.random's mantissa bits."""
    values = np.asarray(standard("uniform", key, (1 << 16,), "float32"), np.float64)
    assert values.min() >= 0
    assert values.max() < 1
    steps = values * 2**23
    assert (steps == np.round(steps)).all()
    assert len(np.unique(steps)) > 65_000


def test_a_rounded_product_changes_no_value(key):
    for dtype in ("float32", "float64"):
        with jax.enable_x64(dtype == "float64"):
            x = jax.random.normal(key, (1000,), dtype)
            y = jax.random.normal(jax.random.fold_in(key, 1), (1000,), dtype)
            ours = jax.jit(sampling.rounded_product)(x, y)
            assert same_bits(np.asarray(ours), np.asarray(x) * np.asarray(y))


def test_a_rounded_product_is_rounded_before_it_is_added_to(key):
    """numpy rounds after each operation; a fused multiply-add rounds once."""
    x, y, z = np.asarray(jax.random.normal(key, (3, 100_000)))
    ours = jax.jit(lambda x, y, z: sampling.rounded_product(x, y) + z)(x, y, z)
    assert same_bits(np.asarray(ours), x * y + z)


@pytest.mark.parametrize("kind", KEYS)
def test_keys(kind, seed):
    key = KEYS[kind](seed)
    assert sampling.is_key(key)
    sampling.check_key(key)
    assert jax.jit(lambda key: jnp.bool_(sampling.is_key(key)))(key)
    assert jax.eval_shape(lambda key: jnp.bool_(sampling.is_key(key)), key).dtype == bool


@pytest.mark.parametrize(
    "value",
    [
        None,
        0,
        "key",
        np.zeros(2),
        jnp.zeros(2),
        np.uint32(3),
        np.zeros(2, np.int32),
        len,
    ],
    ids=repr,
)
def test_what_is_no_key(value):
    assert not sampling.is_key(value)
    with pytest.raises(TypeError, match="key must be a JAX PRNG key, got") as caught:
        sampling.check_key(value)
    assert repr(value) in str(caught.value)
    assert type(value).__name__ in str(caught.value)
    assert "jax.random.key(seed)" in str(caught.value)
