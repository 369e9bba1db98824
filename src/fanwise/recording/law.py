"""Which expressions are a Distribution after all: scaled, shifted, rearranged draws, and sums."""

import math
from collections.abc import Callable
from dataclasses import replace

from fanwise.distributions import (
    Constant,
    Distribution,
    Eye,
    Normal,
    Orthogonal,
    ScalarDistribution,
    Sparse,
    Triangular,
    TruncatedNormal,
    Uniform,
)
from fanwise.layouts import TORCH
from fanwise.recording.expression import Call, Draw, Expression, Fill, holds, postorder
from fanwise.recording.operations import ELEMENTWISE
from fanwise.recording.strided import Geometry, box

__all__ = ["is_independent", "law"]

Law = Distribution | None

# The same elements in other places, or some of them.
_REARRANGED = frozenset({"read", "reshape", "broadcast", "flip", "roll", "repeat", "index"})

# A bound by which torch clips what its own arithmetic had bounded, but for rounding.
_ROUNDING = 1e-5


def law(expression: Expression) -> Law:
    """The law of an element, if all have the same; or of the whole, for structured ones."""
    found: dict[int, Law] = {}
    for node in postorder(expression):
        one = _law(node, [found[id(each)] for each in node.arguments])
        is_lost = isinstance(one, Constant) and not holds(node.dtype, one.value)
        found[id(node)] = None if is_lost else one
    return found[id(expression)]


def is_independent(expression: Expression) -> bool:
    """Whether the elements are as independent as those of one draw from the law.

    Each draw is used once, and every element of it at most once.
    """
    uses: dict[int, int] = {}
    names = []
    is_random: dict[int, bool] = {}
    for node in postorder(expression):
        is_random[id(node)] = any(is_random[id(each)] for each in node.arguments)
        if isinstance(node, Draw) and node.is_random:
            is_random[id(node)] = True
            names.append(node.name)
        if isinstance(node, Call):
            random = [each for each in node.operands if is_random[id(each)]]
            if random and not _keeps_apart(node, random):
                return False
            for each in random:
                uses[id(each)] = uses.get(id(each), 0) + 1
    return len(set(names)) == len(names) and all(count == 1 for count in uses.values())


def _keeps_apart(node: Call, random: list[Expression]) -> bool:
    if node.operation == "read":
        view = Geometry(*(node.setting(name) for name in ("size", "stride", "offset")))
        is_once = 0 not in view.stride or not view.elements
        return is_once and box(math.prod(random[0].shape), view) is not None
    if node.operation in ("reshape", "flip", "roll", "cat", "stack"):
        return True
    return node.operation in ELEMENTWISE and all(each.shape == node.shape for each in random)


def _law(node: Expression, operands: list[Law]) -> Law:
    if isinstance(node, Draw):
        return node.distribution
    if isinstance(node, Fill):
        return Constant(node.value)
    if not isinstance(node, Call):
        return None
    if node.operation in _REARRANGED:
        return _rearranged(node, operands[0])
    if node.operation in ("cat", "stack"):
        return operands[0] if len(set(operands)) == 1 and _is_scalar(operands[0]) else None
    if node.operation == "write":
        return operands[0] if operands[0] == operands[1] and _is_scalar(operands[0]) else None
    if node.operation == "eye":
        return Eye(layout=TORCH)
    rule = _RULES.get(node.operation)
    known = [each for each in operands if each is not None]
    return rule(node, known) if rule is not None and len(known) == len(operands) else None


def _is_scalar(value: Law) -> bool:
    return isinstance(value, (ScalarDistribution, Constant))


def _rearranged(node: Call, value: Law) -> Law:
    if _is_scalar(value):
        return value
    (source,) = node.operands[:1]
    if node.operation == "reshape" and isinstance(value, Orthogonal) and value.layout == TORCH:
        # torch flattens all axes but the first.
        return value if source.shape[:1] == node.shape[:1] and len(node.shape) > 1 else None
    is_transposed = (
        node.operation == "read"
        and len(source.shape) == 2
        and node.shape == source.shape[::-1]
        and node.setting("stride") == (1, source.shape[1])
    )
    if is_transposed and isinstance(value, (Orthogonal, Sparse)) and value.layout == TORCH:
        return replace(value, layout="IO")
    return None


def _affine(value: Law, scale: float, shift: float) -> Law:
    """The law of ``scale * X + shift``."""
    if scale == 0 and value is not None:
        return Constant(shift)
    match value:
        case Constant(constant):
            return Constant(scale * constant + shift)
        case Normal(mean, std):
            return Normal(scale * mean + shift, abs(scale) * std)
        case Uniform(low, high) | Triangular(low, high):
            low, high = sorted((scale * low + shift, scale * high + shift))
            return type(value)(low, high)
        case TruncatedNormal(loc, width, low, high):
            low, high = sorted((scale * low + shift, scale * high + shift))
            return TruncatedNormal(scale * loc + shift, abs(scale) * width, low, high)
        case Orthogonal(gain) if shift == 0:
            # Haar's law is symmetric, so that the sign of the gain does not matter.
            return replace(value, gain=abs(scale * gain))
        case Sparse(_, std) if shift == 0:
            return replace(value, std=abs(scale) * std)
    return None


def _sum(node: Call, x: Distribution, y: Distribution, sign: float) -> Law:
    if isinstance(y, Constant) and not isinstance(y.value, complex):
        return _affine(x, 1.0, sign * y.value)
    if isinstance(x, Constant) and not isinstance(x.value, complex):
        return _affine(y, sign, x.value)
    first, second = ({each.name for each in operand.draws} for operand in node.operands)
    if first & second:
        return None
    match x, y:
        case Normal(), Normal():
            return Normal(x.mean + sign * y.mean, math.hypot(x.std, y.std))
        case Uniform(), Uniform() if math.isclose(x.high - x.low, y.high - y.low, rel_tol=1e-12):
            low, high = sorted((sign * y.low, sign * y.high))
            return Triangular(x.low + low, x.high + high)
    return None


def _product(node: Call, x: Distribution, y: Distribution) -> Law:
    if isinstance(y, Constant) and not isinstance(y.value, complex):
        return _affine(x, y.value, 0.0)
    if isinstance(x, Constant) and not isinstance(x.value, complex):
        return _affine(y, x.value, 0.0)
    return None


def _quotient(node: Call, x: Distribution, y: Distribution) -> Law:
    if not isinstance(y, Constant) or isinstance(y.value, complex) or node.setting("rounding_mode"):
        return None
    if y.value == 0 or node.dtype.startswith("int"):
        return None
    match x:
        # Divided, not multiplied with the reciprocal, which is rounded once more.
        case Normal(mean, std):
            return Normal(mean / y.value, std / abs(y.value))
        case Uniform(low, high) | Triangular(low, high):
            return type(x)(*sorted((low / y.value, high / y.value)))
        case Constant(value):
            return Constant(value / y.value)
    return _affine(x, 1 / y.value, 0.0)


def _erfinv(node: Call, x: Distribution) -> Law:
    """A uniform through the inverse error function: a normal of variance 1/2, cut off."""
    if not isinstance(x, Uniform) or not -1 <= x.low < x.high <= 1:
        return None
    from scipy.special import erfinv  # scipy is there wherever jax is

    width = math.sqrt(0.5)
    if (x.low, x.high) == (-1.0, 1.0):
        return Normal(0.0, width)
    return TruncatedNormal(0.0, width, float(erfinv(x.low)), float(erfinv(x.high)))


def _clamp(node: Call, x: Distribution) -> Law:
    """Bounds that bound nothing, or repeat those there are."""
    low, high = node.setting("min"), node.setting("max")
    low, high = -math.inf if low is None else low, math.inf if high is None else high
    if isinstance(x, Constant) and not isinstance(x.value, complex):
        return Constant(min(max(x.value, low), high))
    if isinstance(x, TruncatedNormal):
        mirrored = TruncatedNormal(-x.loc, x.scale, -x.high, -x.low)
        if _bounds_again(x, low) and _bounds_again(mirrored, -high):
            return replace(x, low=max(x.low, low), high=min(x.high, high))
        return None
    if isinstance(x, ScalarDistribution) and low <= x.support[0] and x.support[1] <= high:
        return x
    return None


def _bounds_again(x: TruncatedNormal, low: float) -> bool:
    """Whether a lower bound leaves the law as it is."""
    if low <= x.low + _ROUNDING * x.scale:
        return True
    # Where the law has no bound of its own, one so far out that float32 never reaches it.
    is_wide = x.low < x.loc - 5 * x.scale and x.loc <= x.high
    return is_wide and low < x.loc - 8 * x.scale


def _cast(node: Call, x: Distribution) -> Law:
    (source,) = node.operands
    if not _is_floating(source.dtype) or not _is_floating(node.dtype):
        return None
    # What was rounded to 16 bits and is wider again lies on a grid.
    is_rounded = source.dtype.endswith("16") and source.dtype != node.dtype
    return None if is_rounded and not isinstance(x, Constant) else x


def _is_floating(dtype: str) -> bool:
    return dtype.startswith(("float", "bfloat"))


_RULES: dict[str, Callable[[Call, list[Distribution]], Law]] = {
    "add": lambda node, of: _sum(node, of[0], of[1], 1.0),
    "sub": lambda node, of: _sum(node, of[0], of[1], -1.0),
    "mul": lambda node, of: _product(node, *of),
    "div": lambda node, of: _quotient(node, *of),
    "neg": lambda node, of: _affine(of[0], -1.0, 0.0),
    "erfinv": lambda node, of: _erfinv(node, *of),
    "clamp": lambda node, of: _clamp(node, *of),
    "cast": lambda node, of: _cast(node, *of),
}
