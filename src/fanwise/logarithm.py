"""The logarithm in float32, bit for bit that of XLA, for arguments that need no care.

XLA's own has other approximations in some vector widths than in others, and looks for zero,
negative and infinite arguments. Written out, with the approximation that XLA has in its wide
vectors, it is the same everywhere, and faster.

Approximation: S. Moshier's Cephes library, ``logf``.
"""

import jax
import jax.numpy as jnp
import numpy as np

from fanwise.horner import horner

__all__ = ["log"]

# log(1 + m) = m - m^2 / 2 + m^3 (m^6 A + m^3 B + C) for m between sqrt(1/2) - 1 and sqrt(2) - 1.
_PARTS = (
    (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1),
    (-1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1),
    (2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
)
# log(2) as a number of few digits, whose product with an exponent is exact, and the rest.
_LOG2, _LOG2_REST = np.float32(0.693359375), np.float32(-2.12194440e-4)
_SQRT_HALF = np.float32(0.707106781186547524)


def log(x: jax.Array) -> jax.Array:
    """log(x) = log(1 + m) + exponent log(2) for x = (1 + m) 2^exponent, positive and normal."""
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32)
    # The fraction between 1/2 and 1, doubled where it is below sqrt(1/2).
    fraction = jax.lax.bitcast_convert_type(
        bits & np.uint32(0x007FFFFF) | np.uint32(0x3F000000), jnp.float32
    )
    exponent = ((bits >> np.uint32(23)).astype(jnp.int32) - np.int32(126)).astype(jnp.float32)
    is_low = fraction < _SQRT_HALF
    exponent = jnp.where(is_low, exponent - np.float32(1), exponent)
    m = jnp.where(is_low, fraction + fraction, fraction) - np.float32(1)
    square = m * m
    cube = square * m
    high, middle, low = (horner(m, coefficients) for coefficients in _PARTS)
    tail = ((high * cube + middle) * cube + low) * cube + exponent * _LOG2_REST
    return exponent * _LOG2 + ((m - np.float32(0.5) * square) + tail)
