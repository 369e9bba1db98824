"""The normal distribution restricted to an interval."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from fanwise import sampling
from fanwise.distributions.base import ScalarDistribution
from fanwise.distributions.normal import standard_normal_cdf
from fanwise.distributions.normal_quantile import normal_quantile
from fanwise.typing import DType, compute_dtype
from fanwise.validation import real

__all__ = ["TruncatedNormal"]

# Beyond this many standard deviations the tail probability underflows float64.
_FARTHEST = 37.0


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
    falls inside; the distribution is the same.

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
        if alpha > 5 or beta < -5 or beta - alpha < 1e-2:
            return _integrated_moments(alpha, beta)
        density = [math.exp(-(t**2) / 2) / math.sqrt(2 * math.pi) for t in (alpha, beta)]
        inside = _upper_tail(alpha) - _upper_tail(beta)
        shift = (density[0] - density[1]) / inside
        edges = [t * d if d > 0 else 0.0 for t, d in zip((alpha, beta), density, strict=True)]
        return shift, 1 + (edges[0] - edges[1]) / inside - shift**2

    def cdf(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """P(X <= x)."""
        x = np.asarray(x, np.float64)
        if self.low == self.high:
            return np.where(x >= self.low, 1.0, 0.0)
        z = np.clip((x - self.loc) / self.scale, self._alpha, self._beta)
        if self._alpha > 0:  # differences of upper tails keep their digits there
            top, bottom = _upper_tail(self._alpha), _upper_tail(self._beta)
            return np.asarray((top - standard_normal_cdf(-z)) / (top - bottom))
        bottom, top = _upper_tail(-self._alpha), _upper_tail(-self._beta)
        return np.asarray((standard_normal_cdf(z) - bottom) / (top - bottom))

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
        share = ratio + sampling.rounded_product(u, 1 - ratio)
        lower = sampling.rounded_product(share, top)
        upper = rest + sampling.rounded_product(1 - u, top - sampling.rounded_product(top, ratio))
        z = normal_quantile(share, log_top, lower, upper)
        values = sampling.rounded_product(z, scale) + loc
        return jnp.clip(values, low, high).astype(dtype)


def _upper_tail(t: float) -> float:
    """P(Z > t) for standard normal Z."""
    return math.erfc(t / math.sqrt(2)) / 2


def _integrated_moments(alpha: float, beta: float) -> tuple[float, float]:
    """Moments by Gauss-Legendre quadrature, where the closed form loses its digits.

    The density relative to its value at the end nearer to 0 falls off over a length 1/|end|, so
    fifty such lengths hold all that float64 can see.
    """
    if abs(alpha) > abs(beta):
        mean, variance = _integrated_moments(-beta, -alpha)
        return -mean, variance
    width = min(beta - alpha, 50 / max(alpha, 1.0))
    nodes, weights = np.polynomial.legendre.leggauss(200)
    t = width * (nodes + 1) / 2
    mass = weights * np.exp(-(t**2) / 2 - alpha * t)
    mean = float(mass @ t / mass.sum())
    return alpha + mean, float(mass @ (t - mean) ** 2 / mass.sum())
