"""The general family that JAX and Keras build on, for those who come from there.

Not in torch. Unlike ``jax.nn.initializers.variance_scaling`` scales are computed in Python floats
and rounded once (JAX rounds the variance to the parameter's dtype before the square root), and
low precision is drawn in float32.
"""

import math
from dataclasses import dataclass

from fanwise.distributions import Constant, Distribution, Normal, TruncatedNormal, Uniform
from fanwise.distributions.truncated_normal import std_of_cut_normal
from fanwise.initializers.base import Initializer, warn_if_empty
from fanwise.layouts import fans
from fanwise.validation import choice, real

__all__ = ["lecun_normal", "lecun_uniform", "variance_scaling"]

MODES = ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")
DISTRIBUTIONS = ("truncated_normal", "normal", "uniform")


@dataclass(frozen=True, repr=False)
class variance_scaling(Initializer):
    r"""Mean 0 and variance ``scale / fan``, from one of three distributions.

    .. math:: \text{std} = \sqrt{\text{scale} / \text{fan}}

    ``normal`` is :math:`N(0, \text{std}^2)`, ``uniform`` is
    :math:`U(-\sqrt3\,\text{std}, \sqrt3\,\text{std})`, and ``truncated_normal`` is a normal cut
    at two of its standard deviations and scaled up to the std that was asked for, as in JAX.

    ================================================ =================================
    ``jax.nn.initializers``                          here
    ================================================ =================================
    ``he_normal()``                                  ``variance_scaling(2.0)``
    ``glorot_normal()``                              ``variance_scaling(mode="fan_avg")``
    ``lecun_normal()``                               ``variance_scaling()``
    ================================================ =================================

    Args:
        scale: the factor of the variance, at least 0.
        mode: the fan to divide by: ``"fan_in"``, ``"fan_out"``, ``"fan_avg"`` (their arithmetic
            mean) or ``"fan_geo_avg"`` (their geometric mean).
        distribution_name: ``"truncated_normal"``, ``"normal"`` or ``"uniform"``.
        layout: the roles of the parameter's axes; it takes the place of JAX's ``in_axis``,
            ``out_axis`` and ``batch_axis``.

    Returns:
        An initializer for shapes that fit the layout, in float16, bfloat16, float32 and float64;
        ``normal`` and ``uniform`` in complex64 and complex128 too, with the real and the
        imaginary part drawn as torch draws them (see :class:`fanwise.distributions.Uniform`). A
        shape without elements gives a warning and an empty array.

    Raises:
        TypeError: if ``scale`` is no real number, or a name no string.
        ValueError: if ``scale`` is negative or not finite, or a name is unknown; on sampling, if
            the shape does not fit the layout.

    Example:
        >>> variance_scaling(2.0, "fan_in", "normal").distribution((8, 4))
        Normal(0.0, 0.5)

    References:
        ``jax.nn.initializers.variance_scaling``, ``keras.initializers.VarianceScaling``.
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution_name: str = "truncated_normal"

    def __post_init__(self) -> None:
        super().__post_init__()
        name = "variance_scaling"
        self._set(scale=real(name, "scale", self.scale, minimum=0.0))
        choice(name, "mode", self.mode, MODES)
        choice(name, "distribution_name", self.distribution_name, DISTRIBUTIONS)

    def _distribution(self, shape: tuple[int, ...], layout: str) -> Distribution:
        return _scaled(self.scale, self.mode, self.distribution_name, shape, layout)


@dataclass(frozen=True, repr=False)
class lecun_normal(Initializer):
    r"""LeCun normal, truncated at two standard deviations: Flax's default for kernels.

    .. math:: \text{std} = 1 / \sqrt{\text{fan\_in}}

    after the truncation, as in JAX. Not in torch; ``xavier_normal`` and ``kaiming_normal`` are
    torch's and are not truncated.

    Args:
        layout: the roles of the parameter's axes.

    Returns:
        An initializer for shapes that fit the layout, in float16, bfloat16, float32 and float64.

    Raises:
        ValueError: on sampling, if the shape does not fit the layout.

    Example:
        >>> round(lecun_normal().distribution((100, 7)).std, 12)
        0.1

    References:
        ``jax.nn.initializers.lecun_normal``; LeCun et al. (1998), Efficient backprop.
    """

    def _distribution(self, shape: tuple[int, ...], layout: str) -> Distribution:
        return _scaled(1.0, "fan_in", "truncated_normal", shape, layout)


@dataclass(frozen=True, repr=False)
class lecun_uniform(Initializer):
    r"""LeCun uniform.

    .. math:: U(-b, b), \quad b = \sqrt{3 / \text{fan\_in}}, \quad
        \text{std} = 1 / \sqrt{\text{fan\_in}}

    Not in torch, whose defaults for Linear and Conv have the bound 1 / sqrt(fan_in): for these
    use ``kaiming_uniform(a=math.sqrt(5))``.

    Args:
        layout: the roles of the parameter's axes.

    Returns:
        An initializer for shapes that fit the layout, in float16, bfloat16, float32, float64,
        complex64 and complex128.

    Raises:
        ValueError: on sampling, if the shape does not fit the layout.

    Example:
        >>> lecun_uniform().distribution((3, 7))
        Uniform(-1.0, 1.0)

    References:
        ``jax.nn.initializers.lecun_uniform``; LeCun et al. (1998), Efficient backprop.
    """

    def _distribution(self, shape: tuple[int, ...], layout: str) -> Distribution:
        return _scaled(1.0, "fan_in", "uniform", shape, layout)


def _scaled(
    scale: float, mode: str, name: str, shape: tuple[int, ...], layout: str
) -> Distribution:
    if warn_if_empty(shape):
        return Constant(0.0)
    fan_in, fan_out = fans(shape, layout)
    fan = {
        "fan_in": fan_in,
        "fan_out": fan_out,
        "fan_avg": (fan_in + fan_out) / 2,
        "fan_geo_avg": math.sqrt(fan_in * fan_out),
    }[mode]
    variance = scale / fan
    if name == "normal":
        return Normal(0.0, math.sqrt(variance))
    if name == "uniform":
        bound = math.sqrt(3.0 * variance)
        return Uniform(-bound, bound)
    if variance == 0:
        return Constant(0.0)
    parent = math.sqrt(variance) / std_of_cut_normal()
    return TruncatedNormal(0.0, parent, -2 * parent, 2 * parent)
