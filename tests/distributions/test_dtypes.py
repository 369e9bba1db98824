"""Which dtypes a distribution takes, and that low precision is float32 rounded once."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.distributions import (
    Constant,
    DeltaOrthogonal,
    Dirac,
    Eye,
    Normal,
    Orthogonal,
    Sparse,
    Triangular,
    TruncatedNormal,
    Uniform,
)

# A shape that suits each, and values of every magnitude that float16 rounds differently.
RANDOM = [
    (Uniform(-0.7, 0.9), (31, 257)),
    (Normal(0.1, 0.3), (31, 257)),
    (Normal(0.0, 3e-6), (31, 257)),  # below the normal numbers of float16
    (TruncatedNormal(0, 1, -2, 2.5), (31, 257)),
    (Triangular(-0.3, 0.7), (31, 257)),
    (Orthogonal(1.3), (57, 31)),
    (DeltaOrthogonal(1.3), (3, 31, 57)),
    (Sparse(0.2, 0.3), (31, 57)),
]
FIXED = [(Constant(1.0), (3, 4)), (Eye(), (3, 4)), (Dirac(), (3, 2, 4))]
TAKE_COMPLEX = (Uniform, Normal, Triangular, Sparse)
IDS = [f"{law!r}-{shape}" for law, shape in RANDOM]


@pytest.mark.parametrize(("law", "shape"), RANDOM, ids=IDS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision_is_float32_rounded_once(law, shape, dtype, key):
    wide = np.asarray(law.sample(key, shape))
    values = np.asarray(law.sample(key, shape, dtype))
    assert wide.dtype == np.float32
    assert values.dtype == jnp.dtype(dtype)
    rounded = wide.astype(dtype)
    if isinstance(law, Uniform):  # what rounds to the upper end is moved inside
        inside = rounded < np.asarray(law.high).astype(dtype)
        values, rounded = values[inside], rounded[inside]
    assert (values == rounded).all()


@pytest.mark.parametrize(("law", "shape"), RANDOM, ids=IDS)
def test_float64_needs_x64(law, shape, key):
    with pytest.warns(UserWarning, match="float64.*truncated to dtype float32"):
        narrow = law.sample(key, shape, "float64")
    assert narrow.dtype == jnp.float32
    assert (np.asarray(narrow) == np.asarray(law.sample(key, shape))).all()
    with jax.enable_x64(True):
        wide = np.asarray(law.sample(key, shape, "float64"))
        assert (wide == np.asarray(law.sample(key, shape))).all()  # the default is float64 now
    assert wide.dtype == np.float64
    nonzero = wide[wide != 0]
    assert (nonzero != nonzero.astype(np.float32)).mean() > 0.9


def test_float64_scales_are_not_rounded_to_float32(key):
    with jax.enable_x64(True):
        unit = np.asarray(Normal(0, 1).sample(key, (1000,), "float64"))
        scaled = np.asarray(Normal(0, 1 / 3).sample(key, (1000,), "float64"))
    np.testing.assert_allclose(scaled / unit, 1 / 3, rtol=1e-15)


@pytest.mark.parametrize(("law", "shape"), RANDOM, ids=IDS)
@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "float8_e4m3fn", int, bool])
def test_random_values_need_a_floating_dtype(law, shape, dtype, key):
    with pytest.raises(TypeError, match="dtype must be one of float16, bfloat16") as caught:
        law.sample(key, shape, dtype)
    assert jnp.zeros((), dtype).dtype.name in str(caught.value).split("got")[1]
    assert type(law).__name__ in str(caught.value)


@pytest.mark.parametrize(("law", "shape"), RANDOM, ids=IDS)
def test_complex_where_torch_takes_it(law, shape, key):
    if isinstance(law, TAKE_COMPLEX):
        values = np.asarray(law.sample(key, shape, "complex64"))
        assert values.dtype == np.complex64
        kept = values[values != 0]
        assert (kept.real != kept.imag).any()
        with pytest.warns(UserWarning, match="complex128.*truncated to dtype complex64"):
            assert law.sample(key, shape, "complex128").dtype == jnp.complex64
    else:
        with pytest.raises(TypeError, match="got complex64; torch refuses complex here as well"):
            law.sample(key, shape, "complex64")


def test_a_complex_sparse_matrix_has_the_std_of_the_whole(key):
    values = np.asarray(Sparse(0.25, 2.0).sample(key, (400, 400), "complex64"))
    assert ((values == 0).sum(axis=1) == 100).all()
    kept = values[values != 0]
    assert (np.abs(kept) ** 2).mean() == pytest.approx(4, rel=6.2 / math.sqrt(kept.size))


@pytest.mark.parametrize(("law", "shape"), FIXED, ids=repr)
@pytest.mark.parametrize(
    "dtype",
    ["float32", "bfloat16", "float16", "complex64", "int8", "uint32", "bool", "float8_e4m3fn"],
)
def test_ones_and_zeros_in_every_dtype(law, shape, dtype, key):
    values = law.sample(key, shape, dtype)
    assert values.dtype == jnp.dtype(dtype)
    wide = np.asarray(law.sample(key, shape))
    assert set(np.unique(wide)) <= {0.0, 1.0}
    assert (np.asarray(values).astype(np.complex64) == wide).all()


@pytest.mark.parametrize("dtype", ["nothing", object()])
def test_what_is_no_dtype(dtype, key):
    with pytest.raises(TypeError):
        Normal(0, 1).sample(key, (3,), dtype)


@pytest.mark.parametrize("key", [None, 0, 3.5, np.zeros(2), "key", jnp.zeros(2)], ids=repr)
@pytest.mark.parametrize(("law", "shape"), [*RANDOM[:1], *FIXED], ids=repr)
def test_what_is_no_key(law, shape, key):
    with pytest.raises(TypeError, match="key must be a JAX PRNG key, got") as caught:
        law.sample(key, shape)
    assert repr(key) in str(caught.value)
    assert "jax.random.key(seed)" in str(caught.value)
