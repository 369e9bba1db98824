"""What every distribution answers, and how a sample is drawn.

A Distribution is a frozen dataclass of Python numbers. Two built alike are equal; ``repr`` gives
the call that builds it, ``str`` a short form for tables. Only :meth:`Distribution.sample` touches
random numbers.
"""

import abc
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax.sharding import NamedSharding

from fanwise import keys, placement, rounding, sampling
from fanwise.typing import (
    RANDOM_DTYPES,
    DType,
    DTypeLike,
    Key,
    OutSharding,
    Shape,
    canonical_dtype,
    canonical_shape,
    compute_dtype,
    is_complex,
    part_dtype,
)

__all__ = ["Distribution", "ScalarDistribution", "draw_scalars"]


@dataclasses.dataclass(frozen=True)
class Distribution(abc.ABC):
    """What the elements of one parameter are drawn from, jointly."""

    takes_complex: ClassVar[bool] = True
    """Whether torch draws this in complex dtypes."""

    def sample(
        self,
        key: Key,
        shape: Shape,
        dtype: DTypeLike | None = None,
        out_sharding: OutSharding = None,
    ) -> jax.Array:
        """Draw an array.

        Values in bfloat16 and float16 are drawn in float32 and rounded once.

        Args:
            key: a JAX PRNG key, typed or old-style.
            shape: the array's shape.
            dtype: float16, bfloat16, float32, float64 (with ``jax_enable_x64``; without it JAX
                warns and makes it float32), complex64 or complex128 where torch takes complex;
                None is JAX's default floating dtype.
            out_sharding: how to lay the array out over devices: a NamedSharding, a PartitionSpec
                on the surrounding mesh, or None.

        Returns:
            An array of ``shape`` and ``dtype``.

        Raises:
            TypeError: for a bad key, shape, dtype or sharding.
            ValueError: where the shape does not suit the distribution, or its numbers do not
                fit the dtype.
        """
        sizes, resolved = self.check(key, shape, dtype)
        sharding = placement.out_sharding_of(out_sharding)
        key = keys.hidden_constant(key)
        with placement.mesh_of(sharding, key):
            return self._draw(key, sizes, resolved, sharding)

    def check(
        self, key: Key, shape: Shape, dtype: DTypeLike | None
    ) -> tuple[tuple[int, ...], DType]:
        """Check the arguments of :meth:`sample`; return shape and dtype as they will be."""
        keys.check_key(key)
        sizes = canonical_shape(shape)
        resolved = self._check_dtype(canonical_dtype(dtype))
        self._check(sizes, resolved)
        return sizes, resolved

    def _check_dtype(self, dtype: DType) -> DType:
        allowed = RANDOM_DTYPES if self.takes_complex else RANDOM_DTYPES[:4]
        if dtype.name not in allowed:
            complex_note = "; torch refuses complex here as well" if dtype.kind == "c" else ""
            raise TypeError(
                f"{type(self).__name__}: dtype must be one of {', '.join(allowed)}, got "
                f"{dtype.name}{complex_note}"
            )
        return dtype

    @abc.abstractmethod
    def _check(self, shape: tuple[int, ...], dtype: DType) -> None:
        """Refuse shapes and dtypes that this distribution cannot fill."""

    @abc.abstractmethod
    def _draw(
        self, key: Key, shape: tuple[int, ...], dtype: DType, sharding: NamedSharding | None
    ) -> jax.Array:
        """Draw, all arguments being checked."""

    def __repr__(self) -> str:
        return self._call(repr)

    def __str__(self) -> str:
        return self._call(lambda value: f"{value:.4g}" if isinstance(value, float) else repr(value))

    def _call(self, show: Callable[[Any], str]) -> str:
        positional, named = [], []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not field.kw_only:
                positional.append(show(value))
            elif value != field.default:
                named.append(f"{field.name}={show(value)}")
        return f"{type(self).__name__}({', '.join([*positional, *named])})"


@dataclasses.dataclass(frozen=True, repr=False)
class ScalarDistribution(Distribution):
    """A distribution whose elements are independent draws of one real random variable.

    In a complex dtype the real and the imaginary part are drawn independently, as torch does:
    each from the distribution itself, but for :class:`Normal`, whose std is divided by sqrt(2).
    """

    #: Whether an element is a long function of one uniform: fanwise.tiling then makes all uniforms
    #: of a tile first.
    is_long: ClassVar[bool] = False

    # Fields in one subclass (Normal) and properties in the others; an abstract property here
    # would be taken for the field's default.
    if TYPE_CHECKING:

        @property
        def mean(self) -> float:
            """The mean of an element."""

        @property
        def std(self) -> float:
            """The standard deviation of an element."""

    @property
    @abc.abstractmethod
    def support(self) -> tuple[float, float]:
        """The smallest interval that holds every value, infinite ends included."""

    @abc.abstractmethod
    def cdf(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """P(X <= x) in float64, an array of the shape of ``x``."""

    @abc.abstractmethod
    def _parameters(self) -> tuple[float, ...]:
        """The numbers that :meth:`transform` takes."""

    @staticmethod
    @abc.abstractmethod
    def transform(standard: sampling.Standard, dtype: DType, *parameters: jax.Array) -> jax.Array:
        """Draw in ``dtype``, a real one; the parameters are scalars of its compute dtype."""

    def _complex_part(self) -> "ScalarDistribution":
        """What the real and the imaginary part of a complex value are drawn from."""
        return self

    def _check(self, shape: tuple[int, ...], dtype: DType) -> None:
        limit = float(jnp.finfo(part_dtype(dtype)).max)
        for value in self._parameters():
            if np.isfinite(value) and abs(value) > limit:
                raise ValueError(
                    f"{self}: {value!r} does not fit {dtype.name}, whose largest value is "
                    f"{limit:g}; choose a smaller scale or a wider dtype"
                )

    def _draw(
        self, key: Key, shape: tuple[int, ...], dtype: DType, sharding: NamedSharding | None
    ) -> jax.Array:
        draw = _draw_scalars_wide if sampling.is_wide(key) else draw_scalars
        drawn: jax.Array = draw(type(self), key, self.scalars(dtype), shape, dtype, sharding)
        return drawn

    def scalars(self, dtype: DType) -> tuple[npt.NDArray[np.floating[Any]], ...]:
        """The arguments of :meth:`transform`.

        Scales are Python floats up to here and are rounded once, to the dtype of the arithmetic.
        They enter compiled functions as arguments, so that all scales share one compilation.
        """
        part = self._complex_part() if is_complex(dtype) else self
        return tuple(np.asarray(value, compute_dtype(dtype)) for value in part._parameters())


_STATIC = ("kind", "shape", "dtype", "sharding")


def _draw_scalars(
    kind: type[ScalarDistribution],
    key: Key,
    parameters: tuple[jax.Array, ...],
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None,
) -> jax.Array:
    """Draw a whole array of one kind of distribution, with its scalars as arguments."""

    def make(key: Key) -> jax.Array:
        if not is_complex(dtype):
            drawn = kind.transform(sampling.Whole(key, shape, sharding), dtype, *parameters)
            return rounding.finished(drawn)
        real, imaginary = sampling.Whole(key, shape, sharding).split()
        part = part_dtype(dtype)
        return jax.lax.complex(
            kind.transform(real, part, *parameters),
            kind.transform(imaginary, part, *parameters),
        )

    return placement.placed(make, key, sharding)


draw_scalars = jax.jit(_draw_scalars, static_argnames=_STATIC)

_draw_scalars_wide = jax.jit(_draw_scalars, static_argnames=_STATIC, compiler_options=sampling.WIDE)
