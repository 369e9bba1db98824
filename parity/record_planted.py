"""Recorders that are wrong in one thing: each must be noticed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from fanwise.distributions import Normal, Orthogonal, TruncatedNormal, Uniform
from fanwise.frameworks import (
    torch_record_arithmetic,
    torch_record_draws,
    torch_record_functions,
    torch_record_operations,
)
from fanwise.frameworks.torch_record_memory import Memory
from fanwise.layouts import TORCH
from fanwise.recording import Fill
from fanwise.recording.strided import Geometry

__all__ = ["PLANTED", "planted"]


@contextmanager
def planted(error: str) -> Iterator[None]:
    """Record with this error in the body."""
    with PLANTED[error][1]():
        yield


def _rule(name: str, rule: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: mock.patch.dict(torch_record_operations.RULES, {name: rule})


def _random(name: str, law: Callable[..., Any]) -> Callable[[], Any]:
    def drawn(draws: Any, a: Any, shape: Any, dtype: str) -> Any:
        return draws(law(a), shape, dtype)

    return lambda: mock.patch.dict(torch_record_draws.RANDOM, {name: drawn})


def _recorded(name: str, law: Callable[..., Any]) -> Callable[[], Any]:
    def recorded(recorder: Any, original: Any, tensor: Any, *arguments: Any) -> Any:
        fill = torch_record_functions._fill
        return fill(recorder, original, tensor, law(*arguments), *arguments)

    return lambda: mock.patch.dict(torch_record_functions._RECORDED, {name: recorded})


def _unwritten() -> Any:
    def write(memory: Memory, tensor: Any, value: Any) -> None:
        storage = memory.storage(tensor)
        if tensor.numel() == storage.count:
            original(memory, tensor, value)

    original = Memory.write
    return mock.patch.object(Memory, "write", write)


def _misplaced() -> Any:
    def written(storage: Any, value: Any, view: Geometry) -> Any:
        if view.offset >= value.shape[-1:][0] > 0:
            view = view._replace(offset=view.offset - value.shape[-1])
        return original(storage, value, view)

    from fanwise.frameworks import torch_record_memory

    original = torch_record_memory.written
    return mock.patch.object(torch_record_memory, "written", written)


def _untied() -> Any:
    from fanwise.frameworks import torch_record_state

    def identity(tensor: Any) -> object:
        return object()

    return mock.patch.object(torch_record_state, "_identity", identity)


def _self(a: Any, shape: Any, dtype: str) -> Any:
    return a["self"]


PLANTED: dict[str, tuple[str, Callable[[], Any]]] = {
    "a copy is not seen": (
        "deep_copies",
        _rule("clone", lambda a, shape, dtype: Fill(shape, dtype, 0.0)),
    ),
    "a factor is not seen": ("scaled_by_depth", _rule("mul", _self)),
    "a divisor is not seen": ("scaled_by_depth", _rule("div", _self)),
    "a shift has the wrong sign": (
        "methods_of_tensors",
        _rule("add", torch_record_operations.RULES["sub"]),
    ),
    "an assignment to a slice is not seen": ("slices", _unwritten),
    "an assignment lands a row too early": ("padding_row", _misplaced),
    "the sum of absolute values for a norm": (
        "weight_norms",
        _rule(
            "norm",
            lambda a, shape, dtype: torch_record_arithmetic._norm({**a, "p": 1}, shape, dtype),
        ),
    ),
    "the std is 1.5 times as large": (
        "functions_of_init",
        _random("normal", lambda a: Normal(a["mean"], 1.5 * a["std"])),
    ),
    "uniform(a, b) is [0, b)": (
        "methods_of_tensors",
        _random("uniform", lambda a: Uniform(0.0, a["to"])),
    ),
    "bounds in units of std": (
        "imported_by_name_before",
        _recorded(
            "trunc_normal_",
            lambda mean, std, a, b, generator: TruncatedNormal(mean, std, a * std, b * std),
        ),
    ),
    "the gain of orthogonal_ is lost": (
        "functions_of_init",
        _recorded("orthogonal_", lambda gain, generator: Orthogonal(1.0, layout=TORCH)),
    ),
    "ties are not seen": ("tied", _untied),
}
"""By name: the constructor that must give it away, and how it is planted."""
