"""torch's operations as expressions: each name of ATen that may stand between draws.

An in-place operation is the pure one of the same name, and so is one with ``out=``. What is not
listed here cannot be expressed, and makes what it computes unknown.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from fanwise.recording.expression import Call, Expression, Fill, Literal, Unknown
from fanwise.recording.operations import ARITHMETIC, COMPARISONS

__all__ = ["OVERWRITES", "Operands", "broadcast", "cast", "expressed", "kind_of_number"]

Operands: TypeAlias = Mapping[str, Any]
Shape: TypeAlias = tuple[int, ...]
Rule: TypeAlias = Callable[[Operands, Shape, str], Any]
"""From the operation's arguments (tensors as expressions), and the shape and dtype of the result,
to an expression, a tuple of them, or None if these arguments cannot be expressed."""

OVERWRITES = frozenset({"copy", "fill", "zero", "eye", "arange", "linspace"})
"""In-place operations after which nothing is left of what was there."""

_UNARY = frozenset(ARITHMETIC) - {
    *("add", "atan2", "div", "fmod", "maximum", "minimum", "mul", "pow", "remainder", "sub")
}
_RENAMED = {
    "sgn": "sign",
    "special_erfinv": "erfinv",
    "special_erf": "erf",
    "special_expm1": "expm1",
    "special_log1p": "log1p",
    "absolute": "abs",
    "logical_not": "not",
    "bitwise_not": "not",
}
_BINARY = ("atan2", "div", "fmod", "maximum", "minimum", "mul", "remainder", *COMPARISONS)


def expressed(name: str, operands: Operands, shape: Shape, dtype: str) -> Any:
    """The result of an operation; None if it cannot be expressed."""
    rule = _RULES.get(name)
    return None if rule is None else rule(operands, shape, dtype)


def kind_of_number(value: Any) -> str:
    """The dtype in which a Python number enters an operation."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64"
    return "complex64" if isinstance(value, complex) else "float32"


def _operand(value: Any) -> Expression:
    if isinstance(value, Expression):
        return value
    return Fill((), kind_of_number(value), value)


def cast(value: Expression, dtype: str) -> Expression:
    """In another dtype."""
    if value.dtype == dtype:
        return value
    if isinstance(value, Unknown):
        return Unknown(value.shape, dtype, value.operation, value.advice)
    is_widened = value.dtype in ("bfloat16", "float16")
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
    if folded is not None and not dtype.startswith("complex"):
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


def _elementwise(name: str, *arguments: str) -> Rule:
    def rule(a: Operands, shape: Shape, dtype: str) -> Expression:
        mode = a.get("rounding_mode")
        return call(shape, dtype, name, *(a[each] for each in arguments), rounding_mode=mode)

    return rule


def _sum(sign: str, *, reverse: bool = False) -> Rule:
    def rule(a: Operands, shape: Shape, dtype: str) -> Expression:
        other, alpha = a["other"], a.get("alpha", 1)
        if alpha != 1:
            of = other.shape if isinstance(other, Expression) else ()
            other = call(of, dtype, "mul", other, alpha)
        pair = (other, a["self"]) if reverse else (a["self"], other)
        return call(shape, dtype, sign, *pair)

    return rule


def _rsub(a: Operands, shape: Shape, dtype: str) -> Expression:
    scaled = a["self"]
    if a.get("alpha", 1) != 1:
        scaled = call(scaled.shape, dtype, "mul", scaled, a["alpha"])
    return call(shape, dtype, "sub", a["other"], scaled)


def _filled(key: str | None, value: float = 0.0) -> Rule:
    def rule(a: Operands, shape: Shape, dtype: str) -> Expression | None:
        given = value if key is None else a[key]
        if isinstance(given, Expression):
            return broadcast(cast(given, dtype), shape)
        if isinstance(given, complex) and not dtype.startswith("complex"):
            return None
        return Fill(shape, dtype, given if isinstance(given, complex) else _number(given, dtype))

    return rule


def _number(value: Any, dtype: str) -> float:
    if dtype == "bool":
        return float(bool(value))
    return float(math.trunc(value)) if dtype.startswith(("int", "uint")) else float(value)


def _copied(key: str) -> Rule:
    return lambda a, shape, dtype: broadcast(cast(a[key], dtype), shape)


def _clamp(a: Operands, shape: Shape, dtype: str) -> Expression:
    low, high = a.get("min"), a.get("max")
    if not isinstance(low, Expression) and not isinstance(high, Expression):
        return call(shape, dtype, "clamp", a["self"], min=low, max=high)
    value = a["self"]
    if low is not None:
        value = call(shape, dtype, "maximum", value, low)
    return value if high is None else call(shape, dtype, "minimum", value, high)


def _clamp_one(bound: str) -> Rule:
    return lambda a, shape, dtype: _clamp({"self": a["self"], bound: a[bound]}, shape, dtype)


def _logical(name: str, *, bitwise: bool = False) -> Rule:
    def rule(a: Operands, shape: Shape, dtype: str) -> Expression | None:
        return (
            None
            if bitwise and dtype != "bool"
            else call(shape, dtype, name, *(a[key] for key in ("self", "other") if key in a))
        )

    return rule


def _where(a: Operands, shape: Shape, dtype: str) -> Expression:
    return call(shape, dtype, "where", a["condition"], a["self"], a["other"])


def _masked_fill(a: Operands, shape: Shape, dtype: str) -> Expression:
    return call(shape, dtype, "where", a["mask"], a["value"], a["self"])


def _lerp(a: Operands, shape: Shape, dtype: str) -> Expression:
    step = call(shape, dtype, "sub", a["end"], a["self"])
    return call(shape, dtype, "add", a["self"], call(shape, dtype, "mul", a["weight"], step))


def _addc(name: str) -> Rule:
    def rule(a: Operands, shape: Shape, dtype: str) -> Expression:
        made = call(shape, dtype, name, a["tensor1"], a["tensor2"])
        if a.get("value", 1) != 1:
            made = call(shape, dtype, "mul", made, a["value"])
        return call(shape, dtype, "add", a["self"], made)

    return rule


def _reduced(name: str) -> Rule:
    def rule(a: Operands, shape: Shape, dtype: str) -> Any:
        dim = a.get("dim")
        if name in ("amax", "amin") and isinstance(shape, list):
            return None
        correction = a.get("correction", 1 if a.get("unbiased", True) else 0)
        more = {"correction": 1 if correction is None else correction}
        settings = more if name in ("std", "var") else {}
        axes = tuple(dim) if isinstance(dim, (list, tuple)) else dim
        return call(
            shape, dtype, name, a["self"], dim=axes, keepdim=a.get("keepdim") or None, **settings
        )

    return rule


def _norm(a: Operands, shape: Shape, dtype: str) -> Expression:
    order = a.get("p", a.get("ord"))
    dim = a.get("dim")
    axes = tuple(dim) if isinstance(dim, (list, tuple)) else dim
    order = 2.0 if order is None else float(order)
    return call(
        shape, dtype, "norm", a["self"], ord=order, dim=axes, keepdim=a.get("keepdim") or None
    )


def _matmul(left: str, right: str) -> Rule:
    return lambda a, shape, dtype: call(shape, dtype, "matmul", a[left], a[right])


def _addmm(left: str, right: str) -> Rule:
    def rule(a: Operands, shape: Shape, dtype: str) -> Expression | None:
        if a.get("beta", 1) != 1 or a.get("alpha", 1) != 1:
            return None
        return call(shape, dtype, "add", a["self"], call(shape, dtype, "matmul", a[left], a[right]))

    return rule


def _joined(name: str) -> Rule:
    def rule(a: Operands, shape: Shape, dtype: str) -> Expression:
        dim = a.get("dim", 0)
        parts = [each for each in a["tensors"] if each.shape != (0,)]
        numbers = {repr(each.value) if isinstance(each, Fill) else None for each in parts}
        if len(numbers) == 1 and None not in numbers:
            return Fill(shape, dtype, parts[0].value)
        return call(shape, dtype, name, *parts, dim=dim % max(len(shape), 1))

    return rule


def _shaped(name: str, *keys: str) -> Rule:
    def rule(a: Operands, shape: Shape, dtype: str) -> Expression:
        if isinstance(a["self"], Fill) and name not in ("tril", "triu", "diag_embed", "cumsum"):
            return Fill(shape, dtype, a["self"].value)
        settings = {
            key: tuple(a[key]) if isinstance(a[key], (list, tuple)) else a[key]
            for key in keys
            if key in a
        }
        return call(shape, dtype, name, a["self"], **settings)

    return rule


def _padded(a: Operands, shape: Shape, dtype: str) -> Expression | None:
    """torch counts the axes from the last one."""
    pairs = list(zip(a["pad"][::2], a["pad"][1::2], strict=True))
    if any(width < 0 for pair in pairs for width in pair):
        return None
    widths = tuple(reversed([*pairs, *[(0, 0)] * (len(shape) - len(pairs))]))
    if not any(width for pair in widths for width in pair):
        return broadcast(cast(a["self"], dtype), shape)
    return call(shape, dtype, "pad", a["self"], widths=widths, value=a.get("value") or 0.0)


def _reshaped(a: Operands, shape: Shape, dtype: str) -> Expression:
    return broadcast(a["self"], shape)


def _indices(a: Operands) -> tuple[list[Expression], tuple[bool, ...]] | None:
    found = [each for each in a["indices"] if each is not None]
    if not all(isinstance(each, (Literal, Fill)) and each.dtype != "bool" for each in found):
        return None
    return found, tuple(each is not None for each in a["indices"])


def _index(a: Operands, shape: Shape, dtype: str) -> Expression | None:
    indices = _indices(a)
    if indices is None:
        return None
    return call(shape, dtype, "index", a["self"], *indices[0], axes=indices[1])


def _index_put(a: Operands, shape: Shape, dtype: str) -> Expression | None:
    given, values = a["indices"], cast(a["values"], dtype)
    is_mask = len(given) == 1 and given[0] is not None and given[0].dtype == "bool"
    if is_mask and given[0].shape == shape and values.shape == () and not a.get("accumulate"):
        return call(shape, dtype, "where", given[0], values, a["self"])
    indices = _indices(a)
    if indices is None:
        return None
    return call(
        shape,
        dtype,
        "index_put",
        a["self"],
        values,
        *indices[0],
        axes=indices[1],
        accumulate=a.get("accumulate") or None,
    )


def _index_select(a: Operands, shape: Shape, dtype: str) -> Expression | None:
    axes = (False,) * (a["dim"] % max(len(a["self"].shape), 1)) + (True,)
    return _index(
        {"self": a["self"], "indices": [None if not each else a["index"] for each in axes]},
        shape,
        dtype,
    )


def _gather(a: Operands, shape: Shape, dtype: str) -> Expression:
    return call(shape, dtype, "gather", a["self"], a["index"], dim=a["dim"])


def _qr(a: Operands, shape: Any, dtype: str) -> Any:
    if a.get("mode", "reduced") == "r":
        return None
    is_complete = a.get("mode", "reduced") == "complete" or a.get("some") is False or None
    q, r = shape
    return (
        call(q, dtype, "q", a.get("A", a.get("self")), complete=is_complete),
        call(r, dtype, "r", a.get("A", a.get("self")), complete=is_complete),
    )


def _arange(a: Operands, shape: Shape, dtype: str) -> Expression:
    start, step = a.get("start", 0), a.get("step", 1)
    return call(shape, dtype, "arange", start=start, step=step, size=shape[0])


def _linspace(a: Operands, shape: Shape, dtype: str) -> Expression | None:
    if isinstance(a["start"], Expression) or isinstance(a["end"], Expression):
        return None
    return call(shape, dtype, "linspace", start=a["start"], end=a["end"], size=shape[0])


def _eye(a: Operands, shape: Shape, dtype: str) -> Expression:
    return call(shape, dtype, "eye", rows=shape[0], columns=shape[1])


_RULES: dict[str, Rule] = {
    **{name: _elementwise(name, "self") for name in _UNARY},
    **{name: _elementwise(new, "self") for name, new in _RENAMED.items() if new != "not"},
    **{name: _elementwise(name, "self", "other") for name in _BINARY},
    "pow": _elementwise("pow", "self", "exponent"),
    "float_power": _elementwise("pow", "self", "exponent"),
    "true_divide": _elementwise("div", "self", "other"),
    "divide": _elementwise("div", "self", "other"),
    "multiply": _elementwise("mul", "self", "other"),
    "add": _sum("add"),
    "sub": _sum("sub"),
    "subtract": _sum("sub"),
    "rsub": _rsub,
    "fill": _filled("value"),
    "zero": _filled(None),
    "zeros": _filled(None),
    "zeros_like": _filled(None),
    "new_zeros": _filled(None),
    "ones": _filled(None, 1.0),
    "ones_like": _filled(None, 1.0),
    "new_ones": _filled(None, 1.0),
    "full": _filled("fill_value"),
    "full_like": _filled("fill_value"),
    "new_full": _filled("fill_value"),
    "scalar_tensor": _filled("s"),
    "copy": _copied("src"),
    "clone": _copied("self"),
    "_to_copy": _copied("self"),
    "contiguous": _copied("self"),
    "lift_fresh": _copied("self"),
    "lift_fresh_copy": _copied("self"),
    "alias": _copied("self"),
    "detach": _copied("self"),
    "expand_copy": _copied("self"),
    "clamp": _clamp,
    "clip": _clamp,
    "clamp_min": _clamp_one("min"),
    "clamp_max": _clamp_one("max"),
    "logical_not": _logical("not"),
    "logical_and": _logical("and"),
    "logical_or": _logical("or"),
    "bitwise_not": _logical("not", bitwise=True),
    "bitwise_and": _logical("and", bitwise=True),
    "bitwise_or": _logical("or", bitwise=True),
    "__and__": _logical("and", bitwise=True),
    "__or__": _logical("or", bitwise=True),
    "where": _where,
    "masked_fill": _masked_fill,
    "lerp": _lerp,
    "addcmul": _addc("mul"),
    "addcdiv": _addc("div"),
    "sum": _reduced("sum"),
    "mean": _reduced("mean"),
    "prod": _reduced("prod"),
    "amax": _reduced("amax"),
    "amin": _reduced("amin"),
    "std": _reduced("std"),
    "var": _reduced("var"),
    "norm": _norm,
    "linalg_vector_norm": _norm,
    "mm": _matmul("self", "mat2"),
    "bmm": _matmul("self", "mat2"),
    "mv": _matmul("self", "vec"),
    "dot": _matmul("self", "tensor"),
    "vdot": _matmul("self", "other"),
    "addmm": _addmm("mat1", "mat2"),
    "addmv": _addmm("mat", "vec"),
    "cat": _joined("cat"),
    "stack": _joined("stack"),
    "flip": _shaped("flip", "dims"),
    "roll": _shaped("roll", "shifts", "dims"),
    "repeat": _shaped("repeat", "repeats"),
    "tril": _shaped("tril", "diagonal"),
    "triu": _shaped("triu", "diagonal"),
    "cumsum": _shaped("cumsum", "dim"),
    "constant_pad_nd": _padded,
    "_reshape_copy": _reshaped,
    "_unsafe_view": _reshaped,
    "view_copy": _reshaped,
    "index": _index,
    "index_put": _index_put,
    "_index_put_impl": _index_put,
    "index_select": _index_select,
    "gather": _gather,
    "linalg_qr": _qr,
    "arange": _arange,
    "linspace": _linspace,
    "eye": _eye,
}
