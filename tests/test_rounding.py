"""Products are rounded before anything is added to them."""

import jax
import numpy as np

from fanwise import rounding


def test_a_rounded_product_changes_no_value(key):
    for dtype in ("float32", "float64"):
        with jax.enable_x64(dtype == "float64"):
            x = jax.random.normal(key, (1000,), dtype)
            y = jax.random.normal(jax.random.fold_in(key, 1), (1000,), dtype)
            ours = jax.jit(rounding.rounded_product)(x, y)
            assert np.array_equal(ours, np.asarray(x) * np.asarray(y))


def test_a_rounded_product_above_a_limit(key):
    x, y, z = np.asarray(jax.random.normal(key, (3, 100_000)))
    ours = jax.jit(lambda x, y, z: rounding.rounded_product_above(-64, x, y) + z)(x, y, z)
    assert np.array_equal(ours, x * y + z)
    assert rounding.rounded_product_above(-64, x[:1] * 0 - 9, x[:1] * 0 + 9)[0] == -64


def test_a_rounded_product_is_rounded_before_it_is_added_to(key):
    """numpy rounds after each operation; a fused multiply-add rounds once."""
    x, y, z = np.asarray(jax.random.normal(key, (3, 100_000)))
    ours = jax.jit(lambda x, y, z: rounding.rounded_product(x, y) + z)(x, y, z)
    assert np.array_equal(ours, x * y + z)
