"""torch's operations that place, join and make elements as expressions."""

from typing import Any

import numpy as np

from fanwise.frameworks.torch_record_calls import Operands, Rule, Shape, broadcast, call, cast
from fanwise.recording.expression import Expression, Fill, Literal

__all__ = ["RULES"]


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
    found: list[Expression] = []
    axes: list[bool] = []
    for each in a["indices"]:
        own = [] if each is None else _places(each)
        if own is None:
            return None
        found += own
        axes += [True] * len(own) if each is not None else [False]
    return found, tuple(axes)


def _places(index: Expression) -> list[Expression] | None:
    """A known index; of a mask, the places along each of its axes. None if it is not known."""
    if not isinstance(index, (Literal, Fill)):
        return None
    if index.dtype not in ("bool", "uint8"):
        return [index]
    if not index.shape:
        return None
    mask = index.array if isinstance(index, Literal) else np.full(index.shape, index.value)
    return [Literal.of(places) for places in np.nonzero(mask)]


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


def _index_fill(a: Operands, shape: Shape, dtype: str) -> Expression | None:
    axes = (False,) * (a["dim"] % max(len(shape), 1)) + (True,)
    indices = [a["index"] if each else None for each in axes]
    value = a["value"]
    values = value if isinstance(value, Expression) else Fill((), dtype, float(value))
    return _index_put({"self": a["self"], "indices": indices, "values": values}, shape, dtype)


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


RULES: dict[str, Rule] = {
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
    "index_fill": _index_fill,
    "index_select": _index_select,
    "gather": _gather,
    "linalg_qr": _qr,
    "arange": _arange,
    "linspace": _linspace,
    "eye": _eye,
}
