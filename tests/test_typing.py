"""The dtype that is really used, and the dtype values are drawn in."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.typing import (
    canonical_dtype,
    canonical_shape,
    compute_dtype,
    is_complex,
    is_real_floating,
    part_dtype,
)

DTYPES = ["float16", "bfloat16", "float32", "float64", "complex64", "complex128"]


@pytest.mark.parametrize(
    ("dtype", "part", "compute"),
    [
        ("float16", "float16", "float32"),
        ("bfloat16", "bfloat16", "float32"),
        ("float32", "float32", "float32"),
        ("float64", "float64", "float64"),
        ("complex64", "float32", "float32"),
        ("complex128", "float64", "float64"),
    ],
)
def test_part_and_compute_dtype(dtype, part, compute):
    dtype = jnp.dtype(dtype)
    assert part_dtype(dtype) == jnp.dtype(part)
    assert compute_dtype(dtype) == jnp.dtype(compute)
    assert is_complex(dtype) == dtype.name.startswith("complex")
    assert is_real_floating(dtype) != is_complex(dtype)


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint32", "bool", "float8_e4m3fn"])
def test_what_is_neither_complex_nor_a_float_for_weights(dtype):
    assert not is_complex(jnp.dtype(dtype))
    assert not is_real_floating(jnp.dtype(dtype))


@pytest.mark.parametrize(
    "spelling", ["bfloat16", jnp.bfloat16, jnp.dtype("bfloat16"), jnp.zeros((), "bfloat16").dtype]
)
def test_spellings_of_a_dtype(spelling):
    assert canonical_dtype(spelling) == jnp.dtype("bfloat16")


def test_default_dtype_follows_x64():
    assert canonical_dtype(None) == np.float32
    with jax.enable_x64(True):
        assert canonical_dtype(None) == np.float64
    assert canonical_dtype(None) == np.float32


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [("float64", "float32"), ("complex128", "complex64"), ("int64", "int32"), ("uint64", "uint32")],
)
def test_wide_dtypes_follow_x64(wide, narrow):
    for spelling in (wide, np.dtype(wide), getattr(np, wide), getattr(jnp, wide)):
        with jax.enable_x64(True):
            assert canonical_dtype(spelling) == np.dtype(wide)
        with pytest.warns(UserWarning, match=f"{wide}.*truncated to dtype {narrow}"):
            assert canonical_dtype(spelling) == np.dtype(narrow)


def test_complex64_is_not_wide():
    """It has 8 bytes, as float64 has, and needs no x64."""
    assert canonical_dtype("complex64") == np.complex64


@pytest.mark.parametrize("python_type", [float, complex, int, bool])
def test_python_types_are_jax_defaults_without_a_warning(python_type):
    for x64 in (False, True):
        with jax.enable_x64(x64):
            assert canonical_dtype(python_type) == jnp.zeros((), python_type).dtype


@pytest.mark.parametrize("dtype", ["nothing", 3, object(), "float31"])
def test_what_is_no_dtype(dtype):
    with pytest.raises(TypeError):
        canonical_dtype(dtype)


@pytest.mark.parametrize(
    "shape", [(3, 4), [3, 4], np.array([3, 4]), jnp.array([3, 4]), iter([3, np.int8(4)])]
)
def test_shapes(shape):
    sizes = canonical_shape(shape)
    assert sizes == (3, 4)
    assert isinstance(sizes, tuple)
    assert {type(size) for size in sizes} == {int}


def test_a_shape_without_axes():
    assert canonical_shape(()) == ()


@pytest.mark.parametrize("shape", [3, None, 3.0, "34", (3.0, 4), (3, "4"), ((3, 4),)])
def test_what_is_no_shape(shape):
    with pytest.raises(TypeError, match="shape must be a sequence of integers, got") as caught:
        canonical_shape(shape)
    assert repr(shape) in str(caught.value)
    assert "(n,)" in str(caught.value)


def test_negative_axes():
    with pytest.raises(ValueError, match=r"negative axes, got \(-3, 4\)"):
        canonical_shape((-3, 4))
