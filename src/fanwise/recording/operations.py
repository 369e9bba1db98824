"""What may be done to draws: torch's tensor operations that are pure, in JAX.

Floating numbers are float32 throughout (float64 where that is asked for), whatever torch's dtype;
a value that torch kept in 16 bits and then widened is rounded by ``cast``. Operands of arithmetic
come in the dtype of the result, those of comparisons in one dtype.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from fanwise import rounding
from fanwise.recording import strided

__all__ = ["ARITHMETIC", "COMPARISONS", "ELEMENTWISE", "OPERATIONS"]

Array: TypeAlias = Any
Operation: TypeAlias = Callable[..., Array]


def _product(x: Array, y: Array) -> Array:
    # Kept apart from a sum that follows, so that jit and an eager call agree to the bit.
    if not jnp.issubdtype(x.dtype, np.floating):
        return x * y
    return rounding.rounded_product(x, y)


def _divide(x: Array, y: Array, rounding_mode: str | None = None) -> Array:
    quotient = x / y if jnp.issubdtype(x.dtype, np.inexact) else jnp.floor_divide(x, y)
    if rounding_mode is None or not jnp.issubdtype(x.dtype, np.inexact):
        return quotient
    return jnp.floor(quotient) if rounding_mode == "floor" else jnp.trunc(quotient)


def _erfinv(x: Array) -> Array:
    return jax.lax.erf_inv(x)


def _erf(x: Array) -> Array:
    return jax.lax.erf(x)


_UNARY: dict[str, Operation] = {
    "abs": jnp.abs,
    "acos": jnp.arccos,
    "asin": jnp.arcsin,
    "atan": jnp.arctan,
    "ceil": jnp.ceil,
    "cos": jnp.cos,
    "cosh": jnp.cosh,
    "erf": _erf,
    "erfinv": _erfinv,
    "exp": jnp.exp,
    "exp2": jnp.exp2,
    "expm1": jnp.expm1,
    "floor": jnp.floor,
    "log": jnp.log,
    "log10": jnp.log10,
    "log1p": jnp.log1p,
    "log2": jnp.log2,
    "neg": jnp.negative,
    "reciprocal": jnp.reciprocal,
    "relu": jax.nn.relu,
    "round": jnp.round,
    "rsqrt": jax.lax.rsqrt,
    "sigmoid": jax.nn.sigmoid,
    "sign": jnp.sign,
    "silu": jax.nn.silu,
    "sin": jnp.sin,
    "sinh": jnp.sinh,
    "sqrt": jnp.sqrt,
    "square": jnp.square,
    "tan": jnp.tan,
    "tanh": jnp.tanh,
    "trunc": jnp.trunc,
}

_BINARY: dict[str, Operation] = {
    "add": jnp.add,
    "atan2": jnp.arctan2,
    "div": _divide,
    "fmod": jnp.fmod,
    "maximum": jnp.maximum,
    "minimum": jnp.minimum,
    "mul": _product,
    "pow": jnp.power,
    "remainder": jnp.remainder,
    "sub": jnp.subtract,
}

COMPARISONS: Mapping[str, Operation] = MappingProxyType(
    {
        "eq": jnp.equal,
        "ge": jnp.greater_equal,
        "gt": jnp.greater,
        "le": jnp.less_equal,
        "lt": jnp.less,
        "ne": jnp.not_equal,
    }
)
"""Their operands are brought to one dtype, and the result is a truth value."""

ARITHMETIC: Mapping[str, Operation] = MappingProxyType(_UNARY | _BINARY)
"""Elementwise, in the dtype of the result."""


def _where(condition: Array, x: Array, y: Array) -> Array:
    return jnp.where(condition.astype(bool), x, y)


def _axes(dim: Any) -> tuple[int, ...] | None:
    if dim is None or dim == ():
        return None
    return (dim,) if isinstance(dim, int) else tuple(dim)


def _reduction(reduce: Operation) -> Operation:
    def apply(x: Array, dim: Any = None, keepdim: bool = False) -> Array:
        return reduce(x, axis=_axes(dim), keepdims=keepdim)

    return apply


def _variance(root: bool) -> Operation:
    def apply(x: Array, dim: Any = None, keepdim: bool = False, correction: float = 1) -> Array:
        found = jnp.var(x, axis=_axes(dim), keepdims=keepdim, correction=correction)
        return jnp.sqrt(found) if root else found

    return apply


def _norm(x: Array, ord: float = 2.0, dim: Any = None, keepdim: bool = False) -> Array:
    axes, size = _axes(dim), jnp.abs(x)
    if ord == 2:
        return jnp.sqrt(jnp.sum(size * size, axis=axes, keepdims=keepdim))
    if ord == 1:
        return jnp.sum(size, axis=axes, keepdims=keepdim)
    if math.isinf(ord):
        return (jnp.max if ord > 0 else jnp.min)(size, axis=axes, keepdims=keepdim)
    if ord == 0:
        return jnp.sum(size != 0, axis=axes, keepdims=keepdim).astype(x.dtype)
    return jnp.sum(size**ord, axis=axes, keepdims=keepdim) ** (1 / ord)


def _matmul(x: Array, y: Array) -> Array:
    # In full precision also where the default for float32 is less, on GPU and TPU.
    return jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST)


def _q(x: Array, signed: bool = False, complete: bool = False) -> Array:
    """The Q of a QR factorization; ``signed``: with the diagonal of R made positive."""
    q, r = jnp.linalg.qr(x, mode="complete" if complete else "reduced")
    if signed:
        q = q * jnp.sign(jnp.diagonal(r, axis1=-2, axis2=-1))[..., None, :]
    return q


def _r(x: Array, complete: bool = False) -> Array:
    return jnp.linalg.qr(x, mode="complete" if complete else "reduced")[1]


def _index(x: Array, *indices: Array, axes: tuple[bool, ...]) -> Array:
    return x[_places(indices, axes)]


def _index_put(
    x: Array, values: Array, *indices: Array, axes: tuple[bool, ...], accumulate: bool = False
) -> Array:
    at = x.at[_places(indices, axes)]
    return at.add(values) if accumulate else at.set(values)


def _places(indices: tuple[Array, ...], axes: tuple[bool, ...]) -> tuple[Any, ...]:
    """The indices, with ``:`` for the axes that have none."""
    given = iter(indices)
    return tuple(next(given) if has_index else slice(None) for has_index in axes)


def _gather(x: Array, index: Array, dim: int) -> Array:
    return jnp.take_along_axis(x, index, axis=dim)


def _arange(start: float, step: float, size: int) -> Array:
    places = jnp.arange(size)
    is_whole = isinstance(start, int) and isinstance(step, int)
    places = places if is_whole else places.astype(jnp.float32)
    return start + step * places


def _linspace(start: float, end: float, size: int) -> Array:
    return jnp.linspace(start, end, size)


def _eye(rows: int, columns: int) -> Array:
    return jnp.eye(rows, columns)


_SHAPES: dict[str, Operation] = {
    "cat": lambda *parts, dim: jnp.concatenate(parts, axis=dim),
    "stack": lambda *parts, dim: jnp.stack(parts, axis=dim),
    "flip": lambda x, dims: jnp.flip(x, dims),
    "roll": lambda x, shifts, dims: jnp.roll(x, shifts, dims or None),
    "repeat": lambda x, repeats: jnp.tile(x, repeats),
    "reshape": lambda x, shape: x.reshape(shape),
    "broadcast": lambda x, shape: jnp.broadcast_to(x, shape),
    "read": lambda x, size, stride, offset: strided.read(x, strided.Geometry(size, stride, offset)),
    "write": lambda x, values, size, stride, offset: strided.write(
        x, values, strided.Geometry(size, stride, offset)
    ),
    "index": _index,
    "index_put": _index_put,
    "gather": _gather,
    "pad": lambda x, widths, value: jnp.pad(x, widths, constant_values=value),
    "tril": lambda x, diagonal=0: jnp.tril(x, diagonal),
    "triu": lambda x, diagonal=0: jnp.triu(x, diagonal),
}

_OTHERS: dict[str, Operation] = {
    "cast": lambda x: x,
    "where": _where,
    "clamp": lambda x, min=None, max=None: jnp.clip(x, min, max),
    "sum": _reduction(jnp.sum),
    "mean": _reduction(jnp.mean),
    "prod": _reduction(jnp.prod),
    "amax": _reduction(jnp.max),
    "amin": _reduction(jnp.min),
    "std": _variance(root=True),
    "var": _variance(root=False),
    "norm": _norm,
    "softmax": lambda x, dim: jax.nn.softmax(x, axis=dim),
    "softplus": jax.nn.softplus,
    "cumsum": lambda x, dim: jnp.cumsum(x, dim),
    "matmul": _matmul,
    "q": _q,
    "r": _r,
    "arange": _arange,
    "linspace": _linspace,
    "eye": _eye,
    "not": lambda x: jnp.logical_not(x),
    "and": lambda x, y: jnp.logical_and(x, y),
    "or": lambda x, y: jnp.logical_or(x, y),
}

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {**ARITHMETIC, **COMPARISONS, **_SHAPES, **_OTHERS}
)
"""By name: a function of the operands, with the settings as keywords."""

ELEMENTWISE = frozenset({*ARITHMETIC, *COMPARISONS, "cast", "clamp", "where", "not", "and", "or"})
"""Each element of the result is made of the elements at its place, after broadcasting."""
