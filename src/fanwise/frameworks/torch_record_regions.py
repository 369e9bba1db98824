"""Reading and writing parts of memory, as expressions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from fanwise.recording.expression import Call, Expression, Fill, Literal, Unknown
from fanwise.recording.strided import Geometry

__all__ = ["Storage", "is_plain", "read", "reshaped", "written"]

# Elements up to which is asked whether all were written, part by part: a byte each.
_LARGEST = 2**28

# Of numbers into parts of a constant.
_FEW_WRITES = 4

# Among which one to the same place is looked for.
_LAST_WRITES = 64


@dataclass
class Storage:
    """One storage.

    Args:
        value: of the whole memory, row-major in the order of its addresses.
        real: its contents where they are known, one axis.
        kept: keeps the storage alive, so that no other one gets its address.
        written: the parts that were written to since all was.
        asked: how often was asked whether they are all.
    """

    value: Expression
    real: torch.Tensor | None
    dtype: torch.dtype
    kept: Any
    written: list[Geometry] = field(default_factory=list)
    asked: int = 0

    @property
    def count(self) -> int:
        """The number of elements."""
        return math.prod(self.value.shape)


def is_plain(value: Expression) -> bool:
    """Whether it is one number here and another there, which is best told so."""
    for _ in range(_FEW_WRITES):
        if not isinstance(value, Call) or value.operation != "write":
            break
        if not isinstance(value.operands[1], Fill):
            return False
        value = value.operands[0]
    is_identity = isinstance(value, Call) and value.operation == "eye"
    return is_identity or isinstance(value, Fill)


def reshaped(value: Expression, shape: tuple[int, ...]) -> Expression:
    """The same elements in another shape."""
    if value.shape == shape:
        return value
    if isinstance(value, Fill):
        return Fill(shape, value.dtype, value.value)
    if isinstance(value, Unknown):
        return Unknown(shape, value.dtype, value.operation, value.advice)
    if isinstance(value, Call) and value.operation == "reshape":
        return reshaped(value.operands[0], shape)
    if isinstance(value, Literal):
        return Literal(shape, value.dtype, value.data)
    return Call(shape, value.dtype, "reshape", (value,), (("shape", shape),))


def read(value: Expression, view: Geometry) -> Expression:
    """A part of what memory holds."""
    if isinstance(value, Fill):
        return Fill(view.size, value.dtype, value.value)
    if isinstance(value, Unknown):
        return Unknown(view.size, value.dtype, value.operation, value.advice)
    if view.is_contiguous and view.offset == 0 and view.elements == math.prod(value.shape):
        return reshaped(value, view.size)
    for _ in range(_LAST_WRITES):
        if not isinstance(value, Call) or value.operation != "write":
            break
        place = _place(value)
        if place == view:
            return value.operands[1]
        if not place.is_disjoint(view):
            break
        value = value.operands[0]
    part = _part_at(value, view)
    if part is not None:
        return reshaped(_parts(value)[part], view.size)
    if isinstance(value, (Fill, Unknown)):
        return read(value, view)
    return Call(view.size, value.dtype, "read", (value,), _settings(view))


def written(storage: Storage, value: Expression, view: Geometry) -> Expression:
    """What the memory holds after ``value`` was written to a part of it."""
    if not view.elements:
        return storage.value
    if view.elements == storage.count:
        # All of it, perhaps with its axes in another order: kept in the order of addresses.
        order = sorted(range(len(view.size)), key=lambda axis: (-view.stride[axis], axis))
        order = [axis for axis in order if view.size[axis] > 1]
        size = tuple(view.size[axis] for axis in order)
        inner = [math.prod(size[place + 1 :]) for place in range(len(size))]
        if [view.stride[axis] for axis in order] == inner:
            storage.written.clear()
            storage.asked = 0
            if view.is_contiguous:
                return value
            steps = [math.prod(view.size[axis + 1 :]) for axis in range(len(view.size))]
            stride = tuple(steps[axis] for axis in order)
            return read(value, Geometry(size, stride))
    part = _part_at(storage.value, view)
    if part is not None:
        parts = list(_parts(storage.value))
        parts[part] = reshaped(value, parts[part].shape)
        return _side_by_side(parts, storage.value)
    base = _without(storage.value, view)
    if isinstance(base, Fill) and isinstance(value, Fill) and repr(base.value) == repr(value.value):
        return base
    storage.written.append(view)
    value = Call(base.shape, base.dtype, "write", (base, value), _settings(view))
    return _in_parts(value, storage) if _is_due(storage) else value


def _without(value: Expression, view: Geometry) -> Expression:
    """Without what was written to the same place before, and is overwritten now."""
    above: list[Call] = []
    below = value
    while isinstance(below, Call) and below.operation == "write" and len(above) < _LAST_WRITES:
        place = _place(below)
        if place == view:
            return _rewritten(below.operands[0], above[::-1])
        if not place.is_disjoint(view):
            break
        above.append(below)
        below = below.operands[0]
    return value


def _rewritten(base: Expression, writes: list[Call]) -> Expression:
    """The same writes, the first first, over another base."""
    for each in writes:
        base = Call(each.shape, each.dtype, "write", (base, each.operands[1]), each.settings)
    return base


def _is_due(storage: Storage) -> bool:
    """Whether enough was written that all may be; asked again only after as much once more."""
    total = sum(view.elements for view in storage.written)
    if total < storage.count * (1 + storage.asked) or storage.count > _LARGEST:
        return False
    storage.asked += 1
    return True


def _in_parts(value: Expression, storage: Storage) -> Expression:
    """Without what is below, if everything has been written over: side by side, if it is."""
    writes = []
    below = value
    while isinstance(below, Call) and below.operation == "write":
        writes.append(below)
        below = below.operands[0]
    ordered = sorted(writes, key=lambda each: _place(each).offset)
    ends = [_place(each).offset + _place(each).elements for each in ordered]
    starts = [_place(each).offset for each in ordered]
    is_tiled = all(_place(each).is_contiguous for each in ordered)
    if is_tiled and starts == [0, *ends[:-1]] and ends[-1] == storage.count:
        return _joined(ordered, value)
    if isinstance(below, Fill):
        return value
    with _disable_current_modes(), torch.no_grad():
        is_written = torch.zeros(storage.count, dtype=torch.bool)
        for each in writes:
            is_written.as_strided(*_place(each)).fill_(True)
        if not bool(is_written.all()):
            return value
    return _rewritten(Fill(value.shape, value.dtype, 0.0), writes[::-1])


def _joined(writes: list[Call], whole: Expression) -> Expression:
    """Parts one after another, along the first axis where each is some of its rows."""
    row = whole.shape[1:]
    if any(_place(each).elements % max(math.prod(row), 1) for each in writes):
        row = ()
    parts = tuple(
        reshaped(each.operands[1], (_place(each).elements // max(math.prod(row), 1), *row))
        for each in writes
    )
    return _side_by_side(parts, whole)


def _side_by_side(parts: Sequence[Expression], whole: Expression) -> Expression:
    shape = (sum(part.shape[0] for part in parts), *parts[0].shape[1:])
    return reshaped(Call(shape, whole.dtype, "cat", tuple(parts), (("dim", 0),)), whole.shape)


def _parts(value: Expression) -> tuple[Expression, ...]:
    """What was put side by side, one part after another in memory."""
    if isinstance(value, Call) and value.operation == "reshape":
        value = value.operands[0]
    is_cat = isinstance(value, Call) and value.operation == "cat" and value.setting("dim") == 0
    return value.arguments if is_cat else ()


def _part_at(value: Expression, view: Geometry) -> int | None:
    """The number of the part that the view is."""
    start = 0
    for number, part in enumerate(_parts(value)):
        count = math.prod(part.shape)
        if start == view.offset:
            return number if view.is_contiguous and count == view.elements else None
        start += count
    return None


def _place(value: Call) -> Geometry:
    # In the order of _settings.
    return Geometry(*(setting for _, setting in value.settings))


def _settings(view: Geometry) -> tuple[tuple[str, Any], ...]:
    return (("size", view.size), ("stride", view.stride), ("offset", view.offset))
