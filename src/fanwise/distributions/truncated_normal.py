"""The normal distribution restricted to an interval."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from fanwise import rounding, sampling
from fanwise.distributions.base import ScalarDistribution
from fanwise.distributions.normal import Normal, standard_normal_cdf
from fanwise.distributions.normal_quantile import normal_quantile
from fanwise.typing import DType, compute_dtype
from fanwise.validation import real

__all__ = ["TruncatedNormal", "std_of_cut_normal"]

# Beyond this many standard deviations the tail probability underflows float64.
_FARTHEST = 37.0
# exp(-x^2 / 2) is e^-50 here.
_NEGLIGIBLE = 10.0


@dataclass(frozen=True, repr=False)
class TruncatedNormal(ScalarDistribution):
    r"""A normal of mean ``loc`` and std ``scale``, restricted to [low, high].

    ``low`` and ``high`` are absolute values, as in torch, not multiples of the scale, as in JAX;
    ``scale`` is the std *before* the truncation, as in torch. What is drawn has the moments
    ``mean`` and ``std``:

    .. math::
        \text{mean} = \text{loc} + \text{scale}\,\frac{\phi(\alpha) - \phi(\beta)}{P}, \quad
        \text{std}^2 = \text{scale}^2 \Bigl(1 + \frac{\alpha\phi(\alpha) - \beta\phi(\beta)}{P}
        - \Bigl(\frac{\phi(\alpha) - \phi(\beta)}{P}\Bigr)^2\Bigr)

    with :math:`\alpha = (\text{low} - \text{loc})/\text{scale}`, :math:`\beta` alike, and
    :math:`P = \Phi(\beta) - \Phi(\alpha)`. Values come from the inverse cdf of one uniform, taken
    from the nearer tail, so bounds far out in a tail cost no accuracy. torch draws until a value
    falls inside; the distribution is the same. In float32 values lie about 1e-7 scales apart, so
    that an interval narrower than 1e-3 scales holds fewer of them than float32 has there.

    Args:
        loc: mean of the normal before truncation.
        scale: its standard deviation, greater than 0.
        low: the smallest value, possibly -inf.
        high: the largest value, possibly inf.

    Raises:
        TypeError: if an argument is no real number.
        ValueError: if ``scale`` is not positive, ``low > high``, an argument is NaN, or the whole
            interval lies more than 37 scales from ``loc``, where no float holds its probability.

    Example:
        >>> TruncatedNormal(0, 1, -2, 2).std
        0.87962566103423...
        >>> TruncatedNormal(0, 0.02, -2, 2).std  # 100 standard deviations: nothing is cut off
        0.02

    References:
        ``torch.nn.init.trunc_normal_``; the inverse cdf is in
        :mod:`fanwise.distributions.normal_quantile`.
    """

    is_long = True

    loc: float
    scale: float
    low: float
    high: float

    takes_complex = False

    def __post_init__(self) -> None:
        name = "TruncatedNormal"
        object.__setattr__(self, "loc", real(name, "loc", self.loc))
        object.__setattr__(self, "scale", real(name, "scale", self.scale, above=0.0))
        object.__setattr__(self, "low", real(name, "low", self.low, finite=False))
        object.__setattr__(self, "high", real(name, "high", self.high, finite=False))
        if self.low > self.high or self.low == math.inf or self.high == -math.inf:
            raise ValueError(
                f"{name}: low must not exceed high, got low={self.low!r} and high={self.high!r}"
            )
        nearest = max(self._alpha, -self._beta)
        if nearest > _FARTHEST:
            raise ValueError(
                f"{name}: [{self.low:g}, {self.high:g}] begins {nearest:g} scales away from "
                f"loc={self.loc:g}; at most {_FARTHEST:g} are possible: beyond, no float holds "
                f"the probability. Are the bounds meant in units of scale={self.scale:g}?"
            )

    @property
    def _alpha(self) -> float:
        return (self.low - self.loc) / self.scale

    @property
    def _beta(self) -> float:
        return (self.high - self.loc) / self.scale

    @property
    def mean(self) -> float:
        """The mean of what is drawn."""
        return self.loc + self.scale * self._moments()[0]

    @property
    def std(self) -> float:
        """The standard deviation of what is drawn, smaller than ``scale``."""
        return self.scale * math.sqrt(self._moments()[1])

    @property
    def support(self) -> tuple[float, float]:
        """(low, high)."""
        return self.low, self.high

    def _moments(self) -> tuple[float, float]:
        """Mean and variance for loc 0 and scale 1."""
        alpha, beta = self._alpha, self._beta
        if alpha == beta:
            return alpha, 0.0
        if alpha < -_NEGLIGIBLE and beta > _NEGLIGIBLE:
            return 0.0, 1.0
        return _integrated_moments(alpha, beta)

    def cdf(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """P(X <= x)."""
        x = np.asarray(x, np.float64)
        if self.low == self.high:
            return np.where(x >= self.low, 1.0, 0.0)
        z = np.clip((x - self.loc) / self.scale, self._alpha, self._beta)
        if self._alpha > 0:  # differences of upper tails keep their digits there
            top, bottom = _upper_tail(self._alpha), _upper_tail(self._beta)
            share = (top - standard_normal_cdf(-z)) / (top - bottom)
        else:
            bottom, top = _upper_tail(-self._alpha), _upper_tail(-self._beta)
            share = (standard_normal_cdf(z) - bottom) / (top - bottom)
        # Rounding leaves 1e-15 where there must be nothing, and lets narrow intervals overshoot.
        share = np.clip(share, 0.0, 1.0)
        return np.where(x >= self.high, 1.0, np.where(x <= self.low, 0.0, share))

    def _check(self, shape: tuple[int, ...], dtype: DType) -> None:
        Normal(self.loc, self.scale)._check(shape, dtype)

    def scalars(self, dtype: DType) -> tuple[npt.NDArray[np.floating[Any]], ...]:
        """Bounds beyond the largest value of the dtype are infinite in it, as in torch."""
        with np.errstate(over="ignore"):
            return super().scalars(dtype)

    def _parameters(self) -> tuple[float, ...]:
        """loc, scale and the bounds, and the constants of the inverse cdf.

        The interval is mirrored, if need be, so that its nearer end beta is the one closer to
        the mean from below: then Phi(beta) is the larger of the two end probabilities and not
        tiny unless both are. ``ratio`` is Phi(alpha) / Phi(beta), ``log_top`` is log Phi(beta).
        """
        alpha, beta, sign = self._alpha, self._beta, 1.0
        if alpha + beta > 0:
            alpha, beta, sign = -beta, -alpha, -1.0
        top = _upper_tail(-beta)
        ratio = _upper_tail(-alpha) / top
        return (
            self.loc,
            self.scale * sign,
            self.low,
            self.high,
            top,
            math.log(top),
            ratio,
            _upper_tail(beta),
        )

    @staticmethod
    def transform(standard: sampling.Standard, dtype: DType, *parameters: jax.Array) -> jax.Array:
        """``loc + scale * quantile(u)``, kept within the bounds."""
        loc, scale, low, high, top, log_top, ratio, rest = parameters
        u = standard.uniform(compute_dtype(dtype))
        # To the middle of each cell of the uniform's grid, so that neither 0 nor 1 occurs and
        # 1 - u is exact.
        u = u + jnp.asarray(jnp.finfo(u.dtype).eps / 2, u.dtype)
        share = ratio + rounding.rounded_product(u, 1 - ratio)
        lower = rounding.rounded_product(share, top)
        upper = rest + rounding.rounded_product(1 - u, top - rounding.rounded_product(top, ratio))
        z = normal_quantile(share, log_top, lower, upper)
        values = rounding.rounded_product(z, scale) + loc
        return jnp.clip(values, low, high).astype(dtype)


@cache
def std_of_cut_normal() -> float:
    """The std of a standard normal that is truncated at two of its own, as JAX and Flax cut it."""
    # A function, and so not on import: see fanwise.expectation.
    return TruncatedNormal(0.0, 1.0, -2.0, 2.0).std


def _upper_tail(t: float) -> float:
    """P(Z > t) for standard normal Z."""
    return math.erfc(t / math.sqrt(2)) / 2


@cache
def _gauss_legendre() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    nodes, weights = np.polynomial.legendre.leggauss(100)
    return np.asarray(nodes, np.float64), np.asarray(weights, np.float64)


def _integrated_moments(alpha: float, beta: float) -> tuple[float, float]:
    """Moments by Gauss-Legendre quadrature; the closed form loses its digits in narrow intervals
    and in tails.

    What lies where the density is below e^-50 of its largest value is left out.
    """
    if alpha + beta < 0:
        mean, variance = _integrated_moments(-beta, -alpha)
        return -mean, variance
    low = max(alpha, -_NEGLIGIBLE)
    nearest = max(low, 0.0)
    width = min(beta, math.hypot(nearest, _NEGLIGIBLE)) - low
    nodes, weights = _gauss_legendre()
    t = width * (nodes + 1) / 2
    # The exponent is that of exp(-(low + t)^2 / 2) relative to its largest value.
    mass = weights * np.exp((nearest - low - t) * (nearest + low + t) / 2)
    mean = float(mass @ t / mass.sum())
    variance = float(mass @ (t - mean) ** 2 / mass.sum())
    return (0.0 if alpha == -beta else low + mean), variance
