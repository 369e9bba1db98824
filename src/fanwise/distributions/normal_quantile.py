"""The inverse of the standard normal cdf, accurate in both tails, for use under jit.

Algorithm AS 241 (M. J. Wichura, The percentage points of the normal distribution, Applied
Statistics 37, 1988): one rational function of q = p - 1/2 in the middle, two of
r = sqrt(-log p) in the tails. PPND7 serves float32 (about 7 digits), PPND16 float64 (16 digits).
Since the tails need only the logarithm of p, a caller who knows it can go where p underflows.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["normal_quantile"]


class _Coefficients(NamedTuple):
    """Numerators and denominators of the three regions, in ascending powers."""

    middle: tuple[tuple[float, ...], tuple[float, ...]]
    tail: tuple[tuple[float, ...], tuple[float, ...]]
    far_tail: tuple[tuple[float, ...], tuple[float, ...]]


_PPND7 = _Coefficients(
    middle=(
        (3.3871327179, 5.0434271938e1, 1.5929113202e2, 5.9109374720e1),
        (1.0, 1.7895169469e1, 7.8757757664e1, 6.7187563600e1),
    ),
    tail=(
        (1.4234372777, 2.7568153900, 1.3067284816, 1.7023821103e-1),
        (1.0, 7.3700164250e-1, 1.2021132975e-1),
    ),
    far_tail=(
        (6.6579051150, 3.0812263860, 4.2868294337e-1, 1.7337203997e-2),
        (1.0, 2.4197894225e-1, 1.2258202635e-2),
    ),
)

_PPND16 = _Coefficients(
    middle=(
        (
            3.3871328727963666080, 1.3314166789178437745e2, 1.9715909503065514427e3,
            1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
            3.3430575583588128105e4, 2.5090809287301226727e3,
        ),
        (
            1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
            2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4,
            5.2264952788528545610e3,
        ),
    ),
    tail=(
        (
            1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550,
            3.64784832476320460504, 1.27045825245236838258, 2.41780725177450611770e-1,
            2.27238449892691845833e-2, 7.74545014278341407640e-4,
        ),
        (
            1.0, 2.05319162663775882187, 1.67638483018380384940, 6.89767334985100004550e-1,
            1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
            1.05075007164441684324e-9,
        ),
    ),
    far_tail=(
        (
            6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580,
            2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
            2.71155556874348757815e-5, 2.01033439929228813265e-7,
        ),
        (
            1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1,
            1.48753612908506148525e-2, 7.86869131145613259100e-4, 1.84631831751005468180e-5,
            1.42151175831644588870e-7, 2.04426310338993978564e-15,
        ),
    ),
)  # fmt: skip


def normal_quantile(lower: jax.Array, upper: jax.Array, log_lower: jax.Array) -> jax.Array:
    """Return z with P(Z <= z) = lower, for standard normal Z.

    Args:
        lower: the probability below z, float32 or float64.
        upper: the probability above z, 1 - lower, which keeps its digits where it is small.
        log_lower: the logarithm of ``lower``, finite also where ``lower`` underflows.

    Returns:
        An array of the shape and dtype of ``lower``.
    """
    table = _PPND7 if lower.dtype == np.float32 else _PPND16
    in_lower_half = lower <= 0.5
    # q from the smaller of the two probabilities, for it is the one with exact digits.
    q = jnp.where(in_lower_half, lower - 0.5, 0.5 - upper)
    log_smaller = jnp.where(in_lower_half, log_lower, jnp.log(upper))
    r = jnp.sqrt(-log_smaller)
    is_middle, is_far = jnp.abs(q) <= 0.425, r > 5
    t = jnp.where(is_middle, 0.180625 - q * q, jnp.where(is_far, r - 5, r - 1.6))

    def chosen(part: int) -> jax.Array:
        return jnp.where(
            is_middle,
            _polynomial(table.middle[part], t),
            jnp.where(
                is_far, _polynomial(table.far_tail[part], t), _polynomial(table.tail[part], t)
            ),
        )

    ratio = chosen(0) / chosen(1)
    return jnp.where(is_middle, q * ratio, jnp.where(in_lower_half, -ratio, ratio))


def _polynomial(coefficients: tuple[float, ...], x: jax.Array) -> jax.Array:
    result = jnp.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result = result * x + coefficient
    return result
