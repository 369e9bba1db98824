"""Expressions as they are printed in tables."""

from fanwise.recording import strided
from fanwise.recording.expression import Call, Draw, Expression, Fill, Literal, Unknown, postorder

__all__ = ["text"]

_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**"}
_SAME = frozenset({"read", "reshape", "cast"})

# Beyond this a reader learns more from what is drawn than from what is done with it.
_LONGEST = 120


def text(expression: Expression) -> str:
    """A short form: ``Normal(0, 1), row 0 = 0``.

    A draw that other tensors hold as well is told by the tensor it is named after.
    """
    texts: dict[int, str | None] = {}
    for node in postorder(expression):
        operands = [texts[id(each)] for each in node.arguments]
        written = None if None in operands else _of(node, operands)  # type: ignore[arg-type]
        # A graph written out as a text may be exponentially long: it is left as soon as possible.
        texts[id(node)] = None if written is None or len(written) > _LONGEST else written
    return texts[id(expression)] or _summary(expression)


def _of(node: Expression, operands: list[str]) -> str:
    match node:
        case Draw():
            return f"{node.distribution}" + (f" as {node.name}" if node.is_shared else "")
        case Fill():
            return f"{node.value:.4g}"
        case Literal():
            return f"{node.dtype} literal {node.shape}"
        case Unknown():
            return node.operation
        case Call():
            return _call(node, operands)
    return "?"


def _call(node: Call, operands: list[str]) -> str:
    if node.operation == "write":
        return f"{operands[0]}, {_region(node)} = {operands[1]}"
    if node.operation == "broadcast" or 0 in (node.setting("stride") or ()):
        return f"{operands[0]} repeated to {node.shape}"
    if node.operation in _SAME:
        return operands[0]
    if node.operation in _SIGNS and not node.settings:
        left, right = (
            f"({shown})" if _is_sign(each) else shown
            for each, shown in zip(node.operands, operands, strict=True)
        )
        return f"{left} {_SIGNS[node.operation]} {right}"
    settings = (f"{name}={value}" for name, value in node.settings if value is not None)
    return f"{node.operation}({', '.join([*operands, *settings])})"


def _is_sign(node: Expression) -> bool:
    while isinstance(node, Call) and node.operation in _SAME:
        node = node.operands[0]
    return isinstance(node, Call) and node.operation in (*_SIGNS, "write")


def _region(node: Call) -> str:
    size, stride, offset = (node.setting(name) for name in ("size", "stride", "offset"))
    shape = node.operands[0].shape
    if len(shape) == 2 and stride == (shape[1] + 1,) and size == (min(shape),) and not offset:
        return "diagonal"
    found = strided.slices(shape, strided.Geometry(size, stride, offset))
    if found is None:
        return f"{node.operands[1].shape} at {offset}"
    is_row = found[0].stop - found[0].start == 1 and len(shape) > 1
    if is_row and all(part == slice(0, n, 1) for part, n in zip(found[1:], shape[1:], strict=True)):
        return f"row {found[0].start}"
    return f"[{', '.join(_slice(part, n) for part, n in zip(found, shape, strict=True))}]"


def _slice(part: slice, size: int) -> str:
    if part == slice(0, size, 1):
        return ":"
    if part.stop - part.start == 1:
        return str(part.start)
    stop = "" if part.stop + part.step > size else part.stop
    step = "" if part.step == 1 else f":{part.step}"
    return f"{part.start or ''}:{stop}{step}"


def _summary(expression: Expression) -> str:
    if isinstance(expression, Call) and expression.operation == "cat":
        parts: dict[str, int] = {}
        for each in expression.operands:
            parts[text(each)] = parts.get(text(each), 0) + 1
        shown = (f"{count} of {part}" if count > 1 else part for part, count in parts.items())
        return f"parts: {'; '.join(shown)}"
    drawn = dict.fromkeys(str(node) for node in expression.draws)
    calls = dict.fromkeys(
        node.operation
        for node in postorder(expression)
        if isinstance(node, Call) and node.operation not in _SAME
    )
    of = "; ".join([*drawn][:3]) + ("; ..." if len(drawn) > 3 else "")
    return f"{', '.join([*calls][:6])}{', ...' if len(calls) > 6 else ''} of {of or 'literals'}"
