"""What the memory behind torch's tensors holds, as expressions, while a constructor runs.

A value belongs to a storage, not to a tensor: whatever is written through one view is read
through all others. Small memory whose contents are known (``arange``, ``linspace``, what came in
from outside) is kept as real numbers beside, and goes through the same operations for real.
"""

from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import _disable_current_modes

from fanwise.frameworks.torch_record_regions import Storage, is_plain, read, reshaped, written
from fanwise.recording.expression import Expression, Fill, Literal, Unknown
from fanwise.recording.strided import Geometry

__all__ = ["REAL_LIMIT", "Memory", "dtype_name", "geometry", "uninitialized"]

REAL_LIMIT = 2**22
"""Elements of memory whose known contents are computed along; of larger ones only expressions."""

LITERAL_LIMIT = 2**12
"""Elements up to which known numbers are written as numbers, not as what they came from."""


# Writes into known numbers that are kept as writes.
_MANY_WRITES = 64


def geometry(tensor: torch.Tensor) -> Geometry:
    """Where in its storage a tensor is."""
    size, stride = tuple(tensor.size()), tuple(tensor.stride())
    return Geometry(size, stride, int(tensor.storage_offset()))


def dtype_name(dtype: torch.dtype) -> str:
    """numpy's and JAX's name of a dtype."""
    return str(dtype).removeprefix("torch.")


class Memory:
    """All storages that were seen."""

    def __init__(self) -> None:
        self._storages: dict[int, Storage] = {}
        self._outside: dict[int, bytes] = {}

    def knows(self, tensor: torch.Tensor) -> bool:
        """Whether the tensor's storage was seen."""
        return tensor.untyped_storage()._cdata in self._storages

    @property
    def outside(self) -> frozenset[tuple[int, bytes]]:
        """Addresses and contents of floating numbers that came in from outside."""
        return frozenset(self._outside.items())

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
            value = literal(real)
            if isinstance(value, Literal) and tensor.is_floating_point():
                self._outside[kept.data_ptr()] = value.data
            return Storage(value, real, tensor.dtype, kept)
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
        with _disable_current_modes(), torch.no_grad():
            return storage.real.view(tensor.dtype).as_strided(*geometry(tensor))

    def read(self, tensor: torch.Tensor) -> Expression:
        """What a tensor holds."""
        storage, view = self.storage(tensor), geometry(tensor)
        if not view.elements:  # nothing is there that could be written to
            return Fill(view.size, dtype_name(tensor.dtype), 0.0)
        if storage.dtype != tensor.dtype:
            known = self.real(tensor)
            if known is not None:
                return literal(known)
            return Unknown(view.size, dtype_name(tensor.dtype), "a view with another dtype")
        value = storage.value
        if (
            storage.real is not None
            and not is_plain(value)
            and (view.elements <= LITERAL_LIMIT or value.unknown is not None)
        ):
            return literal(_part(storage.real, view))
        return read(value, view)

    def write(self, tensor: torch.Tensor, value: Expression) -> None:
        """Put ``value``, of the tensor's shape and dtype, where the tensor is."""
        storage, view = self.storage(tensor), geometry(tensor)
        if storage.dtype != tensor.dtype:
            name = "a write to a view with another dtype"
            storage.value = Unknown((storage.count,), dtype_name(storage.dtype), name)
            return
        storage.value = written(storage, value, view)
        if storage.real is not None and len(storage.written) > _MANY_WRITES:
            # The numbers say it all, and an expression of so many writes says it badly.
            storage.value = Unknown(storage.value.shape, storage.value.dtype, "known numbers")
            storage.written.clear()

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
        storage = self.storage(tensor)
        if storage.real is not None and storage.value.unknown is not None:
            storage.value = reshaped(literal(storage.real), storage.value.shape)
        storage.real = None

    def reserve(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """Zeros in place of numbers that are all overwritten; None if they are too many."""
        storage = self.storage(tensor)
        if storage.dtype != tensor.dtype or storage.count > REAL_LIMIT:
            return None
        if geometry(tensor).elements != storage.count:
            return None
        storage.real = _zeros(storage.count, tensor.dtype)
        return _part(storage.real, geometry(tensor))


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
