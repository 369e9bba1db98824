"""Tensors of a state dict in memory, of torch, numpy or JAX."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import ml_dtypes
import numpy as np
import numpy.typing as npt

__all__ = ["Array", "Live", "Source", "Stored"]

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Stored:
    """What is known of a tensor before it is read."""

    shape: tuple[int, ...]
    dtype: str


class Source(Protocol):
    """Tensors by name, each read when it is asked for."""

    def listed(self) -> Mapping[str, Stored]:
        """All tensors."""

    def read(self, name: str) -> Array:
        """One of them; it may share memory with the user's."""


class Live:
    """A state dict in memory."""

    def __init__(self, tensors: Mapping[str, Any], where: str = "state_dict") -> None:
        wrong = [name for name, value in tensors.items() if not _is_tensor(value)]
        if wrong:
            raise TypeError(_no_tensors(where, tensors, wrong))
        self._tensors = tensors

    def listed(self) -> Mapping[str, Stored]:
        """All tensors."""
        return {
            name: Stored(tuple(map(int, value.shape)), str(value.dtype).removeprefix("torch."))
            for name, value in self._tensors.items()
        }

    def read(self, name: str) -> Array:
        """One of them."""
        value = self._tensors[name]
        return _of_torch(value, name) if _is_torch(value) else np.asarray(value)


def _no_tensors(where: str, tensors: Mapping[str, Any], wrong: list[str]) -> str:
    text = f"{where} must hold tensors only, and {', '.join(map(repr, wrong[:8]))} "
    text += "is none" if len(wrong) == 1 else "are none"
    inner = [
        name
        for name in wrong
        if isinstance(tensors[name], Mapping)
        and tensors[name]
        and all(_is_tensor(value) for value in tensors[name].values())
    ]
    if inner:
        text += "; a checkpoint of a training run holds the weights under a name: pass its "
        text += " or ".join(f"[{name!r}]" for name in inner)
    return text


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _is_torch(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _of_torch(tensor: Any, name: str) -> Array:
    """The values of a torch tensor, to the bit; its memory, where it is on the CPU."""
    if tensor.is_meta or type(tensor).__name__ == "FakeTensor":
        raise ValueError(f"{name} has no values: it is on the meta device, or fake")
    if tensor.is_quantized or str(tensor.layout) != "torch.strided":
        raise ValueError(
            f"{name} is quantized or sparse; pass its dequantized, dense value instead"
        )
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    dtype = str(tensor.dtype).removeprefix("torch.")
    if not hasattr(ml_dtypes, dtype):
        return np.asarray(tensor.numpy())
    torch = sys.modules["torch"]
    bits = {1: torch.uint8, 2: torch.uint16}[tensor.element_size()]
    return np.asarray(tensor.view(bits).numpy().view(np.dtype(getattr(ml_dtypes, dtype))))
