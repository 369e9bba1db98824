"""Parts of another mean or std are seen, under a rate that is kept."""

import ml_dtypes
import numpy as np
import pytest

from fanwise.distributions import Normal, TruncatedNormal, Uniform
from fanwise.porting.checking.spread import uneven

RATE = 1e-9
SAMPLES = 2**14
LAW = Normal(0.0, 0.02)


def normals(*shape, seed=0, std=0.02):
    return np.random.default_rng(seed).normal(0.0, std, shape).astype(np.float32)


def shares(size, *stds):
    return np.repeat(np.asarray(stds, np.float32), size // len(stds))


@pytest.mark.parametrize(
    "shape", [(1,), (64,), (2, 2), (8, 200), (96, 32), (16, 3, 3, 3), (600, 9)]
)
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_even_values(shape, dtype, seed):
    generator = np.random.default_rng(seed)
    for keys in (2, 8):
        for law in (LAW, Uniform(-0.3, 0.3), TruncatedNormal(0.0, 0.1, -0.2, 0.2)):
            values = drawn(law, generator, (keys, *shape))
            assert uneven(values.astype(dtype), law, SAMPLES, RATE) == ""


def drawn(law, generator, shape):
    low, high = np.clip(law.support, law.mean - 6 * law.std, law.mean + 6 * law.std)
    grid = np.linspace(low, high, 20001)
    return np.interp(generator.uniform(size=shape), np.asarray(law.cdf(grid)), grid)


def test_false_alarms_are_as_rare_as_said():
    """At a rate of a half, at most a half of arrays are said to be uneven."""
    alarms = sum(bool(uneven(normals(2, 24, 24, seed=n), LAW, SAMPLES, 0.5)) for n in range(200))
    # Two alarms in three of 200 would be seven std above a half.
    assert 0 < alarms < 134


@pytest.mark.parametrize("keys", [2, 8])
@pytest.mark.parametrize(("axis", "name"), [(1, "rows"), (2, "columns")])
def test_parts_of_another_std(keys, axis, name, seed):
    w = normals(keys, 96, 96, seed=seed)
    for word, stds in (
        ("halves", (1.15, (2 - 1.15**2) ** 0.5)),
        ("thirds", (1.2, 1.0, (2 - 1.2**2) ** 0.5)),
        ("quarters", (1.0, 1.0, 1.25, (2 - 1.25**2) ** 0.5)),
    ):
        factors = shares(96, *stds).reshape((96, 1) if axis == 1 else (96,))
        found = uneven(w * factors, LAW, SAMPLES, RATE)
        assert found.startswith("std of ")
        assert name in found
        if word == "halves":
            assert found.startswith(f"std of halves of {name}: 1.1")


def test_one_row_and_other_means(seed):
    w = normals(8, 40, 60, seed=seed)
    w[:, 7] *= 1.6
    assert uneven(w, LAW, 2**17, RATE).startswith("std of rows: 1.")
    assert uneven(w, LAW, 2**17, RATE).endswith("in number 7 of that of the whole")
    shifted = 0.02 * shares(60, 0.2, -0.2) + normals(8, 40, 60, seed=seed, std=0.02 * 0.96**0.5)
    assert uneven(shifted, LAW, 2**17, RATE).startswith("mean of halves of columns: 0.")


def test_axes_of_kernels_and_stacks_of_biases(seed):
    kernel = normals(8, 16, 12, 3, 3, seed=seed)
    kernel[..., 1] *= 1.3
    assert "slices of axis 3" in uneven(kernel / 1.1, LAW, 2**17, RATE)
    bias = normals(512, 32, seed=seed) * shares(32, 1.2, 0.75)
    assert uneven(bias, LAW, 2**17, RATE).startswith("std of halves of rows: 1.2")
