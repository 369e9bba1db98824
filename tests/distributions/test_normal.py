"""Normal: resolution in low precision, complex values, one rounding."""

import math

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.distributions import Normal
from tests.agreement import assert_drawn_from

FOUR_MILLION = (2000, 2000)


def coarseness(values):
    """What betrays a normal in bfloat16 drawn from too few random bits, a sentence each."""
    x = np.asarray(values).astype(np.float64).ravel()
    found = []
    distinct = len(np.unique(x))
    if distinct <= 3000:
        found.append(f"{distinct} distinct values")
    standard_errors = x.mean() / x.std() * math.sqrt(x.size)
    if abs(standard_errors) >= 4:
        found.append(f"mean {standard_errors:.1f} standard errors from 0")
    if min(-x.min(), x.max()) < 4:
        found.append(f"range [{x.min()}, {x.max()}]")
    return found


def test_bfloat16_has_thousands_of_distinct_values():
    values = Normal(0, 1).sample(jax.random.key(0), FOUR_MILLION, "bfloat16")
    assert values.dtype == jnp.bfloat16
    assert coarseness(values) == []


def test_bfloat16_drawn_by_jax_random_has_not():
    found = coarseness(jax.random.normal(jax.random.key(0), FOUR_MILLION, "bfloat16"))
    assert len(found) == 3, found


def test_float16_has_tails(key):
    values = np.asarray(Normal(0, 1).sample(key, FOUR_MILLION, "float16")).astype(np.float64)
    native = np.asarray(jax.random.normal(key, FOUR_MILLION, "float16")).astype(np.float64)
    assert len(np.unique(values)) > 10_000
    assert len(np.unique(native)) < 2000
    assert values.max() > 4.5
    assert values.min() < -4.5


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_values_have_the_std_of_the_whole(dtype, key):
    law = Normal(0.3, 2.0)
    with jax.enable_x64(dtype == "complex128"):
        values = np.asarray(law.sample(key, (200, 1000), dtype))
    assert values.dtype == np.dtype(dtype)
    part = Normal(0.3, 2.0 / math.sqrt(2))
    assert_drawn_from(values.real, part)
    assert_drawn_from(values.imag, part)
    spread = np.abs(values - (0.3 + 0.3j)) ** 2
    assert spread.mean() == pytest.approx(4.0, rel=6.2 / math.sqrt(values.size))
    product = (values.real - 0.3) * (values.imag - 0.3) / 2.0
    assert abs(product.mean()) * math.sqrt(product.size) < 6.2


@hypothesis.given(
    st.integers(-20, 20), st.floats(1e-3, 1e3), st.sampled_from(["float32", "bfloat16", "float16"])
)
@hypothesis.settings(max_examples=30)
def test_a_power_of_two_scales_exactly(seed, power, std, dtype):
    key = jax.random.key(seed)
    limits = jnp.finfo(dtype)
    scaled = std * 2.0**power
    hypothesis.assume(float(limits.tiny) * 1e6 < scaled < float(limits.max) / 10)
    hypothesis.assume(float(limits.tiny) * 1e6 < std < float(limits.max) / 10)
    one = np.asarray(Normal(0, std).sample(key, (64,), dtype)).astype(np.float64)
    other = np.asarray(Normal(0, scaled).sample(key, (64,), dtype)).astype(np.float64)
    assert (other == one * 2.0**power).all()


@pytest.mark.parametrize("law", [Normal(0, 1e5), Normal(1e5, 1), Normal(-1e5, 1)], ids=repr)
def test_numbers_that_a_dtype_does_not_hold(law, key):
    with pytest.raises(ValueError, match="does not fit float16") as caught:
        law.sample(key, (3,), "float16")
    assert "wider dtype" in str(caught.value)
    assert np.isfinite(law.sample(key, (3,), "bfloat16")).all()


@pytest.mark.parametrize(
    ("mean", "std"), [(0, -1), (0, float("nan")), (0, float("inf")), (float("nan"), 1)]
)
def test_bad_numbers(mean, std):
    with pytest.raises(ValueError, match=r"Normal: (mean|std) must be"):
        Normal(mean, std)
