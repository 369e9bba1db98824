"""What fake tensors lack that constructors use: conversion to numpy, and to other dtypes."""

import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_flatten

__all__ = ["OtherDeviceError", "usable"]

_ABSENT = object()


class OtherDeviceError(RuntimeError):
    """A fake tensor cannot be moved to another device in its place."""


@contextmanager
def usable(mode: FakeTensorMode, elsewhere: list[str]) -> Iterator[None]:
    """Give fake tensors what they lack, in the body only.

    Args:
        mode: theirs.
        elsewhere: gets the names of operations that other threads have tried on them.
    """
    thread = threading.get_ident()

    def dispatched(cls: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # Called only where no mode is, as in another thread.
        if threading.get_ident() != thread and any(each.fake_mode is mode for each in _fakes(args)):
            elsewhere.append(f"torch.{func._schema.name.removeprefix('aten::')}")
            raise RuntimeError(
                "a tensor of a constructor that is being recorded was used in another thread, "
                "where nothing is recorded; initialize in the thread that calls record"
            )
        return unwatched(func, types, args, kwargs)

    unwatched = FakeTensor.__torch_dispatch__
    methods = {
        "numpy": _numpy,
        "__array__": _array,
        "__dlpack__": _dlpack,
        "data_ptr": _data_ptr,
        "__torch_dispatch__": classmethod(dispatched),
    }
    before = {name: vars(FakeTensor).get(name, _ABSENT) for name in methods}
    swap = torch.utils.swap_tensors
    code = swap.__code__
    _swap_originals.append(
        types.FunctionType(code, swap.__globals__, swap.__name__, swap.__defaults__)
    )
    try:
        for name, method in methods.items():
            setattr(FakeTensor, name, method)
        swap.__code__ = _swap_code.__code__
        yield
    finally:
        swap.__code__ = code
        _swap_originals.pop()
        for name, method in before.items():
            if method is _ABSENT:
                delattr(FakeTensor, name)
            else:
                setattr(FakeTensor, name, method)


def _fakes(values: Any) -> list[FakeTensor]:
    return [each for each in tree_flatten(values)[0] if isinstance(each, FakeTensor)]


def _numpy(tensor: FakeTensor, *, force: bool = False) -> Any:
    import numpy as np

    array = np.asarray(tensor.detach().tolist(), dtype=_numpy_name(tensor))
    # In torch the two share their memory, and what is written to one is in the other.
    array.setflags(write=False)
    return array


def _array(tensor: FakeTensor, dtype: Any = None, copy: Any = None) -> Any:
    array = _numpy(tensor)
    return array if dtype is None else array.astype(dtype)


def _dlpack(tensor: FakeTensor, *arguments: Any, **settings: Any) -> Any:
    raise RuntimeError("Tensor.__dlpack__ gives away memory, which is not there")


def _data_ptr(tensor: FakeTensor) -> int:
    """Different where the memory is, by which ties are found."""
    offset = int(tensor.storage_offset()) * tensor.element_size()
    return int(tensor.untyped_storage()._cdata) + offset


def _numpy_name(tensor: FakeTensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


_swap_originals: list[Any] = []


def swapped(first: Any, second: Any) -> None:
    """Fake tensors have weak references, for which torch refuses to swap them; one is enough."""
    if isinstance(first, FakeTensor) and isinstance(second, FakeTensor):
        if first.device != second.device:
            raise OtherDeviceError(
                f"it moves tensors from the {first.device} device to the {second.device}; make "
                f"them there, without torch.device({str(first.device)!r})"
            )
        first.data = second.data
    else:
        _swap_originals[-1](first, second)


def _swap_code(t1, t2):  # type: ignore[no-untyped-def]
    from fanwise.frameworks.torch_record_fake import swapped

    return swapped(t1, t2)
