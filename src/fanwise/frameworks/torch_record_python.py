"""Methods of tensors that call a function of Python for each element, without torch's operations.

On tensors without memory they write to a null pointer, and end the process. Here they compute on
numbers that are known, and make all others unknown.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from fanwise.frameworks.torch_record_memory import dtype_name, literal
from fanwise.frameworks.torch_record_mode import Recorder
from fanwise.recording.expression import Unknown

__all__ = ["element_by_element"]

_METHODS = ("apply_", "map_", "map2_")


@contextmanager
def element_by_element(recorder: Recorder) -> Iterator[None]:
    """Record these methods in the body; they are as before afterwards."""
    thread = threading.get_ident()
    for name in _METHODS:
        setattr(torch.Tensor, name, _method(name, recorder, thread))
    try:
        yield
    finally:
        for name in _METHODS:
            delattr(torch.Tensor, name)  # torch's own are those of the base class


def _method(name: str, recorder: Recorder, thread: int) -> Any:
    original = getattr(torch._C.TensorBase, name)

    def method(tensor: torch.Tensor, *arguments: Any) -> torch.Tensor:
        if threading.get_ident() != thread:
            # A tensor of the recording in another thread is refused by this.
            tensor.detach()
            result: torch.Tensor = original(tensor, *arguments)
            return result
        _write(name, original, recorder, tensor, arguments)
        return tensor

    return method


def _write(
    name: str, original: Any, recorder: Recorder, tensor: torch.Tensor, arguments: tuple[Any, ...]
) -> None:
    memory = recorder.memory
    numbers = [memory.real(e) if isinstance(e, torch.Tensor) else e for e in (tensor, *arguments)]
    if recorder.fake is None:
        with _disable_current_modes(), torch.no_grad():
            original(tensor.detach(), *arguments)
    if all(each is not None for each in numbers):
        with _disable_current_modes(), torch.no_grad():
            value = literal(original(*numbers).clone())
        memory.write(tensor, value)
        return
    memory.forget(tensor)
    advice = "draw it by normal_ or uniform_, and change it by arithmetic"
    unknown = Unknown(tuple(tensor.shape), dtype_name(tensor.dtype), f"Tensor.{name}", advice)
    memory.write(tensor, unknown)
