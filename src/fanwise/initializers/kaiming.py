"""He et al.'s initialization: one fan and the gain of the rectifier that follows."""

import math
from dataclasses import dataclass

from fanwise.distributions import Constant, Distribution, Normal, Uniform
from fanwise.gains import NONLINEARITIES, calculate_gain
from fanwise.initializers.base import Initializer, warn_if_empty
from fanwise.layouts import fans
from fanwise.validation import choice

__all__ = ["kaiming_normal", "kaiming_uniform"]

MODES = ("fan_in", "fan_out")


@dataclass(frozen=True, repr=False)
class _Kaiming(Initializer):
    a: float | None = 0.0
    mode: str = "fan_in"
    nonlinearity: str = "leaky_relu"

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        mode = self.mode.lower() if isinstance(self.mode, str) else self.mode
        if mode not in MODES:
            choice(name, "mode", self.mode, MODES)  # raises, with the mode as it came
        choice(name, "nonlinearity", self.nonlinearity, NONLINEARITIES)
        self._set(mode=mode)
        is_slope = isinstance(self.a, (int, float)) and not isinstance(self.a, bool)
        if self.a is not None and not (is_slope and self.a == self.a):
            raise ValueError(
                f"{name}: a, the negative slope of leaky_relu, must be a Python int or float (or "
                f"None for 0.01), got {self.a!r} of type {type(self.a).__name__}; torch refuses "
                f"it as well: pass float(a)"
            )
        calculate_gain(self.nonlinearity, self.a)  # refuses a slope that cannot be squared
        if self.a is not None and abs(self.a) < 1e300:
            # numpy's float64 is a float; a plain one makes the repr a call.
            self._set(a=float(self.a))

    def _std(self, shape: tuple[int, ...], layout: str) -> float | None:
        """The std, in torch's order of operations; None, after a warning, for empty shapes."""
        if warn_if_empty(shape):
            return None
        fan = getattr(fans(shape, layout), self.mode)
        return calculate_gain(self.nonlinearity, self.a) / math.sqrt(fan)


@dataclass(frozen=True, repr=False)
class kaiming_uniform(_Kaiming):
    r"""Kaiming (He) uniform.

    .. math::
        U(-b, b), \quad b = \text{gain} \sqrt{\frac{3}{\text{fan}}}, \quad
        \text{std} = \frac{\text{gain}}{\sqrt{\text{fan}}}

    with the gain of :func:`fanwise.calculate_gain`: sqrt(2 / (1 + a**2)) for the default
    ``leaky_relu``. With ``a=math.sqrt(5)`` this is the default of torch's Linear and Conv
    weights, U(-1/sqrt(fan_in), 1/sqrt(fan_in)).

    Args:
        a: negative slope of the rectifier that follows; counts for ``leaky_relu`` only. None is
            0.01, as in torch.
        mode: ``"fan_in"`` keeps the variance of the signal in the forward pass, ``"fan_out"``
            that of the gradient in the backward pass. Upper case is taken, as in torch.
        nonlinearity: a name of :func:`fanwise.calculate_gain`.
        layout: the roles of the parameter's axes.

    Returns:
        An initializer for shapes that fit the layout, in float16, bfloat16, float32, float64,
        complex64 and complex128. A shape without elements gives torch's warning and an empty
        array.

    Raises:
        TypeError: if ``mode`` or ``nonlinearity`` is no string.
        ValueError: if one is unknown, or ``a`` is a bool, NaN or no Python number; on sampling,
            if the shape does not fit the layout.

    Example:
        >>> kaiming_uniform(mode="fan_out").distribution((3, 3, 64, 128))
        Uniform(-0.0721687836487..., 0.0721687836487...)

    References:
        ``torch.nn.init.kaiming_uniform_``; He et al. (2015), Delving deep into rectifiers.
    """

    def _distribution(self, shape: tuple[int, ...], layout: str) -> Distribution:
        std = self._std(shape, layout)
        if std is None:
            return Constant(0.0)
        bound = math.sqrt(3.0) * std
        return Uniform(-bound, bound)


@dataclass(frozen=True, repr=False)
class kaiming_normal(_Kaiming):
    r"""Kaiming (He) normal, not truncated.

    .. math:: N(0, \text{std}^2), \quad \text{std} = \frac{\text{gain}}{\sqrt{\text{fan}}}

    ``jax.nn.initializers.he_normal`` is truncated at two standard deviations and rescaled.

    Args:
        a: negative slope of the rectifier that follows; counts for ``leaky_relu`` only. None is
            0.01, as in torch.
        mode: ``"fan_in"`` keeps the variance of the signal in the forward pass, ``"fan_out"``
            that of the gradient in the backward pass. Upper case is taken, as in torch.
        nonlinearity: a name of :func:`fanwise.calculate_gain`.
        layout: the roles of the parameter's axes.

    Returns:
        An initializer for shapes that fit the layout, in float16, bfloat16, float32, float64,
        complex64 and complex128. A shape without elements gives torch's warning and an empty
        array.

    Raises:
        TypeError: if ``mode`` or ``nonlinearity`` is no string.
        ValueError: if one is unknown, or ``a`` is a bool, NaN or no Python number; on sampling,
            if the shape does not fit the layout.

    Example:
        >>> kaiming_normal(mode="fan_out", nonlinearity="relu")
        kaiming_normal(mode='fan_out', nonlinearity='relu')
        >>> kaiming_normal().distribution((128, 64), layout="OI...").std == math.sqrt(2 / 64)
        True

    References:
        ``torch.nn.init.kaiming_normal_``; He et al. (2015), Delving deep into rectifiers.
    """

    def _distribution(self, shape: tuple[int, ...], layout: str) -> Distribution:
        std = self._std(shape, layout)
        return Constant(0.0) if std is None else Normal(0.0, std)
