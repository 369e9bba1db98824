"""Tensors in one file: safetensors, or a pickle of torch's."""

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fanwise.porting.read_live import Array, Live, Source, Stored

__all__ = ["Safetensors", "pickled"]

# safetensors' own abbreviations.
_SHORT = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "U32": "uint32",
    "I32": "int32",
    "U64": "uint64",
    "I64": "int64",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}


class Safetensors:
    """A file of safetensors, mapped into memory."""

    def __init__(self, path: Path) -> None:
        try:
            from safetensors import SafetensorError, safe_open
        except ModuleNotFoundError as error:
            raise ImportError(
                "reading .safetensors needs safetensors, which is not installed: python -m pip "
                "install 'fanwise[port]'"
            ) from error
        try:
            file: Any = safe_open(path, framework="numpy")
        except SafetensorError as error:
            raise ValueError(f"{path} is no file of safetensors: {error}") from error
        self._file, self._listed = file, {}
        for name in file.keys():  # noqa: SIM118
            part = file.get_slice(name)
            dtype = part.get_dtype()
            self._listed[name] = Stored(tuple(part.get_shape()), _SHORT.get(dtype, dtype))

    def listed(self) -> Mapping[str, Stored]:
        """All tensors."""
        return self._listed

    def read(self, name: str) -> Array:
        """One of them."""
        try:
            return np.asarray(self._file.get_tensor(name))
        except AttributeError as error:
            # numpy has no such dtype, and safetensors looks nowhere else for some of them.
            raise ValueError(
                f"{name} is stored in {self._listed[name].dtype}, which safetensors does not "
                f"read into numpy; load it in torch and pass the state dict"
            ) from error


def pickled(path: Path) -> Source:
    """A state dict that torch saved, mapped into memory where the file allows it.

    Raises:
        ImportError: without torch.
        TypeError: if it is something else than a state dict.
        ValueError: if it is a pickle of more than tensors, or none.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ImportError(
            f"reading {path.name} needs torch, which is not installed: python -m pip install "
            f"'fanwise[torch]', or save the weights as .safetensors"
        ) from error
    loaded = _loaded(torch, path)
    if hasattr(loaded, "state_dict") or not isinstance(loaded, Mapping):
        raise TypeError(f"{path} must hold a state dict, and holds a {type(loaded).__name__}")
    return Live(loaded, str(path))


def _loaded(torch: Any, path: Path) -> Any:
    options = {"map_location": "cpu", "weights_only": True}
    try:
        with warnings.catch_warnings():
            # Whether it can be read is told by reading it.
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            try:
                return torch.load(path, mmap=True, **options)
            except RuntimeError:
                # Files from before torch 1.6 cannot be mapped.
                return torch.load(path, **options)
    except OSError:
        raise
    except pickle.UnpicklingError as error:
        if not _is_pickle_or_zip(path):
            raise _unreadable(path, error) from error
        raise ValueError(
            f"{path} holds more than tensors, and is not unpickled, as that would run the code in "
            f"it: {_first_line(error)}\nIf you trust it, load it yourself with "
            f"torch.load(path, weights_only=False) and pass the state dict in it, or save that as "
            f".safetensors"
        ) from error
    except Exception as error:
        # torch's unpickler reads junk as instructions, and ends in an error of any kind.
        raise _unreadable(path, error) from error


def _is_pickle_or_zip(path: Path) -> bool:
    """Whether a file begins as those that torch.save writes, now or in old versions."""
    with path.open("rb") as file:
        return file.read(2).startswith((b"PK", b"\x80"))


def _unreadable(path: Path, error: Exception) -> ValueError:
    what = _first_line(error)
    return ValueError(
        f"{path} cannot be read by torch.load: {type(error).__name__}{': ' if what else ''}{what}; "
        f"it must be a file that torch.save wrote, whole"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
