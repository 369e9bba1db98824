"""Arrays of more than 2^32 elements, none of which is ever made.

A slice of a few elements fuses with the arithmetic of the index that makes them, so that a
program over an array of 20 GB runs in no memory at all; every test checks that it did. Expected
positions are Python's integers, expected bits those of jax's own hash of explicit counters.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend.random import threefry_2x32

from fanwise import keys, sampling, threefry
from fanwise.distributions import Normal, TruncatedNormal, Uniform


def elements(make, shape, indices, *arguments):
    """Elements of the arrays that ``make`` would return, as a list for each index."""

    @jax.jit
    def slices(*arguments):
        arrays = make(*arguments)
        return [
            [lax.slice(array, index, [i + 1 for i in index]) for array in arrays]
            for index in indices
        ]

    compiled = slices.lower(*arguments).compile()
    memory = compiled.memory_analysis()
    assert memory.temp_size_in_bytes + memory.output_size_in_bytes < 2**16
    assert all(len(index) == len(shape) for index in indices)
    return [[array.item() for array in found] for found in compiled(*arguments)]


def position(shape, index):
    return sum(i * math.prod(shape[axis + 1 :]) for axis, i in enumerate(index))


CASES = {
    # The last element before 2^32 and the one after it, then the last of all.
    (70_000, 70_000): [(0, 0), (61_356, 47_295), (61_356, 47_296), (61_357, 0), (69_999, 69_999)],
    (3, 2**31, 5): [(0, 1, 0), (1, 0, 0), (2, 2**31 - 1, 4)],
    (2**16, 2**16): [(2**15, 17), (2**16 - 1, 2**16 - 1)],
    (2**16, 2**16, 3): [(1, 0, 2), (2**16 - 1, 2**16 - 1, 2)],
    (7, 1, 2**20, 2**11, 3): [(3, 0, 2**19, 1, 1), (6, 0, 2**20 - 1, 2**11 - 1, 2)],
    (2**32 - 1, 2): [(2**31, 0), (2**32 - 2, 1)],
}


@pytest.mark.parametrize("shape", CASES, ids=str)
def test_positions(shape):
    found = elements(lambda: threefry.counters(shape), shape, CASES[shape])
    assert [high << 32 | low for high, low in found] == [position(shape, i) for i in CASES[shape]]


@pytest.mark.parametrize("shape", [(70_000, 70_000), (2**31, 6), (2**30, 3, 3)], ids=str)
def test_uniform(shape, key):
    """Short rows are merged, so the last shapes have axes that do not fit 32 bits."""
    indices = [*CASES.get(shape, []), tuple(size // 2 for size in shape), (0,) * len(shape)]
    indices.append(tuple(size - 1 for size in shape))
    float32 = np.dtype(np.float32)
    make = lambda key: [sampling.Whole(key, shape).uniform(float32)]
    found = [value for (value,) in elements(make, shape, indices, key)]
    at = [position(shape, index) for index in indices]
    high = jnp.array([p >> 32 for p in at], jnp.uint32)
    low = jnp.array([p & 0xFFFFFFFF for p in at], jnp.uint32)
    first, second = jnp.split(threefry_2x32(jax.random.key_data(key), jnp.concat([high, low])), 2)
    mantissas = np.asarray((first ^ second) >> 9, np.float64)
    assert found == (mantissas / 2**23).tolist()


@pytest.mark.parametrize(
    "draw", [Uniform(0, 1), Normal(0, 1), TruncatedNormal(0, 1, -2, 2)], ids=str
)
@pytest.mark.parametrize("shape", [(70_000, 70_000), (2**31, 3), (2**33,)], ids=str)
def test_can_be_traced(draw, shape, key):
    drawn = jax.eval_shape(partial(draw.sample, shape=shape), key)
    assert drawn.shape == shape


@pytest.mark.parametrize("start", [2**32 - 3, 5 * 2**32 - 3, 2**63, 2**64 - 3])
def test_bits_of_a_block(start, key):
    """As jax hashes the same counters, across the carry into the high word."""
    words = threefry.Counters(jnp.uint32(start >> 32), jnp.uint32(start & 0xFFFFFFFF))
    ours = jax.jit(lambda key, words: threefry.bits(key, threefry.block_counters(words, 7)))(
        jax.random.key_data(key), words
    )
    at = [(start + step) % 2**64 for step in range(7)]
    counts = jnp.array([p >> 32 for p in at] + [p & 0xFFFFFFFF for p in at], jnp.uint32)
    theirs = threefry_2x32(jax.random.key_data(key), counts)
    assert np.concatenate(ours).tolist() == theirs.tolist()


def test_a_block_far_out_is_a_part_of_the_whole(key):
    """What a tile draws and what a whole array holds, beyond 2^32."""
    shape, index = (70_000, 70_000), (61_356, 47_296)
    start, float32 = position(shape, index), np.dtype(np.float32)
    words = threefry.Counters(jnp.uint32(start >> 32), jnp.uint32(start & 0xFFFFFFFF))
    block = lambda key, words: sampling.Block(keys.key_data(key), words, 40)
    part = jax.jit(lambda key, words: block(key, words).uniform(float32))(key, words)
    make = lambda key: [sampling.Whole(key, shape).uniform(float32)]
    indices = [(index[0], index[1] + step) for step in (0, 1, 39)]
    whole = [value for (value,) in elements(make, shape, indices, key)]
    assert np.asarray(part)[[0, 1, 39]].tolist() == whole
