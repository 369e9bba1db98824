"""Polynomials with constant coefficients."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["horner"]


def horner(x: jax.Array, coefficients: Sequence[float]) -> jax.Array:
    """A polynomial of float32 numbers by Horner's rule, the coefficient of the highest power first.

    Example:
        >>> horner(jnp.float32(2), (3.0, 1.0, 5.0))
        Array(19., dtype=float32)
    """
    value = jnp.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + np.float32(coefficient)
    return value
