"""torch's elementwise operations, reductions and products as expressions."""

import math
from typing import Any

from fanwise.frameworks.torch_record_calls import Operands, Rule, Shape, broadcast, call, cast
from fanwise.recording.expression import Expression, Fill
from fanwise.recording.operations import ARITHMETIC, COMPARISONS

__all__ = ["RULES"]

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


def _round(a: Operands, shape: Shape, dtype: str) -> Expression:
    """To decimals, as torch does it: scaled by a power of ten, which a float32 holds exactly."""
    decimals = a.get("decimals", 0)
    power = 10.0 ** abs(decimals)
    scaled, back = ("mul", "div") if decimals > 0 else ("div", "mul")
    if not decimals:
        return call(shape, dtype, "round", a["self"])
    rounded = call(shape, dtype, "round", call(shape, dtype, scaled, a["self"], power))
    return call(shape, dtype, back, rounded, power)


def _weight_norm(a: Operands, shape: Any, dtype: str) -> Any:
    """The weight, and the norms of what stands for its direction."""
    of_weight, of_norms = shape
    direction, dim = a["v"], a.get("dim", 0)
    axes = tuple(axis for axis in range(len(of_weight)) if axis != dim)
    norms = call(of_norms, dtype, "norm", direction, ord=2.0, dim=axes, keepdim=True)
    scale = call(of_norms, dtype, "div", a["g"], norms)
    return call(of_weight, dtype, "mul", direction, scale), norms


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


def _extreme(reduce: str, pair: str) -> Rule:
    """Of all elements, or of two tensors; along an axis torch gives the indices, too."""

    def rule(a: Operands, shape: Shape, dtype: str) -> Expression | None:
        if "other" in a:
            return call(shape, dtype, pair, a["self"], a["other"])
        return None if "dim" in a else call(shape, dtype, reduce, a["self"])

    return rule


def _softmax(a: Operands, shape: Shape, dtype: str) -> Expression:
    return call(shape, dtype, "softmax", a["self"], dim=a["dim"])


def _softplus(a: Operands, shape: Shape, dtype: str) -> Expression | None:
    if a.get("beta", 1) != 1 or a.get("threshold", 20) != 20:
        return None
    return call(shape, dtype, "softplus", a["self"])


def _logit(a: Operands, shape: Shape, dtype: str) -> Expression:
    value, eps = a["self"], a.get("eps")
    if eps is not None:
        value = call(shape, dtype, "clamp", value, min=eps, max=1 - eps)
    return call(shape, dtype, "log", call(shape, dtype, "div", value, _rest(value, shape, dtype)))


def _rest(value: Expression, shape: Shape, dtype: str) -> Expression:
    return call(shape, dtype, "sub", 1.0, value)


def _matmul(left: str, right: str) -> Rule:
    return lambda a, shape, dtype: call(shape, dtype, "matmul", a[left], a[right])


def _addmm(left: str, right: str) -> Rule:
    def rule(a: Operands, shape: Shape, dtype: str) -> Expression | None:
        if a.get("beta", 1) != 1 or a.get("alpha", 1) != 1:
            return None
        return call(shape, dtype, "add", a["self"], call(shape, dtype, "matmul", a[left], a[right]))

    return rule


RULES: dict[str, Rule] = {
    **{name: _elementwise(name, "self") for name in _UNARY},
    **{name: _elementwise(new, "self") for name, new in _RENAMED.items() if new != "not"},
    **{name: _elementwise(name, "self", "other") for name in _BINARY},
    "round": _round,
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
    "max": _extreme("amax", "maximum"),
    "min": _extreme("amin", "minimum"),
    "_softmax": _softmax,
    "softplus": _softplus,
    "logit": _logit,
    "special_logit": _logit,
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
    "_weight_norm_interface": _weight_norm,
}
