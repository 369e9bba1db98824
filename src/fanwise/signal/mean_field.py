r"""How deep a signal reaches: the fixed points of wide random networks.

In a chain of wide layers with weights of std :math:`\sigma_w / \sqrt{\text{fan\_in}}` and biases
of std :math:`\sigma_b`, the second moment q of a layer's outputs and the correlation c of the
outputs for two inputs follow from those of the layer before:

.. math::

    q_l &= \sigma_w^2 \, \mathbb{E}[f(u)^2] + \sigma_b^2 \\
    q_l c_l &= \sigma_w^2 \, \mathbb{E}[f(u) f(v)] + \sigma_b^2

with u and v normal, of second moment :math:`q_{l-1}` and correlation :math:`c_{l-1}`. The slopes of
these maps where they come to rest say how many layers that takes.
"""

import math
from dataclasses import dataclass

from fanwise.signal.hermite_kernel import hermite_kernel
from fanwise.signal.length_map import LengthMap
from fanwise.signal.pointwise import Activation
from fanwise.validation import real

__all__ = ["MeanField", "mean_field"]

# How near to 1 counts as 1. Quadrature is good to 1e-9.
_NEAR = 1e-6
# Schoenholz et al. (2017), section 4: networks train up to about six times xi_c.
_TRAINABLE = 6


@dataclass(frozen=True)
class MeanField:
    """Where second moments and correlations come to rest.

    Args:
        sigma_w: std of the weights, times sqrt(fan_in).
        sigma_b: std of the biases.
        q: the second moment that an input of second moment 1 comes to; inf if it grows without
            end, nan if every second moment stays what it is (relu at sigma_w = sqrt(2)).
        chi_1: the factor by which a layer multiplies the gradient's second moment there, and the
            squared distance of two inputs that are close: sigma_w^2 E[f'(z)^2]. Where q is inf,
            that and all that follows is what it is for large q.
        chi_q: the slope of the map of second moments there.
        c: the correlation that two inputs come to.
        chi_c: the slope of the map of correlations there. c is nan and chi_c 1 if correlations stay
            what they are: where the function is linear.
    """

    sigma_w: float
    sigma_b: float
    q: float
    chi_1: float
    chi_q: float
    c: float
    chi_c: float

    @property
    def phase(self) -> str:
        """What becomes of two inputs, and of gradients.

        ``"ordered"`` (chi_1 < 1: inputs become alike, gradients vanish), ``"chaotic"`` (chi_1 > 1:
        they part, gradients explode), ``"critical"`` (chi_1 = 1), or ``"unbounded"`` where the
        second moment has no fixed point and grows without end.
        """
        if self.q == math.inf:
            return "unbounded"
        if abs(self.chi_1 - 1) <= _NEAR:
            return "critical"
        return "ordered" if self.chi_1 < 1 else "chaotic"

    @property
    def xi_q(self) -> float:
        """Layers in which the distance of q to its fixed point falls by a factor of e."""
        return _depth(self.chi_q)

    @property
    def xi_c(self) -> float:
        """Layers in which the distance of c to its fixed point falls by a factor of e."""
        return _depth(self.chi_c)

    @property
    def xi_gradient(self) -> float:
        """Layers in which the gradient's second moment changes by a factor of e, either way."""
        return _depth(min(self.chi_1, 1 / self.chi_1)) if self.chi_1 > 0 else 0.0

    def __str__(self) -> str:
        return f"{self.phase}: {self._size()}; {self._gradient()}; {self._angle()}. {self._reach()}"

    def _size(self) -> str:
        if math.isnan(self.q):
            return "second moments stay what they are"
        if self.q == math.inf:
            return "second moments grow without end"
        return f"second moments settle at {self.q:.3g}{_pace(self.xi_q)}"

    def _gradient(self) -> str:
        if math.isinf(self.xi_gradient):
            return "gradients keep theirs"
        return f"each layer multiplies the gradient's by {self.chi_1:.3g}"

    def _angle(self) -> str:
        if math.isnan(self.c):
            return "correlations of inputs stay what they are"
        return f"correlations of inputs settle at {self.c:.3g}{_pace(self.xi_c)}"

    def _reach(self) -> str:
        if math.isfinite(self.xi_c):
            depth = _TRAINABLE * self.xi_c
            return f"A signal reaches about {depth:.3g} layers deep ({_TRAINABLE} xi_c)."
        if math.isfinite(self.xi_gradient):
            return (
                f"A signal's direction is not lost at any depth; the gradient's size sets the "
                f"limit, a factor of e every {self.xi_gradient:.3g} layers."
            )
        return "Only the width limits how deep a signal reaches."


def mean_field(activation: Activation, sigma_w: float, sigma_b: float) -> MeanField:
    """The fixed points of a chain of wide layers.

    Args:
        activation: an elementwise function such as ``jax.numpy.tanh``. It must be continuous: the
            theory rests on its derivative.
        sigma_w: std of the weights times sqrt(fan_in), positive. Kaiming's is sqrt(2), torch's
            default sqrt(1/3), Flax's 1.
        sigma_b: std of the biases, not negative.

    Returns:
        The fixed points, their slopes and depths; printed, they say how deep a signal reaches.

    Raises:
        TypeError: for an activation that is not elementwise and real, and sigmas that are no
            numbers.
        ValueError: for sigmas out of range, and an activation that jumps.

    Example:
        >>> import jax.numpy as jnp
        >>> found = mean_field(jnp.tanh, sigma_w=1.5, sigma_b=0.3)
        >>> found.phase, round(found.c, 3)
        ('chaotic', 0.767)
        >>> print(mean_field(jnp.tanh, sigma_w=0.9, sigma_b=0.3))
        ordered: second moments settle at 0.217, closer by a factor of e every 1.2 layers; each
        layer multiplies the gradient's by 0.6; correlations of inputs settle at 1, closer by a
        factor of e every 1.96 layers. A signal reaches about 11.8 layers deep (6 xi_c).

    References:
        Poole et al. (2016), Exponential expressivity in deep neural networks through transient
        chaos; Schoenholz et al. (2017), Deep information propagation. There chi_c = chi_1 wherever
        c = 1; here it is the slope of the correlations' own map, which differs where q is 0 or not
        at rest: with sigma_b = 0 tanh becomes linear and keeps them.
    """
    weight = real("mean_field", "sigma_w", sigma_w, above=0.0)
    bias = real("mean_field", "sigma_b", sigma_b, minimum=0.0)
    lengths = LengthMap(activation, weight, bias)
    q = lengths.fixed_point()
    at = lengths.representative(q)
    c, chi_c = _correlation(activation, lengths, at, bias if math.isfinite(q) else 0.0)
    return MeanField(weight, bias, q, lengths.chi_1(at), lengths.chi_q(at), c, chi_c)


def _correlation(
    activation: Activation, lengths: LengthMap, q: float, bias: float
) -> tuple[float, float]:
    """The fixed point of the map of correlations, and its slope there.

    The map is a power series with positive coefficients: convex, and 1 at 1. If its slope there
    is not above 1, two inputs become alike; else it crosses the diagonal once below, and Newton's
    method comes there from 0 without a step too far.
    """
    kernel = hermite_kernel(activation, q)
    factor = lengths.sigma_w**2
    scale = factor * kernel.value(1.0) + bias**2
    if scale == 0:
        return math.nan, 1.0
    slope_at_1 = factor * kernel.slope(1.0) / scale
    if scale - factor * kernel.squares[1] <= _NEAR**2 * scale:
        return math.nan, 1.0  # linear
    if slope_at_1 <= 1 + _NEAR:
        return 1.0, slope_at_1
    c = 0.0
    for _ in range(200):
        excess = (factor * kernel.value(c) + bias**2) / scale - c
        step = excess / (1 - factor * kernel.slope(c) / scale)
        if not (c + step < 1 and step > 1e-14):
            break
        c += step
    return c, factor * kernel.slope(c) / scale


def _pace(depth: float) -> str:
    if depth == 0:
        return " at once"
    if math.isinf(depth):
        return ", slower than exponentially"
    return f", closer by a factor of e every {depth:.3g} layers"


def _depth(chi: float) -> float:
    """-1 / log chi."""
    if chi == 0:
        return 0.0
    return math.inf if math.isnan(chi) or abs(chi) >= 1 - _NEAR else -1 / math.log(abs(chi))
