"""The inverse of the standard normal cdf, accurate in both tails, for use under jit.

float32 has polynomials of its own, made for speed: one logarithm, one square root, one division
and ten multiply-adds, to 4e-7 relative. float64 has Algorithm AS 241, PPND16 (M. J. Wichura, The
percentage points of the normal distribution, Applied Statistics 37, 1988), to about 1e-15.

Both take the lower probability as ``share * exp(log_scale)``, so that they also go where it
underflows, 37 standard deviations out.
"""

import jax
import jax.numpy as jnp
import numpy as np

from fanwise.logarithm import log

__all__ = ["normal_quantile"]


def normal_quantile(
    share: jax.Array, log_scale: jax.Array, lower: jax.Array, upper: jax.Array
) -> jax.Array:
    """Return z with P(Z <= z) = lower, for standard normal Z.

    Args:
        share: ``lower`` relative to ``exp(log_scale)``, float32 or float64.
        log_scale: a scalar of the same dtype.
        lower: the probability below z, ``share * exp(log_scale)``; it may underflow.
        upper: the probability above z, ``1 - lower``, with its own digits where it is small.

    Returns:
        An array of the shape and dtype of ``share``.
    """
    if share.dtype == np.float32:
        return _quantile32(share, log_scale, lower, upper)
    return _quantile64(share, log_scale, lower, upper)


# Printed by tools/fit_normal_quantile.py, which says what they are fitted to.
_SPLIT = 6.5
_NEAR = (
    2.380939994e00, 3.374543332e-01, -8.902459380e-03, -9.181585445e-04, 2.522823265e-04,
    -2.105900366e-05, -1.673849553e-06, 5.816066335e-07, -1.730378996e-08, -6.117719775e-09,
)  # fmt: skip
_FAR = (
    1.414431759e00, -2.819057923e-02, -1.932153488e00, 8.744153546e00, -2.785657245e01,
    4.671368319e01, 6.975144305e01, -5.277031337e02, 9.937388727e02, -6.477914256e02,
)  # fmt: skip


def _quantile32(
    share: jax.Array, log_scale: jax.Array, lower: jax.Array, upper: jax.Array
) -> jax.Array:
    # Share and upper probability are 2^-25 at least, so that their product is a normal number.
    w = -(log(4 * share * upper) + log_scale)
    # Rounding can leave w at -1e-7 in the very middle, which would make the square root NaN.
    root = jax.lax.sqrt(jnp.maximum(w, 1e-6))
    # XLA would make a reciprocal square root of the two, which is another one in each vector
    # width, if nothing stood between them. The maximum changes nothing.
    inverse_root = 1 / jnp.maximum(root, 1e-4)
    is_near = w < _SPLIT
    t = jnp.where(is_near, w - _SPLIT / 2, inverse_root)
    ratio = jnp.where(is_near, np.float32(_NEAR[-1]), np.float32(_FAR[-1]))
    for near, far in zip(reversed(_NEAR[:-1]), reversed(_FAR[:-1]), strict=True):
        ratio = ratio * t + jnp.where(is_near, np.float32(near), np.float32(far))
    return (lower - upper) * jnp.where(is_near, ratio, ratio * root)


# Numerators and denominators of AS 241, in ascending powers: |q| <= 0.425, r <= 5, r > 5.
_MIDDLE = (
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
)  # fmt: skip
_TAIL = (
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
)  # fmt: skip
_FAR_TAIL = (
    (
        6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580,
        2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
        2.71155556874348757815e-5, 2.01033439929228813265e-7,
    ),
    (
        1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
        7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    ),
)  # fmt: skip


def _quantile64(
    share: jax.Array, log_scale: jax.Array, lower: jax.Array, upper: jax.Array
) -> jax.Array:
    in_lower_half = lower <= 0.5
    # q from the smaller of the two probabilities, for it is the one with exact digits.
    q = jnp.where(in_lower_half, lower - 0.5, 0.5 - upper)
    r = jnp.sqrt(-jnp.where(in_lower_half, jnp.log(share) + log_scale, jnp.log(upper)))
    is_middle, is_far = jnp.abs(q) <= 0.425, r > 5
    t = jnp.where(is_middle, 0.180625 - q * q, jnp.where(is_far, r - 5, r - 1.6))
    # One Horner's rule for all three regions, the coefficients chosen by element.
    numerator, denominator = jnp.zeros_like(t), jnp.zeros_like(t)
    for power in reversed(range(8)):
        above, below = (
            jnp.where(
                is_middle,
                _MIDDLE[part][power],
                jnp.where(is_far, _FAR_TAIL[part][power], _TAIL[part][power]),
            )
            for part in (0, 1)
        )
        numerator, denominator = numerator * t + above, denominator * t + below
    ratio = numerator / denominator
    return jnp.where(is_middle, q * ratio, jnp.where(in_lower_half, -ratio, ratio))
