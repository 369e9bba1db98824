"""What an elementwise function makes of a normal variable of any size."""

import math
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from fanwise.expectation import Array, NormalRule, normal_expectation, normal_rule

__all__ = ["Activation", "Pointwise", "pointwise_of"]

Activation: TypeAlias = Callable[[Any], Any]

# Logarithms of second moments up to which functions are evaluated: float32's range, since some
# functions are computed in it, and far from where float64 cannot hold the square of a cube.
_FARTHEST = 160.0
_FLOAT32_TOLERANCE = 1e-6


class Pointwise:
    r"""Second moments of :math:`f(z)` and :math:`f'(z)` for :math:`z \sim N(0, q)`.

    Everything is in natural logarithms. A function with :math:`f(2z) = 2 f(z)`, such as relu, is
    evaluated once and scaled. Any other is evaluated for log q between -160 and 160 and continued
    beyond as the power of q that it is there: tanh is z for small z and a sign for large ones.

    Args:
        fn: an elementwise function of a float array of one axis. It is evaluated in float64, or
            in float32 if it does not take that. Its slope is that of automatic differentiation.

    Raises:
        TypeError: if ``fn`` is not callable; on evaluation, if it is not elementwise and real.

    Example:
        >>> relu = Pointwise(jax.nn.relu)
        >>> round(math.exp(relu.log_second_moment(math.log(3.0))), 9)
        1.5
        >>> round(math.exp(relu.log_slope(math.log(3.0))), 9)
        0.5
    """

    def __init__(self, fn: Activation) -> None:
        if not callable(fn):
            raise TypeError(
                f"activation must be an elementwise function such as jax.nn.relu, or None, got "
                f"{fn!r} of type {type(fn).__name__}"
            )
        self._fn = fn
        self._known: dict[tuple[bool, float], float] = {}

    def values(self, points: Array) -> Array:
        """f at float64 points of one axis."""
        with jax.ensure_compile_time_eval(), jax.enable_x64(True):
            return self._checked(self._fn(jnp.asarray(points, self._dtype)), points)

    def slopes(self, points: Array) -> Array:
        """f' at float64 points of one axis."""
        with jax.ensure_compile_time_eval(), jax.enable_x64(True):
            at = jnp.asarray(points, self._dtype)
            return self._checked(jax.jvp(self._fn, (at,), (jnp.ones_like(at),))[1], points)

    def log_second_moment(self, log_q: float) -> float:
        """log E[f(z)^2]."""
        if self.is_homogeneous:
            return log_q + self._evaluated(False, 0.0)
        return self._moment(False, log_q)

    def log_slope(self, log_q: float) -> float:
        """log E[f'(z)^2]."""
        if self.is_homogeneous and log_q > -math.inf:
            return self._evaluated(True, 0.0)
        return self._moment(True, log_q)

    def rule(self, q: float) -> NormalRule:
        """A quadrature rule for what is made of f and f' of a variable of second moment q."""
        return normal_rule(lambda z: self.values(z) ** 2, math.sqrt(q), self._tolerance)

    @cached_property
    def is_homogeneous(self) -> bool:
        """Whether f(2z) is 2 f(z), exactly, at points of all sizes."""
        sizes = np.array([1.0, 1.25, 1.7])[:, None] * 2.0 ** np.arange(-110, 110)
        points = np.concatenate([sizes.ravel(), -sizes.ravel()])
        with np.errstate(all="ignore"):
            return bool(np.array_equal(self.values(2 * points), 2 * self.values(points)))

    @cached_property
    def _dtype(self) -> Any:
        """The widest that the function takes."""
        try:
            with jax.enable_x64(True):
                jax.eval_shape(self._fn, jax.ShapeDtypeStruct((1,), np.float64))
        except TypeError:
            return np.dtype(np.float32)
        return np.dtype(np.float64)

    @cached_property
    def _tolerance(self) -> float:
        with jax.enable_x64(True):
            given = jax.eval_shape(self._fn, jax.ShapeDtypeStruct((1,), self._dtype)).dtype
        return 1e-9 if given == np.float64 else _FLOAT32_TOLERANCE

    def _checked(self, values: Any, points: Array) -> Array:
        array = np.asarray(values)
        if array.shape != points.shape or not jnp.issubdtype(array.dtype, np.floating):
            raise TypeError(
                f"activation must be elementwise and real: {self._fn!r} took {self._dtype} of "
                f"shape {points.shape} and gave {array.dtype} of shape {array.shape}"
            )
        return array.astype(np.float64)

    def _moment(self, is_slope: bool, log_q: float) -> float:
        if math.isnan(log_q):
            return math.nan
        if abs(log_q) <= _FARTHEST:
            return self._evaluated(is_slope, log_q)
        if log_q == -math.inf:
            zero = np.zeros(1)
            return _log(float((self.slopes(zero) if is_slope else self.values(zero))[0] ** 2))
        end = math.copysign(_FARTHEST, log_q)
        last = self._evaluated(is_slope, end)
        power = (last - self._evaluated(is_slope, 0.99 * end)) / (0.01 * end)
        # A constant stays one at infinity.
        return last + power * (log_q - end) if abs(power) > 1e-6 else last

    def _evaluated(self, is_slope: bool, log_q: float) -> float:
        if (is_slope, log_q) not in self._known:
            of = self.slopes if is_slope else self.values
            with np.errstate(over="ignore"):
                moment = normal_expectation(
                    lambda z: of(z) ** 2, math.exp(log_q / 2), self._tolerance
                )
            self._known[is_slope, log_q] = _log(moment)
        return self._known[is_slope, log_q]


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf if value == 0 else math.nan


@lru_cache(maxsize=64)
def _known(activation: Activation) -> Pointwise:
    return Pointwise(activation)


def pointwise_of(activation: Activation) -> Pointwise:
    """The Pointwise of a function, with what was evaluated of it before."""
    try:
        return _known(activation)
    except TypeError:  # not hashable, or no function, which Pointwise says better
        return Pointwise(activation)
