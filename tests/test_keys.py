"""What is a key, and the keys of a model's parameters."""

import hashlib
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanwise import keys

KEYS = {
    "typed": jax.random.key,
    "old style": jax.random.PRNGKey,
    "rbg": partial(jax.random.key, impl="rbg"),
    "unsafe_rbg": partial(jax.random.key, impl="unsafe_rbg"),
}
PATHS = ["Dense_0/kernel", "Dense_0/bias", "", "été", "a" * 1000]


@pytest.mark.parametrize("kind", KEYS)
def test_keys(kind, seed):
    key = KEYS[kind](seed)
    assert keys.is_key(key)
    keys.check_key(key)
    assert jax.jit(lambda key: jnp.bool_(keys.is_key(key)))(key)
    assert jax.eval_shape(lambda key: jnp.bool_(keys.is_key(key)), key).dtype == bool


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
    assert not keys.is_key(value)
    with pytest.raises(TypeError, match="key must be a JAX PRNG key, got") as caught:
        keys.check_key(value)
    assert repr(value) in str(caught.value)
    assert type(value).__name__ in str(caught.value)
    assert "jax.random.key(seed)" in str(caught.value)


def folded(key, path):
    """By jax.random alone."""
    digest = hashlib.blake2b(path.encode(), digest_size=8).digest()
    for word in (digest[:4], digest[4:]):
        key = jax.random.fold_in(key, int.from_bytes(word, "big"))
    return key if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else jax.random.wrap_key_data(key)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("how", ["eagerly", "under jit", "under jit, key a constant"])
def test_path_keys(how, kind, seed):
    key = KEYS[kind](seed)
    if how == "eagerly":
        ours = keys.path_keys(key, PATHS)
    elif how == "under jit":
        ours = jax.jit(partial(keys.path_keys, paths=PATHS))(key)
    else:
        ours = jax.jit(lambda: keys.path_keys(key, PATHS))()
    assert len(ours) == len(PATHS)
    for path, own in zip(PATHS, ours, strict=True):
        assert own.dtype == folded(key, path).dtype
        assert own == folded(key, path)


def test_path_keys_without_partitionable_bits(key):
    with jax.threefry_partitionable(False):
        for path, own in zip(PATHS, keys.path_keys(key, PATHS), strict=True):
            assert own == folded(key, path)


def test_no_paths(key):
    assert keys.path_keys(key, []) == []


@given(st.lists(st.text(), unique=True, max_size=8), st.randoms())
def test_a_path_key_depends_on_its_path_alone(paths, random):
    key = jax.random.key(3)
    alone = {path: jax.random.key_data(keys.path_keys(key, [path])[0]).tolist() for path in paths}
    random.shuffle(paths)
    for path, own in zip(paths, keys.path_keys(key, paths), strict=True):
        assert jax.random.key_data(own).tolist() == alone[path]
    assert len({tuple(words) for words in alone.values()}) == len(paths)


def test_path_keys_refuse_what_is_no_key():
    with pytest.raises(TypeError, match="key must be a JAX PRNG key, got 0"):
        keys.path_keys(0, ["a"])
    with pytest.raises(ValueError, match="key must be a single key"):
        keys.path_keys(jax.random.split(jax.random.key(0)), ["a"])
