"""How tiles are drawn: in whose memory, in how many loops, by threads that know no settings."""

import re
from contextlib import nullcontext

import jax
import numpy as np
import pytest

from fanwise import tiling
from fanwise.distributions import Normal, Triangular, TruncatedNormal, Uniform
from fanwise.filling import Parameter, fill
from tests.same_bits import differing

FLOAT32, BFLOAT16 = np.dtype("float32"), np.dtype(jax.numpy.bfloat16)
TILE = 2**19


def program(kind, dtype, scalars):
    """The compiled program; a line of words is a position, a key and the scalars."""
    return tiling._tile_sampler(kind, dtype, 4 + scalars, jax.local_devices()[0])


def parameters(count, shape=(TILE,)):
    keys = jax.random.split(jax.random.key(0), count)
    return [Parameter(str(i), shape, Normal(0.1, 0.5), key) for i, key in enumerate(keys)]


@pytest.mark.parametrize(
    ("kind", "dtype", "scalars"),
    [
        (Normal, FLOAT32, 2),
        (TruncatedNormal, FLOAT32, 8),
        (Uniform, FLOAT32, 2),
        (Triangular, FLOAT32, 2),
        (Normal, BFLOAT16, 2),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_tile_is_made_in_the_memory_of_another(kind, dtype, scalars):
    memory = program(kind, dtype, scalars).memory_analysis()
    assert memory.output_size_in_bytes == TILE * dtype.itemsize
    assert memory.alias_size_in_bytes == memory.output_size_in_bytes
    assert memory.temp_size_in_bytes < 1e4


@pytest.mark.parametrize(
    ("kind", "dtype", "scalars", "loops"),
    [(Normal, FLOAT32, 2, 2), (TruncatedNormal, FLOAT32, 8, 2), (Normal, BFLOAT16, 2, 1)],
)
def test_hash_and_function_are_loops_of_their_own(kind, dtype, scalars, loops):
    """And are one in the control: in bfloat16 a uniform's memory cannot be the result's."""
    computations = re.split(r"\n\n", program(kind, dtype, scalars).as_text())
    fused = [each for each in computations if each.lstrip().startswith("%fused_computation")]
    hashing = {i for i, each in enumerate(fused) if " shift-left(" in each}
    computing = {i for i, each in enumerate(fused) if " clamp(" in each}
    assert len(hashing | computing) == loops
    assert hashing
    assert computing


def settings():
    return {
        "64 bits": jax.enable_x64(True),
        "no promotion of ranks": jax.numpy_rank_promotion("raise"),
        "no jit": jax.disable_jit(),
        "none": nullcontext(),
    }


@pytest.mark.parametrize("name", settings())
def test_settings_of_the_caller(name):
    """They hold for the thread that makes them, and tiles are drawn in others."""
    with settings()[name]:
        asked = parameters(1, (3, 1000))
        expected = {p.path: p.distribution.sample(p.key, p.shape, p.dtype) for p in asked}
        assert not differing(fill(asked), expected)


@pytest.mark.parametrize("tiles", [1, 3, 40])
def test_an_error_in_a_thread_ends_the_filling(tiles, monkeypatch):
    """None waits for the memory of a tile that was never made."""

    def failing(words, tile, once):
        raise RuntimeError("no tile")

    monkeypatch.setattr(tiling, "_tile_sampler", lambda *arguments: failing)
    with pytest.raises(RuntimeError, match="no tile"):
        fill(parameters(tiles))
