"""Initializers that draw every element alike and need no fans: uniform, normal, trunc_normal."""

import math
from dataclasses import dataclass

from fanwise.distributions import Distribution, Normal, TruncatedNormal, Uniform
from fanwise.initializers.base import Initializer
from fanwise.validation import real

__all__ = ["normal", "trunc_normal", "uniform"]


@dataclass(frozen=True, repr=False)
class uniform(Initializer):
    r"""Uniform on the half-open interval [a, b).

    .. math:: U(a, b), \quad \text{std} = (b - a) / \sqrt{12}

    ``jax.nn.initializers.uniform(scale)`` is another function: it draws from [0, scale).

    Args:
        a: the smallest value.
        b: the bound that no value reaches, in any dtype.
        layout: ignored.

    Returns:
        An initializer ``(key, shape, dtype=None, out_sharding=None) -> jax.Array`` for any shape
        and for float16, bfloat16, float32, float64, complex64 and complex128.

    Raises:
        TypeError: if a bound is no real number.
        ValueError: if a bound is not finite, or ``a > b``.

    Example:
        >>> import jax
        >>> uniform(-0.1, 0.1)(jax.random.key(0), (3, 5)).shape
        (3, 5)

    References:
        ``torch.nn.init.uniform_``.
    """

    a: float = 0.0
    b: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        a, b = real("uniform", "a", self.a), real("uniform", "b", self.b)
        if a > b:
            raise ValueError(f"uniform: a must not exceed b, got a={a!r} and b={b!r}; swap them")
        self._set(a=a, b=b)

    def _distribution(self, shape: tuple[int, ...], layout: str) -> Distribution:
        return Uniform(self.a, self.b)


@dataclass(frozen=True, repr=False)
class normal(Initializer):
    r"""Normal with the given mean and std, not truncated.

    .. math:: N(\text{mean}, \text{std}^2)

    Args:
        mean: the mean.
        std: the standard deviation, at least 0; torch's default is 1, that of
            ``jax.nn.initializers.normal`` is 0.01.
        layout: ignored.

    Returns:
        An initializer for any shape and for float16, bfloat16, float32, float64, complex64 and
        complex128. In bfloat16 values are drawn in float32 and rounded, as torch does;
        ``jax.random.normal`` has only 128 distinct values there.

    Raises:
        TypeError: if an argument is no real number.
        ValueError: if one is not finite, or ``std`` is negative.

    Example:
        >>> import jax
        >>> normal(std=0.02)(jax.random.key(0), (3, 5), "bfloat16").dtype
        dtype(bfloat16)

    References:
        ``torch.nn.init.normal_``.
    """

    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(
            mean=real("normal", "mean", self.mean),
            std=real("normal", "std", self.std, minimum=0.0),
        )

    def _distribution(self, shape: tuple[int, ...], layout: str) -> Distribution:
        return Normal(self.mean, self.std)


@dataclass(frozen=True, repr=False)
class trunc_normal(Initializer):
    r"""Normal restricted to [a, b].

    .. math:: N(\text{mean}, \text{std}^2) \text{ given } a \le x \le b

    The bounds are absolute values and ``std`` is that of the normal before truncation, both as
    in torch: with ``std=0.02`` and the default bounds nothing is cut off. In
    ``jax.nn.initializers.truncated_normal`` the bounds are multiples of the std, and in
    ``variance_scaling`` the result is scaled up to make good for the truncation. What is really
    drawn has the std that ``trunc_normal(...).distribution(shape).std`` tells: 0.8796 for the
    defaults.

    Args:
        mean: the mean of the normal.
        std: its standard deviation, greater than 0.
        a: the smallest value.
        b: the largest value.
        layout: ignored.

    Returns:
        An initializer for any shape and for float16, bfloat16, float32 and float64. Where torch
        draws again until all values are inside, here one uniform goes through the inverse cdf:
        the same distribution. Where the mean is more than two std outside of [a, b], torch warns
        that values may be wrong; here they are right, and there is no warning.

    Raises:
        TypeError: if an argument is no real number; on sampling, for complex dtypes, as torch.
        ValueError: if ``std`` is not positive (torch divides by it), ``a > b``, an argument is
            NaN; if [a, b] is infinite and holds at most 0.3 of the probability, which torch
            refuses and :class:`fanwise.distributions.TruncatedNormal` can draw; or if it begins
            over 37 std away from the mean.

    Example:
        >>> import jax
        >>> w = trunc_normal(std=0.02, a=-0.04, b=0.04)(jax.random.key(0), (1000,))
        >>> bool(abs(w).max() <= 0.04)
        True

    References:
        ``torch.nn.init.trunc_normal_``.
    """

    mean: float = 0.0
    std: float = 1.0
    a: float = -2.0
    b: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        name = "trunc_normal"
        mean = real(name, "mean", self.mean)
        std = real(name, "std", self.std, above=0.0)
        a = real(name, "a", self.a, finite=False)
        b = real(name, "b", self.b, finite=False)
        if a > b:
            raise ValueError(f"{name}: a must not exceed b, got a={a!r} and b={b!r}; swap them")
        self._set(mean=mean, std=std, a=a, b=b)
        # The distribution refuses what no float can represent.
        distribution = TruncatedNormal(mean, std, a, b)
        if math.isinf(b - a) and _inside(mean, std, a, b) <= 0.3:
            raise ValueError(
                f"{name}: torch refuses infinite bounds that hold at most 0.3 of the "
                f"probability, got a={a!r}, b={b!r}; choose a finite bound, or draw from "
                f"fanwise.distributions.{distribution!r}"
            )

    def _distribution(self, shape: tuple[int, ...], layout: str) -> Distribution:
        return TruncatedNormal(self.mean, self.std, self.a, self.b)


def _inside(mean: float, std: float, a: float, b: float) -> float:
    """The probability of [a, b], computed as torch does to choose its method."""
    low, high = (math.erf((bound - mean) / std / math.sqrt(2)) for bound in (a, b))
    return (high - low) / 2
