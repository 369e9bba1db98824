"""The hash against published answers, and positions against arithmetic with Python integers."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise import threefry

WORDS = st.integers(0, 2**32 - 1)


def hash_of(key, high, low):
    position = threefry.Counters(jnp.uint32(high), jnp.uint32(low))
    return tuple(int(word) for word in threefry.bits(jnp.array(key, jnp.uint32), position))


# From the known-answer tests of the Random123 library, threefry2x32 with 20 rounds.
@pytest.mark.parametrize(
    ("key", "position", "answer"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((2**32 - 1,) * 2, (2**32 - 1,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_known_answers(key, position, answer):
    assert hash_of(key, *position) == answer


def test_bits_are_those_of_jax(key):
    shape = (7, 33)
    first, second = threefry.bits(jax.random.key_data(key), threefry.counters(shape))
    assert (np.asarray(first ^ second) == np.asarray(jax.random.bits(key, shape))).all()


SHAPES = [(), (5,), (3, 4), (4, 1, 2, 3), (3, 0, 2)]


def as_integers(position):
    high, low = (np.asarray(word).astype(object) for word in position)
    return high * 2**32 + low


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fits_one_word", [True, False])
def test_counters_are_positions(shape, fits_one_word, monkeypatch):
    """Both ways to count give the same positions: one word, and two words by Horner's rule."""
    if not fits_one_word:
        monkeypatch.setattr(threefry, "_WORD", -1)
    position = threefry.counters(shape)
    assert {word.dtype for word in position} == {np.dtype(np.uint32)}
    assert {word.shape for word in position} == {shape}
    expected = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    assert (as_integers(position) == expected).all()


@pytest.mark.parametrize(
    ("shape", "index"),
    [
        ((3, 2**16, 2**15), (2, -1, -1)),
        ((3, 2**16, 2**15), (1, 40_000, 12_345)),
        ((2**17, 2**17), (-1, -1)),
        ((5, 7, 2**28 + 3), (4, 3, 2**28)),
        ((2**16, 2**16), (-1, -1)),  # the last that fits one word
    ],
)
def test_counters_beyond_one_word(shape, index):
    """One element of an array too large to be made: XLA computes that element alone."""
    compiled = jax.jit(lambda: [word[index] for word in threefry.counters(shape)]).lower().compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 1e6
    expected = 0
    for size, step in zip(shape, index, strict=True):
        expected = expected * size + step % size
    assert as_integers(compiled()) == expected


@hypothesis.given(WORDS, WORDS, WORDS)
def test_times_is_exact(high, low, factor):
    position = threefry.Counters(jnp.uint32(high), jnp.uint32(low))
    product = (high * 2**32 + low) * factor % 2**64
    assert int(as_integers(threefry._times(position, factor))) == product


@hypothesis.given(WORDS, WORDS, st.integers(1, 300))
@hypothesis.settings(max_examples=20)
def test_a_block_counts_on_from_its_start(high, low, size):
    start = threefry.Counters(jnp.uint32(high), jnp.uint32(low))
    block = as_integers(threefry.block_counters(start, 300))[:size]
    expected = [(high * 2**32 + low + step) % 2**64 for step in range(size)]
    assert block.tolist() == expected


def test_a_block_carries_into_the_high_word():
    start = threefry.Counters(jnp.uint32(4), jnp.uint32(2**32 - 3))
    block = threefry.block_counters(start, 6)
    assert np.asarray(block.high).tolist() == [4, 4, 4, 5, 5, 5]
    assert np.asarray(block.low).tolist() == [2**32 - 3, 2**32 - 2, 2**32 - 1, 0, 1, 2]
