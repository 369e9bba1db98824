"""Glorot and Bengio's initialization: a compromise between fan_in and fan_out."""

import math
from dataclasses import dataclass

from fanwise.distributions import Distribution, Normal, Uniform
from fanwise.initializers.base import Initializer
from fanwise.layouts import fans
from fanwise.validation import real

__all__ = ["xavier_normal", "xavier_uniform"]


@dataclass(frozen=True, repr=False)
class _Xavier(Initializer):
    gain: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(gain=real(type(self).__name__, "gain", self.gain, minimum=0.0))

    def _std(self, shape: tuple[int, ...], layout: str) -> float:
        fan_in, fan_out = fans(shape, layout)
        if fan_in + fan_out == 0:
            raise ValueError(
                f"{self}: shape {shape} with layout {layout!r} has fan_in = fan_out = 0, which "
                f"leaves the scale undefined; torch refuses it as well"
            )
        # In torch's order of operations, so that the very same floats come out.
        return self.gain * math.sqrt(2.0 / float(fan_in + fan_out))


@dataclass(frozen=True, repr=False)
class xavier_uniform(_Xavier):
    r"""Xavier (Glorot) uniform.

    .. math::
        U(-a, a), \quad a = \text{gain} \sqrt{\frac{6}{\text{fan\_in} + \text{fan\_out}}}, \quad
        \text{std} = \text{gain} \sqrt{\frac{2}{\text{fan\_in} + \text{fan\_out}}}

    Args:
        gain: factor, at least 0; see :func:`fanwise.calculate_gain`.
        layout: the roles of the parameter's axes. For attention's query, key and value in one
            packed matrix the fans are those of the packed shape, here as in torch.

    Returns:
        An initializer for shapes that fit the layout, in float16, bfloat16, float32, float64,
        complex64 and complex128.

    Raises:
        TypeError: if ``gain`` is no real number.
        ValueError: if it is negative (torch's sampler refuses that) or not finite; on sampling,
            if the shape does not fit the layout, or both fans are 0.

    Example:
        >>> from fanwise import calculate_gain
        >>> xavier_uniform(gain=calculate_gain("relu")).distribution((3, 5))
        Uniform(-1.2247448713915892, 1.2247448713915892)

    References:
        ``torch.nn.init.xavier_uniform_``; Glorot & Bengio (2010), Understanding the difficulty
        of training deep feedforward neural networks.
    """

    def _distribution(self, shape: tuple[int, ...], layout: str) -> Distribution:
        bound = math.sqrt(3.0) * self._std(shape, layout)
        return Uniform(-bound, bound)


@dataclass(frozen=True, repr=False)
class xavier_normal(_Xavier):
    r"""Xavier (Glorot) normal, not truncated.

    .. math::
        N(0, \text{std}^2), \quad
        \text{std} = \text{gain} \sqrt{\frac{2}{\text{fan\_in} + \text{fan\_out}}}

    ``jax.nn.initializers.glorot_normal`` is truncated at two standard deviations and rescaled.

    Args:
        gain: factor, at least 0; see :func:`fanwise.calculate_gain`.
        layout: the roles of the parameter's axes.

    Returns:
        An initializer for shapes that fit the layout, in float16, bfloat16, float32, float64,
        complex64 and complex128.

    Raises:
        TypeError: if ``gain`` is no real number.
        ValueError: if it is negative or not finite; on sampling, if the shape does not fit the
            layout, or both fans are 0.

    Example:
        >>> xavier_normal().distribution((3, 5))
        Normal(0.0, 0.5)

    References:
        ``torch.nn.init.xavier_normal_``; Glorot & Bengio (2010).
    """

    def _distribution(self, shape: tuple[int, ...], layout: str) -> Distribution:
        return Normal(0.0, self._std(shape, layout))
