"""Building expressions: calls, casts and broadcasts, computed at once where that is exact."""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from fanwise.recording.expression import Call, Expression, Fill, Unknown, holds

__all__ = ["Operands", "Rule", "Shape", "broadcast", "call", "cast"]

Operands: TypeAlias = Mapping[str, Any]
Shape: TypeAlias = tuple[int, ...]
Rule: TypeAlias = Callable[[Operands, Shape, str], Any]
"""From the operation's arguments (tensors as expressions), and the shape and dtype of the result,
to an expression, a tuple of them, or None if these arguments cannot be expressed."""


def _kind_of_number(value: Any) -> str:
    """The dtype in which a Python number enters an operation."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64"
    return "complex64" if isinstance(value, complex) else "float32"


def _operand(value: Any) -> Expression:
    if isinstance(value, Expression):
        return value
    return Fill((), _kind_of_number(value), value)


def cast(value: Expression, dtype: str) -> Expression:
    """In another dtype."""
    if value.dtype == dtype:
        return value
    if isinstance(value, Unknown):
        return Unknown(value.shape, dtype, value.operation, value.advice)
    is_widened = value.dtype in ("bfloat16", "float16")
    if isinstance(value, Fill) and dtype == "float16" and not holds(dtype, value.value):
        with np.errstate(over="ignore"):
            return Fill(value.shape, dtype, float(np.float16(value.value.real)))
    if isinstance(value, Fill) and dtype != "bool" and not holds(dtype, value.value):
        return Unknown(value.shape, dtype, f"a number that {dtype} does not hold ({value.value})")
    if isinstance(value, Fill) and not is_widened and not isinstance(value.value, complex):
        if dtype.startswith(("int", "uint")):
            return Fill(value.shape, dtype, float(math.trunc(value.value)))
        if dtype == "bool":
            return Fill(value.shape, dtype, float(value.value != 0))
        return Fill(value.shape, dtype, value.value)
    return Call(value.shape, dtype, "cast", (value,))


def broadcast(value: Expression, shape: Shape) -> Expression:
    """Repeated along new axes and those of length 1."""
    if value.shape == shape:
        return value
    if isinstance(value, Fill):
        return Fill(shape, value.dtype, value.value)
    if isinstance(value, Unknown):
        return Unknown(shape, value.dtype, value.operation, value.advice)
    if math.prod(value.shape) == math.prod(shape):
        return Call(shape, value.dtype, "reshape", (value,), (("shape", shape),))
    return Call(shape, value.dtype, "broadcast", (value,), (("shape", shape),))


def call(shape: Shape, dtype: str, name: str, *operands: Any, **settings: Any) -> Expression:
    """A call, computed at once where it is of one number everywhere."""
    found = tuple(_operand(each) for each in operands)
    folded = _folded(name, found, settings)
    is_exact = folded is not None and holds(dtype, folded)
    if is_exact and not dtype.startswith("complex"):
        return Fill(shape, dtype, folded)
    given = tuple((key, value) for key, value in settings.items() if value is not None)
    return Call(shape, dtype, name, found, given)


def _folded(name: str, operands: tuple[Expression, ...], settings: Mapping[str, Any]) -> Any:
    """Arithmetic of Python numbers, which is exact where float32 is not."""
    numbers = [each.value for each in operands if isinstance(each, Fill)]
    if len(numbers) < len(operands) or any(isinstance(each, complex) for each in numbers):
        return None
    compute = _PYTHON.get(name)
    if compute is None or settings.get("rounding_mode"):
        return None
    if any(each.dtype.startswith(("int", "uint", "bool")) for each in operands if each.shape):
        return None
    try:
        return float(compute(*numbers))
    except (ValueError, OverflowError, ZeroDivisionError):
        return None


_PYTHON: dict[str, Callable[..., float]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
}
