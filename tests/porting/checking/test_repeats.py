"""What is drawn once and used twice is seen in any arrangement, and nothing in what is not."""

import ml_dtypes
import numpy as np
import pytest

from fanwise.porting.checking.repeats import repeats

RATE = 1e-9


def normals(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


SHAPES = [
    (1,),
    (2,),
    (64,),
    (2, 2),
    (8, 200),
    (96, 32),
    (16, 3, 3, 3),
    (2, 5),
    (300, 1),
    (130, 260),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("keys", [2, 8, 64])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_none_in_independent_values(shape, keys, dtype, seed):
    for number in range(3):
        assert repeats(normals(keys, *shape, seed=10 * seed + number).astype(dtype), RATE) == ""


@pytest.mark.parametrize("levels", [2**7, 2**10])
def test_none_in_values_of_a_coarse_grid(levels, seed):
    generator = np.random.default_rng(seed)
    for shape in SHAPES:
        draws = generator.integers(-levels // 2, levels // 2, (8, *shape)) / levels
        assert repeats(draws.astype(np.float32), RATE) == ""


def symmetric(w):
    upper = np.triu(w)
    return upper + np.swapaxes(np.triu(w, 1), -1, -2)


PLANTED = {
    "rows negated": lambda w: np.concatenate([w, -w], 1),
    "columns negated": lambda w: np.concatenate([w, -w], 2),
    "rows in turns": lambda w: np.repeat(w, 2, 1),
    "columns turned round": lambda w: np.concatenate([w, w[:, :, ::-1]], 2),
    "one row twice": lambda w: np.concatenate([w, w[:, 3:4]], 1),
    "one column twice, negated": lambda w: np.concatenate([w, -w[:, :, 5:6]], 2),
    "half a turn": lambda w: np.concatenate([w, w[:, ::-1, ::-1]], 1),
    "symmetric": symmetric,
    "antisymmetric": lambda w: w - np.swapaxes(w, 1, 2),
}


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("size", [32, 200])
def test_planted_repeats(name, size, seed):
    keys = 8 if size < 100 else 2
    assert repeats(PLANTED[name](normals(keys, size, size, seed=seed)), RATE)


@pytest.mark.parametrize("size", [4, 6])
def test_small_arrays_with_many_draws(size, seed):
    w = normals(512, size, size, seed=seed)
    for name in ("rows negated", "columns negated", "symmetric"):
        assert repeats(PLANTED[name](w), RATE)
    bias = normals(512, size, seed=seed)
    assert repeats(np.concatenate([bias, -bias], 1), RATE)


def test_bfloat16_and_kernels(seed):
    w = normals(2, 64, 64, seed=seed).astype(ml_dtypes.bfloat16)
    assert repeats(np.concatenate([w, -w], 1), RATE) == "64 different rows of 128 but for signs"
    kernel = normals(2, 16, 16, 2, 3, seed=seed)
    assert "axis 3" in repeats(np.concatenate([kernel, kernel[..., ::-1]], 4), RATE)


def test_the_rate_is_asked_for(seed):
    """Four values of two rows say little in few draws."""
    w = normals(2, 2, 1, seed=seed)
    assert repeats(np.concatenate([w, -w], 2), RATE) == ""


def test_rolled_rows(seed):
    """Each value a few times, at places that have nothing in common."""
    w = normals(8, 8, 200, seed=seed)
    rolled = np.concatenate([np.roll(w, number, 2) for number in range(3)], 1)
    assert repeats(rolled, RATE) == "67% of the values are there before but for their signs"
