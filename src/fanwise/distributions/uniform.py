"""The continuous uniform distribution."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from fanwise import rounding, sampling
from fanwise.distributions.base import ScalarDistribution
from fanwise.typing import DType, compute_dtype, part_dtype
from fanwise.validation import real

__all__ = ["Uniform", "check_range"]


def check_range(owner: str, span: float, dtype: DType) -> None:
    """Raise ValueError where the difference of two bounds overflows, as torch does."""
    limit = float(jnp.finfo(part_dtype(dtype)).max)
    if span > limit:
        raise ValueError(
            f"{owner}: high - low = {span!r} does not fit {dtype.name}, whose largest value is "
            f"{limit:g}; torch refuses this range as well: choose a smaller scale or a wider dtype"
        )


@dataclass(frozen=True, repr=False)
class Uniform(ScalarDistribution):
    r"""Uniform on the half-open interval [low, high).

    .. math:: \text{std} = (\text{high} - \text{low}) / \sqrt{12}

    The interval is half-open in every dtype, as in torch: a value that rounds to ``high`` in the
    requested dtype becomes ``low``. In a complex dtype the real and the imaginary part are each
    drawn from [low, high), so that the variance of a value is twice that of a real one.

    Args:
        low: the smallest value.
        high: the bound that no value reaches; equal to ``low`` it makes every value ``low``.

    Raises:
        TypeError: if a bound is no real number.
        ValueError: if a bound is not finite, or ``low > high``.

    Example:
        >>> d = Uniform(-1, 1)
        >>> d.std
        0.577350269189625...
        >>> d.sample(jax.random.key(0), (2, 3)).shape
        (2, 3)

    References:
        ``torch.Tensor.uniform_(from, to)``.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", real("Uniform", "low", self.low))
        object.__setattr__(self, "high", real("Uniform", "high", self.high))
        if self.low > self.high:
            raise ValueError(
                f"Uniform: low must not exceed high, got low={self.low!r} and high={self.high!r}"
            )

    @property
    def mean(self) -> float:
        """(low + high) / 2."""
        return self.low / 2 + self.high / 2

    @property
    def std(self) -> float:
        """(high - low) / sqrt(12)."""
        return self.high / math.sqrt(12) - self.low / math.sqrt(12)

    @property
    def support(self) -> tuple[float, float]:
        """(low, high)."""
        return self.low, self.high

    def cdf(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """P(X <= x)."""
        x = np.asarray(x, np.float64)
        if self.low == self.high:
            return np.where(x >= self.low, 1.0, 0.0)
        return np.clip((x - self.low) / (self.high - self.low), 0.0, 1.0)

    def _parameters(self) -> tuple[float, ...]:
        return self.low, self.high

    def _check(self, shape: tuple[int, ...], dtype: DType) -> None:
        super()._check(shape, dtype)
        check_range(str(self), self.high - self.low, dtype)

    @staticmethod
    def transform(standard: sampling.Standard, dtype: DType, *parameters: jax.Array) -> jax.Array:
        """``low + (high - low) * u``, with values that round to ``high`` put to ``low``."""
        low, high = parameters
        u = standard.uniform(compute_dtype(dtype))
        values = (rounding.rounded_product(u, high - low) + low).astype(dtype)
        low, high = low.astype(dtype), high.astype(dtype)
        return jnp.where(values >= high, low, values)
