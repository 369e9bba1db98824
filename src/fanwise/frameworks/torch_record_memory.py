"""What the memory behind torch's tensors holds, as expressions, while a constructor runs.

A value belongs to a storage, not to a tensor: whatever is written through one view is read
through all others. Small memory whose contents are known (``arange``, ``linspace``, what came in
from outside) is kept as real numbers beside, and goes through the same operations for real.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import _disable_current_modes

from fanwise.recording.expression import Call, Expression, Fill, Literal, Unknown
from fanwise.recording.strided import Geometry

__all__ = ["Memory", "Storage", "dtype_name", "geometry", "reshaped"]

REAL_LIMIT = 2**22
"""Elements of memory whose known contents are computed along; of larger ones only expressions."""

LITERAL_LIMIT = 2**12
"""Elements up to which known numbers are written as numbers, not as what they came from."""


# Elements up to which is asked whether all were written, part by part: a byte each.
_LARGEST = 2**28

# Of numbers into parts of a constant.
_FEW_WRITES = 4


def geometry(tensor: torch.Tensor) -> Geometry:
    """Where in its storage a tensor is."""
    size, stride = tuple(tensor.size()), tuple(tensor.stride())
    return Geometry(size, stride, int(tensor.storage_offset()))


def dtype_name(dtype: torch.dtype) -> str:
    """numpy's and JAX's name of a dtype."""
    return str(dtype).removeprefix("torch.")


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


class Memory:
    """All storages that were seen."""

    def __init__(self) -> None:
        self._storages: dict[int, Storage] = {}
        self.outside: list[str] = []

    def knows(self, tensor: torch.Tensor) -> bool:
        """Whether the tensor's storage was seen."""
        return tensor.untyped_storage()._cdata in self._storages

    def storage(self, tensor: torch.Tensor) -> Storage:
        """The storage of a tensor; one that was not seen before comes from outside."""
        kept = tensor.untyped_storage()
        found = self._storages.get(kept._cdata)
        if found is None:
            found = self._storages[kept._cdata] = self._unseen(tensor, kept)
        return found

    def _unseen(self, tensor: torch.Tensor, kept: Any) -> Storage:
        count = kept.nbytes() // max(tensor.element_size(), 1)
        name = dtype_name(tensor.dtype)
        if _has_values(tensor):
            with _disable_current_modes(), torch.no_grad():
                flat = torch.empty(0, dtype=tensor.dtype).set_(kept, 0, (count,), (1,))
                real = flat.clone()
            return Storage(literal(real), real, tensor.dtype, kept)
        value = Unknown((count,), name, "a tensor made in a way that was not seen")
        return Storage(value, None, tensor.dtype, kept)

    def allocate(self, tensor: torch.Tensor, value: Expression, real: torch.Tensor | None) -> None:
        """Register the storage of a tensor that was just made, and what it holds."""
        kept = tensor.untyped_storage()
        count = kept.nbytes() // max(tensor.element_size(), 1)
        blank = uninitialized(count, dtype_name(tensor.dtype))
        self._storages[kept._cdata] = Storage(blank, None, tensor.dtype, kept)
        if not isinstance(value, Unknown) or value.operation != blank.operation:
            self.write(tensor, value)
        if real is not None and count <= REAL_LIMIT:
            flat = _zeros(count, tensor.dtype)
            with _disable_current_modes(), torch.no_grad():
                flat.as_strided(*geometry(tensor)).copy_(real)
            self._storages[kept._cdata].real = flat

    def real(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """The tensor's numbers, in place, where they are known."""
        storage = self.storage(tensor)
        if storage.real is None:
            return None
        if storage.dtype != tensor.dtype:
            return None
        return _part(storage.real, geometry(tensor))

    def read(self, tensor: torch.Tensor) -> Expression:
        """What a tensor holds."""
        storage, view = self.storage(tensor), geometry(tensor)
        if storage.dtype != tensor.dtype:
            return Unknown(view.size, dtype_name(tensor.dtype), "a view with another dtype")
        value = storage.value
        if isinstance(value, (Fill, Unknown)):
            return reshaped(_read(value, view), view.size)
        if (
            storage.real is not None
            and not _is_plain(value)
            and (view.elements <= LITERAL_LIMIT or value.unknown is not None)
        ):
            return literal(_part(storage.real, view))
        return _read(value, view)

    def write(self, tensor: torch.Tensor, value: Expression) -> None:
        """Put ``value``, of the tensor's shape and dtype, where the tensor is."""
        storage, view = self.storage(tensor), geometry(tensor)
        if storage.dtype != tensor.dtype:
            storage.value = Unknown((storage.count,), dtype_name(storage.dtype), "a view's write")
            return
        storage.value = _written(storage, value, view)

    def resized(self, tensor: torch.Tensor) -> None:
        """Forget everything if the storage has become larger."""
        kept = tensor.untyped_storage()
        count = kept.nbytes() // max(tensor.element_size(), 1)
        if self.knows(tensor) and self.storage(tensor).count == count:
            return
        value = uninitialized(count, dtype_name(tensor.dtype))
        self._storages[kept._cdata] = Storage(value, None, tensor.dtype, kept)

    def forget(self, tensor: torch.Tensor) -> None:
        """The numbers are known no longer."""
        self.storage(tensor).real = None

    def reserve(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """Zeros in place of numbers that are all overwritten; None if they are too many."""
        storage = self.storage(tensor)
        if storage.dtype != tensor.dtype or storage.count > REAL_LIMIT:
            return None
        if geometry(tensor).elements != storage.count:
            return None
        storage.real = _zeros(storage.count, tensor.dtype)
        return _part(storage.real, geometry(tensor))


def _is_plain(value: Expression) -> bool:
    """Whether it is one number here and another there, which is best told so."""
    for _ in range(_FEW_WRITES):
        if not isinstance(value, Call) or value.operation != "write":
            break
        if not isinstance(value.operands[1], Fill):
            return False
        value = value.operands[0]
    is_identity = isinstance(value, Call) and value.operation == "eye"
    return is_identity or isinstance(value, Fill)


def _part(real: torch.Tensor, view: Geometry) -> torch.Tensor:
    with _disable_current_modes(), torch.no_grad():
        return real.as_strided(*view)


def _zeros(count: int, dtype: torch.dtype) -> torch.Tensor:
    with _disable_current_modes():
        return torch.zeros(count, dtype=dtype)


def _has_values(tensor: torch.Tensor) -> bool:
    from torch._subclasses.fake_tensor import FakeTensor

    return not isinstance(tensor, FakeTensor) and tensor.device.type == "cpu"


def uninitialized(count: int, dtype: str) -> Unknown:
    """Memory into which nothing was written."""
    return Unknown(
        (count,),
        dtype,
        "memory into which nothing was written (torch.empty)",
        "initialize it in the constructor",
    )


def literal(array: torch.Tensor) -> Expression:
    """Known numbers as an expression."""
    name = dtype_name(array.dtype)
    with _disable_current_modes(), torch.no_grad():
        numbers = array.detach().contiguous()
        if numbers.dtype == torch.bfloat16:
            raw = numbers.view(torch.int16).numpy()
        else:
            raw = numbers.resolve_conj().numpy()
        if (
            raw.size
            and (
                raw.reshape(-1).view(np.uint8).reshape(raw.size, -1)
                == raw.reshape(-1)[:1].view(np.uint8)
            ).all()
        ):
            return Fill(tuple(array.shape), name, number(numbers.reshape(-1)[0].item(), name))
        return Literal(tuple(array.shape), name, raw.tobytes())


def number(value: Any, dtype: str) -> float | complex:
    """The shortest number that the dtype rounds to ``value``: 0.1, not 0.10000000149."""
    if isinstance(value, complex) or dtype not in ("float32", "float16"):
        return complex(value) if isinstance(value, complex) else float(value)
    return float(str(np.dtype(dtype).type(value)))


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


def _read(value: Expression, view: Geometry) -> Expression:
    if isinstance(value, Fill):
        return Fill(view.size, value.dtype, value.value)
    if isinstance(value, Unknown):
        return Unknown(view.size, value.dtype, value.operation, value.advice)
    if view.is_contiguous and view.offset == 0 and view.elements == math.prod(value.shape):
        return reshaped(value, view.size)
    while isinstance(value, Call) and value.operation == "write":
        place = _place(value)
        if place == view:
            return value.operands[1]
        if not place.is_disjoint(view):
            break
        value = value.operands[0]
    if isinstance(value, (Fill, Unknown)):
        return _read(value, view)
    return Call(view.size, value.dtype, "read", (value,), _settings(view))


def _written(storage: Storage, value: Expression, view: Geometry) -> Expression:
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
            return _read(value, Geometry(size, stride))
    base = storage.value
    if isinstance(base, Call) and base.operation == "write" and _place(base) == view:
        base = base.operands[0]
    if isinstance(base, Fill) and isinstance(value, Fill) and repr(base.value) == repr(value.value):
        return base
    storage.written.append(view)
    written = Call(base.shape, base.dtype, "write", (base, value), _settings(view))
    return _in_parts(written, storage) if _is_due(storage) else written


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
    base: Expression = Fill(value.shape, value.dtype, 0.0)
    for each in reversed(writes):
        base = Call(each.shape, each.dtype, "write", (base, each.operands[1]), each.settings)
    return base


def _joined(writes: list[Call], whole: Expression) -> Expression:
    """Parts one after another, along the first axis where each is some of its rows."""
    row = whole.shape[1:]
    if any(_place(each).elements % max(math.prod(row), 1) for each in writes):
        row = ()
    parts = tuple(
        reshaped(each.operands[1], (_place(each).elements // max(math.prod(row), 1), *row))
        for each in writes
    )
    total = sum(part.shape[0] for part in parts)
    joined = Call((total, *row), whole.dtype, "cat", parts, (("dim", 0),))
    return reshaped(joined, whole.shape)


def _place(value: Call) -> Geometry:
    return Geometry(*(value.setting(name) for name in ("size", "stride", "offset")))


def _settings(view: Geometry) -> tuple[tuple[str, Any], ...]:
    return (("size", view.size), ("stride", view.stride), ("offset", view.offset))
