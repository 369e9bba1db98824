"""Uniform is half-open in every dtype, as in torch."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.distributions import Uniform

LOW_PRECISION = ["bfloat16", "float16"]


def assert_half_open(values, low, high):
    """All in [low, high) as the dtype has them; all ``low`` if it has only one value there."""
    dtype = values.dtype
    low, high = (np.asarray(bound).astype(dtype).astype(np.float64) for bound in (low, high))
    values = np.asarray(values).astype(np.float64)
    assert values.min() >= low
    if low < high:
        assert values.max() < high
    else:
        assert values.max() == low


@pytest.mark.parametrize("dtype", [*LOW_PRECISION, "float32"])
@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0.0, 1.0),
        (-1.0, 1.0),
        (-1.0, 0.0),
        (0.1, 0.3),
        (1.0, 1.03125),  # four values in bfloat16
        (1.0, 1.0078125),  # two neighbours in bfloat16
        (1.0, 1.0009765625),  # two neighbours in float16
        (1.0, 1.0000001192092896),  # two neighbours in float32
        (1000.0, 1000.0001),  # between two neighbours in float32
        (-3.0, -2.9999),
        (0.0, 0.0),
        (0.3, 0.3),
    ],
)
def test_half_open(low, high, dtype, key):
    values = Uniform(low, high).sample(key, (1 << 16,), dtype)
    assert values.dtype == jnp.dtype(dtype)
    assert_half_open(values, low, high)


@pytest.mark.parametrize("dtype", LOW_PRECISION)
def test_the_upper_end_would_be_reached_if_nothing_were_done(dtype, key):
    """The control: rounding the float32 values of the same key does reach it."""
    rounded = Uniform(0.0, 1.0).sample(key, (1 << 16,)).astype(dtype)
    assert float(rounded.max()) == 1.0
    with pytest.raises(AssertionError):
        assert_half_open(rounded, 0.0, 1.0)


def test_half_open_in_float64(key):
    with jax.enable_x64(True):
        high = np.nextafter(1.0, 2.0)
        assert_half_open(Uniform(1.0, high).sample(key, (1 << 12,), "float64"), 1.0, high)
        assert_half_open(Uniform(-1.0, 1.0).sample(key, (1 << 12,), "float64"), -1.0, 1.0)


def test_half_open_in_complex(key):
    values = Uniform(1.0, 1.0000001192092896).sample(key, (1 << 12,), "complex64")
    assert_half_open(values.real, 1.0, 1.0000001192092896)
    assert_half_open(values.imag, 1.0, 1.0000001192092896)


@hypothesis.given(
    st.floats(-1e4, 1e4), st.floats(0, 1e4), st.sampled_from([*LOW_PRECISION, "float32"])
)
def test_half_open_for_any_bounds(seed, low, width, dtype):
    values = Uniform(low, low + width).sample(jax.random.key(seed), (4096,), dtype)
    assert_half_open(values, low, low + width)


@pytest.mark.parametrize("dtype", LOW_PRECISION)
def test_rounded_once_from_float32(dtype, key):
    """All but what rounds to the upper end, which is not a value of the distribution."""
    law = Uniform(-0.7, 1.0)
    wide = np.asarray(law.sample(key, (1 << 18,)))
    values = np.asarray(law.sample(key, (1 << 18,), dtype))
    rounded = wide.astype(dtype)
    inside = rounded < rounded.dtype.type(1.0)
    assert 0.99 < inside.mean() < 1
    assert (values[inside] == rounded[inside]).all()
    assert_half_open(values, -0.7, 1.0)


@pytest.mark.parametrize("dtype", LOW_PRECISION)
def test_what_rounds_to_the_upper_end_becomes_the_lower_one(dtype, key):
    """As in torch, though it moves the mean: by one part in a thousand in bfloat16."""
    wide = np.asarray(Uniform(0.0, 1.0).sample(key, (2048, 2048)))
    values = np.asarray(Uniform(0.0, 1.0).sample(key, (2048, 2048), dtype))
    rounded = wide.astype(values.dtype)
    wrapped = rounded == 1
    assert wrapped.any()
    assert (values[wrapped] == 0).all()


def test_all_values_of_bfloat16_occur(key):
    """Every bfloat16 number of the top binade, none favoured."""
    values = np.asarray(Uniform(0.0, 1.0).sample(key, (1 << 20,), "bfloat16")).astype(np.float64)
    numbers, counts = np.unique(values[values > 0.5], return_counts=True)
    assert numbers.tolist() == [0.5 + n / 256 for n in range(1, 128)]
    assert np.abs(counts[:-1] / (1 << 20) * 256 - 1).max() < 0.15


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (-4e4, 4e4, "float16"),
        (0.0, 1e5, "float16"),
        (-3e38, 3e38, "float32"),
        (0.0, 3.4e38, "bfloat16"),
        (-3e38, 3e38, "complex64"),
        (0.0, 1e39, "float32"),
    ],
)
def test_ranges_that_a_dtype_does_not_hold(low, high, dtype, key):
    with pytest.raises(ValueError, match="does not fit") as caught:
        Uniform(low, high).sample(key, (3,), dtype)
    assert dtype in str(caught.value)
    assert str(Uniform(low, high)) in str(caught.value)


def test_a_range_that_float64_does_not_hold(key):
    law = Uniform(-1e308, 1e308)
    assert law.mean == 0.0
    with jax.enable_x64(True), pytest.raises(ValueError, match="does not fit float64"):
        law.sample(key, (3,), "float64")


def test_ranges_that_just_fit(key):
    for law, dtype in [(Uniform(-3e4, 3e4), "float16"), (Uniform(-1.6e38, 1.6e38), "float32")]:
        values = np.asarray(law.sample(key, (4096,), dtype)).astype(np.float64)
        assert np.isfinite(values).all()
        assert values.std() == pytest.approx(law.std, rel=0.05)


@pytest.mark.parametrize(
    ("low", "high"), [(1, 0), (float("nan"), 1), (0, float("inf")), (-float("inf"), 0)]
)
def test_bad_bounds(low, high):
    with pytest.raises(ValueError, match=r"Uniform: (low|high) must"):
        Uniform(low, high)
