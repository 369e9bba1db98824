"""From an expression to an array."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from fanwise.recording.expression import (
    Call,
    Draw,
    Expression,
    Fill,
    Literal,
    Unknown,
    numpy_dtype,
    postorder,
)
from fanwise.recording.operations import COMPARISONS, OPERATIONS
from fanwise.typing import DType, compute_dtype, is_complex

__all__ = ["evaluate", "working_dtype"]

Array: TypeAlias = Any

# Truth values, integers, floating and complex numbers: arithmetic between two kinds is in the
# later one.
_KINDS = "biufc"

# Operands keep their own dtypes: indices, conditions, and what is not arithmetic.
_AS_THEY_ARE = frozenset({"index", "gather", "where", "and", "or", "not", "cast", "read"})


def evaluate(
    expression: Expression, draw: Callable[[Draw, DType], Array], dtype: DType | None = None
) -> Array:
    """Compute an expression.

    Args:
        expression: what to compute.
        draw: the array of a draw, in the dtype given.
        dtype: of the result; None is the expression's own, or what JAX makes of it.

    Returns:
        An array of the expression's shape. It is computed in float32 and rounded once, in float64
        if ``dtype`` is that.

    Example:
        >>> half = Call((2,), "float32", "mul", (Fill((2,), "float32", 1), Fill((), "float32", .5)))
        >>> evaluate(half, draw=None)
        Array([0.5, 0.5], dtype=float32)
    """
    wanted = _canonical(numpy_dtype(expression.dtype)) if dtype is None else dtype
    floating = compute_dtype(wanted) if wanted.kind in "fcV" else np.dtype(np.float32)
    values: dict[int, Array] = {}
    uses = _uses(expression)
    for node in postorder(expression):
        work = working_dtype(node.dtype, floating)
        operands = [values[id(each)] for each in node.arguments]
        values[id(node)] = _value(node, operands, draw, work)
        for each in node.arguments:  # eagerly, what is not needed any more takes memory
            uses[id(each)] -= 1
            if not uses[id(each)]:
                del values[id(each)]
    result = values[id(expression)]
    return result.astype(wanted)


def _canonical(dtype: DType) -> DType:
    return np.dtype(jax.dtypes.canonicalize_dtype(dtype))


def _uses(expression: Expression) -> dict[int, int]:
    counts: dict[int, int] = {}
    for node in postorder(expression):
        for each in node.arguments:
            counts[id(each)] = counts.get(id(each), 0) + 1
    return counts


def working_dtype(name: str, floating: DType) -> DType:
    """The dtype in which values of torch's dtype ``name`` are computed."""
    dtype = numpy_dtype(name)
    if is_complex(dtype):
        return np.dtype(np.complex128 if floating == np.float64 else np.complex64)
    if dtype.kind in "fV":  # bfloat16 is V to numpy
        return floating
    return _canonical(dtype)


def _value(
    node: Expression, operands: list[Array], draw: Callable[[Draw, DType], Array], work: DType
) -> Array:
    match node:
        case Draw():
            return jnp.asarray(draw(node, work))
        case Fill():
            return jnp.full(node.shape, _held(np.asarray(node.value), work))
        case Literal():
            return jnp.asarray(_held(node.array, work))
        case Call():
            return _result(node, operands, work)
        case _:
            assert isinstance(node, Unknown)
            raise ValueError(f"{node.operation} cannot be evaluated")


def _held(numbers: npt.NDArray[Any], work: DType) -> npt.NDArray[Any]:
    """Numbers of torch's 64-bit integers, where JAX has 32 bits, must not wrap around."""
    if work.kind in "iu" and numbers.size and numbers.dtype.itemsize > work.itemsize:
        limits = np.iinfo(work)
        if numbers.min() < limits.min or numbers.max() > limits.max:
            raise ValueError(
                f"the tensor must hold numbers of {work}, as JAX has no 64-bit integers unless "
                f"asked, got {numbers.min()} to {numbers.max()}; set jax_enable_x64"
            )
    return numbers.astype(work)


def _result(node: Call, operands: list[Array], work: DType) -> Array:
    settings = dict(node.settings)
    if node.operation == "cast":
        (source,) = node.operands
        return _cast(operands[0], numpy_dtype(source.dtype), numpy_dtype(node.dtype), work)
    if node.operation in COMPARISONS:
        common = max((each.dtype for each in operands), key=lambda d: (_KINDS.index(d.kind), d))
        operands = [each.astype(common) for each in operands]
    elif node.operation == "index_put":
        operands = [*(each.astype(work) for each in operands[:2]), *operands[2:]]
    elif node.operation == "where":
        operands = [operands[0], *(each.astype(work) for each in operands[1:])]
    elif node.operation not in _AS_THEY_ARE:
        operands = [each.astype(work) for each in operands]
    return OPERATIONS[node.operation](*operands, **settings).astype(work)


def _cast(value: Array, source: DType, target: DType, work: DType) -> Array:
    """What torch kept in 16 bits and made wider has been rounded by that."""
    if source.itemsize <= 2 and source.kind in "fV" and target != source:
        value = value.astype(source)
    if target.kind in "iu" and jnp.issubdtype(value.dtype, np.floating):
        value = jnp.trunc(value)
    if target.kind == "b":
        return value != 0
    return value.astype(work)


def drawn_from(arrays: Mapping[str, Array]) -> Callable[[Draw, DType], Array]:
    """Arrays by the names of draws, for :func:`evaluate`."""
    return lambda node, dtype: jnp.asarray(arrays[node.name]).astype(dtype)
