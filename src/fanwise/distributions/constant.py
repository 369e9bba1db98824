"""One value everywhere."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax.sharding import NamedSharding

from fanwise import placement
from fanwise.distributions.base import Distribution
from fanwise.typing import DType, Key, is_complex, part_dtype

__all__ = ["Constant", "check_holds"]


def check_holds(owner: str, value: complex, dtype: DType) -> None:
    """Raise unless ``dtype`` can hold ``value``: torch refuses such a fill, too.

    Raises:
        TypeError: if the dtype is not numeric, or the value complex and the dtype not.
        ValueError: if the value overflows the dtype, or is no integer and the dtype is one.
    """
    if not (jnp.issubdtype(dtype, np.number) or dtype == np.bool_):
        raise TypeError(f"{owner}: dtype must be numeric, got {dtype}")
    if isinstance(value, complex) and not is_complex(dtype):
        raise TypeError(
            f"{owner}: the complex value {value!r} does not fit {dtype.name}; use complex64"
        )
    parts = (value.real, value.imag) if is_complex(dtype) else (value,)
    if not all(_fits(part, part_dtype(dtype)) for part in parts):
        raise ValueError(
            f"{owner}: the value {value!r} does not fit {dtype.name}; use a dtype that holds it"
        )


def _fits(value: complex, dtype: DType) -> bool:
    assert not isinstance(value, complex)
    if dtype == np.bool_:
        return value in (0, 1)
    if jnp.issubdtype(dtype, np.integer):
        info = jnp.iinfo(dtype)
        return math.isfinite(value) and value == int(value) and info.min <= value <= info.max
    if math.isinf(value):  # some 8-bit floats have no infinities
        return math.isinf(float(np.float64(value).astype(dtype)))
    return math.isnan(value) or abs(value) <= float(jnp.finfo(dtype).max)


@dataclass(frozen=True, repr=False)
class Constant(Distribution):
    """Every element is ``value``.

    It answers what a scalar distribution answers, as the point mass that it is. Unlike random
    distributions it fills integer and boolean arrays too, as torch does, provided that the dtype
    holds the value exactly.

    Args:
        value: a real or complex number.

    Raises:
        TypeError: if ``value`` is no number.

    Example:
        >>> Constant(0.25).sample(jax.random.key(0), (3,))
        Array([0.25, 0.25, 0.25], dtype=float32)

    References:
        ``torch.Tensor.fill_``.
    """

    value: float | complex

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", _number(self.value))

    @property
    def mean(self) -> float | complex:
        """The value."""
        return self.value

    @property
    def std(self) -> float:
        """0."""
        return 0.0

    @property
    def support(self) -> tuple[float | complex, float | complex]:
        """The value, twice."""
        return self.value, self.value

    def cdf(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """P(X <= x): a step at the value.

        Raises:
            TypeError: if the value is complex; complex numbers are not ordered.
        """
        if isinstance(self.value, complex):
            raise TypeError(f"{self}: a complex value has no cdf")
        return np.where(np.asarray(x, np.float64) >= self.value, 1.0, 0.0)

    def _check_dtype(self, dtype: DType) -> DType:
        check_holds(str(self), self.value, dtype)
        return dtype

    def _check(self, shape: tuple[int, ...], dtype: DType) -> None:
        """Any shape will do."""

    def _draw(
        self, key: Key, shape: tuple[int, ...], dtype: DType, sharding: NamedSharding | None
    ) -> jax.Array:
        filled: jax.Array = _fill(np.asarray(self.value).astype(dtype), key, shape, sharding)
        return filled


@partial(jax.jit, static_argnames=("shape", "sharding"))
def _fill(
    value: jax.Array, key: Key, shape: tuple[int, ...], sharding: NamedSharding | None
) -> jax.Array:
    return placement.placed(lambda _: jnp.full(shape, value), key, sharding)


def _number(value: Any) -> float | complex:
    if isinstance(value, jax.core.Tracer):
        raise TypeError(
            f"Constant: value must be a concrete number, got the tracer {value}; compute it "
            f"outside of jit"
        )
    if isinstance(value, (np.ndarray, np.generic, jax.Array)) and value.shape == ():
        value = np.asarray(value).item() if value.dtype.kind in "biufc" else float(value)
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int):
        # As a float wherever that is exact; int64 holds more integers than float64 does.
        return float(value) if abs(value) <= 2**53 else value
    if isinstance(value, float):
        return value
    if isinstance(value, complex):
        return value
    raise TypeError(
        f"Constant: value must be one real or complex number, got {value!r} of type "
        f"{type(value).__name__}; a parameter that starts as an array needs no initializer"
    )
