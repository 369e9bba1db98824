"""The symmetric triangular distribution."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from fanwise import rounding, sampling
from fanwise.distributions.base import ScalarDistribution
from fanwise.distributions.uniform import check_range
from fanwise.typing import DType, compute_dtype
from fanwise.validation import real

__all__ = ["Triangular"]


@dataclass(frozen=True, repr=False)
class Triangular(ScalarDistribution):
    r"""The sum of two independent uniforms, each on [low / 2, high / 2).

    .. math:: \text{std} = (\text{high} - \text{low}) / \sqrt{24}

    torch's recurrent layers have two biases per gate, drawn alike and added; a framework with
    one bias starts like torch when that bias is drawn from this distribution, with bounds twice
    those of one of torch's.

    Args:
        low: the lower end.
        high: the upper end.

    Raises:
        TypeError: if a bound is no real number.
        ValueError: if a bound is not finite, or ``low > high``.

    Example:
        >>> hidden_size = 64
        >>> bound = 1 / math.sqrt(hidden_size)
        >>> lstm_bias = Triangular(-2 * bound, 2 * bound)
        >>> round(lstm_bias.std**2 * hidden_size, 12) == round(2 / 3, 12)
        True

    References:
        ``bias_ih + bias_hh`` of ``torch.nn.LSTM``.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", real("Triangular", "low", self.low))
        object.__setattr__(self, "high", real("Triangular", "high", self.high))
        if self.low > self.high:
            raise ValueError(
                f"Triangular: low must not exceed high, got low={self.low!r} and high={self.high!r}"
            )

    @property
    def mean(self) -> float:
        """(low + high) / 2."""
        return self.low / 2 + self.high / 2

    @property
    def std(self) -> float:
        """(high - low) / sqrt(24)."""
        return self.high / math.sqrt(24) - self.low / math.sqrt(24)

    @property
    def support(self) -> tuple[float, float]:
        """(low, high)."""
        return self.low, self.high

    def cdf(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """P(X <= x)."""
        x = np.asarray(x, np.float64)
        if self.low == self.high:
            return np.where(x >= self.low, 1.0, 0.0)
        t = np.clip((x - self.low) / (self.high - self.low), 0.0, 1.0)
        return np.where(t < 0.5, 2 * t**2, 1 - 2 * (1 - t) ** 2)

    def _parameters(self) -> tuple[float, ...]:
        return self.low, self.high

    def _check(self, shape: tuple[int, ...], dtype: DType) -> None:
        super()._check(shape, dtype)
        check_range(str(self), self.high - self.low, dtype)

    @staticmethod
    def transform(standard: sampling.Standard, dtype: DType, *parameters: jax.Array) -> jax.Array:
        """``low`` plus half the width times the sum of two uniforms."""
        low, high = parameters
        half = high / 2 - low / 2
        first, second = (part.uniform(compute_dtype(dtype)) for part in standard.split())
        values = low + rounding.rounded_product(first + second, half)
        return jnp.minimum(values, high).astype(dtype)
