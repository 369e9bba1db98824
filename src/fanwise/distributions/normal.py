"""The normal distribution."""

import math
from dataclasses import dataclass

import jax
import numpy as np
import numpy.typing as npt

from fanwise import rounding, sampling
from fanwise.distributions.base import ScalarDistribution
from fanwise.typing import DType, compute_dtype
from fanwise.validation import real

__all__ = ["Normal", "standard_normal_cdf"]


def standard_normal_cdf(x: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """P(Z <= x) for standard normal Z, accurate in the lower tail."""
    # scipy is there wherever jax is, which requires it; loading it costs a tenth of a second
    # that `import fanwise` should not pay.
    from scipy.special import ndtr

    return np.asarray(ndtr(np.asarray(x, np.float64)))


@dataclass(frozen=True, repr=False)
class Normal(ScalarDistribution):
    r"""Normal with the given mean and standard deviation; not truncated.

    In a complex dtype the real and the imaginary part each have std ``std / sqrt(2)`` and mean
    ``mean``, which is what torch draws: E|z - E z|^2 is ``std**2``.

    Args:
        mean: the mean.
        std: the standard deviation, at least 0; 0 makes every value ``mean``.

    Raises:
        TypeError: if an argument is no real number.
        ValueError: if one is not finite, or ``std`` is negative.

    Example:
        >>> Normal(0, 0.02)
        Normal(0.0, 0.02)
        >>> Normal(0, 0.02).sample(jax.random.key(0), (4,), "bfloat16").dtype
        dtype(bfloat16)

    References:
        ``torch.Tensor.normal_(mean, std)``.
    """

    is_long = True

    mean: float
    std: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", real("Normal", "mean", self.mean))
        object.__setattr__(self, "std", real("Normal", "std", self.std, minimum=0.0))

    @property
    def support(self) -> tuple[float, float]:
        """The whole line, or one point if ``std`` is 0."""
        return (self.mean, self.mean) if self.std == 0 else (-math.inf, math.inf)

    def cdf(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """P(X <= x)."""
        x = np.asarray(x, np.float64)
        if self.std == 0:
            return np.where(x >= self.mean, 1.0, 0.0)
        return standard_normal_cdf((x - self.mean) / self.std)

    def _parameters(self) -> tuple[float, ...]:
        return self.mean, self.std

    def _complex_part(self) -> "Normal":
        return Normal(self.mean, self.std / math.sqrt(2))

    @staticmethod
    def transform(standard: sampling.Standard, dtype: DType, *parameters: jax.Array) -> jax.Array:
        """``mean + std * z``."""
        mean, std = parameters
        z = standard.normal(compute_dtype(dtype))
        return (rounding.rounded_product(z, std) + mean).astype(dtype)
