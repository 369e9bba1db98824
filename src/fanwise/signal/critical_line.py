"""The line between order and chaos: the weights at which gradients keep their size."""

import math

import numpy as np

from fanwise.signal.length_map import FARTHEST, crossing
from fanwise.signal.pointwise import Activation, Pointwise
from fanwise.validation import real

__all__ = ["critical_sigma_w"]


def critical_sigma_w(activation: Activation, sigma_b: float) -> float:
    r"""The std of weights, times sqrt(fan_in), at which :math:`\chi_1 = 1`.

    At a fixed point :math:`q = \sigma_w^2 \mathbb{E}[f(z)^2] + \sigma_b^2`, so that
    :math:`\chi_1 = \sigma_w^2 \mathbb{E}[f'(z)^2] = 1` is an equation for q alone:

    .. math:: (q - \sigma_b^2) \, \mathbb{E}[f'(z)^2] = \mathbb{E}[f(z)^2], \quad z \sim N(0, q)

    Its smallest solution is taken. For sigma_b = 0 and f(0) = 0 that is the limit q = 0, where
    :math:`\sigma_w = 1 / |f'(0)|` (with a kink there, the root mean square of both slopes): 1 for
    tanh. For relu and all others with f(2z) = 2 f(z) chi_1
    does not depend on q, and the line is straight; only at sigma_b = 0 does the second moment
    stay.

    Args:
        activation: an elementwise function such as ``jax.numpy.tanh``.
        sigma_b: std of the biases, not negative.

    Returns:
        sigma_w. Whether second moments do come to the fixed point that belongs to it is for
        :func:`fanwise.signal.mean_field.mean_field` to say: gelu's repels them at small sigma_b.

    Raises:
        TypeError: for an activation that is not elementwise and real.
        ValueError: for a sigma_b out of range, and where there is no such sigma_w.

    Example:
        >>> import jax
        >>> round(critical_sigma_w(jax.nn.relu, 0.0) ** 2, 9)
        2.0
        >>> round(critical_sigma_w(jax.numpy.tanh, 0.05**0.5) ** 2, 2)
        1.76

    References:
        Poole et al. (2016), section 3; Schoenholz et al. (2017), section 3, whose example for
        tanh is sigma_w^2 = 1.76 at sigma_b^2 = 0.05.
    """
    bias = real("critical_sigma_w", "sigma_b", sigma_b, minimum=0.0) ** 2
    f = Pointwise(activation)
    log_bias = math.log(bias) if bias > 0 else -FARTHEST
    is_zero_at_zero = f.log_second_moment(-FARTHEST) < -FARTHEST / 2
    if f.is_homogeneous or (bias == 0 and is_zero_at_zero):
        log_slope = f.log_slope(-FARTHEST)
        if log_slope == -math.inf:
            raise _none(activation, sigma_b)
        return math.exp(-log_slope / 2)

    def log_q(log_rest: float) -> float:
        return float(np.logaddexp(log_rest, log_bias)) if bias > 0 else log_rest

    def excess(log_rest: float) -> float:
        at = log_q(log_rest)
        return log_rest + f.log_slope(at) - f.log_second_moment(at)

    # As long as q is sigma_b^2 the excess rises with log_rest, one to one.
    start = f.log_second_moment(log_bias) - f.log_slope(log_bias) - 5
    found = crossing(excess, start, FARTHEST) if math.isfinite(start) else None
    if found is None:
        raise _none(activation, sigma_b)
    return math.exp((found - f.log_second_moment(log_q(found))) / 2)


def _none(activation: Activation, sigma_b: float) -> ValueError:
    return ValueError(
        f"critical_sigma_w: activation {activation!r} has no critical line at sigma_b = {sigma_b}: "
        f"at every fixed point of the second moment gradients vanish; use another activation, or "
        f"normalization"
    )
