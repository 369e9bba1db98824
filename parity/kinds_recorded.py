"""What a layer of torch draws while it is constructed, by the names of its parameters."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy.typing as npt
import torch
from torch import nn

from parity.intercept import Call, Recording, recording
from parity.request import Request

__all__ = ["Drawn", "Recorded", "record"]


@dataclass(frozen=True)
class Drawn:
    """One random draw.

    Args:
        name: of the parameter or buffer; empty if the tensor did not stay in the layer.
        request: what was asked for.
        shape: of the tensor.
        values: what came.
    """

    name: str
    request: Request
    shape: tuple[int, ...]
    values: npt.NDArray[Any]


@dataclass(frozen=True)
class Recorded:
    """A layer, and how it came to be.

    Args:
        module: the layer.
        draws: all random draws, in order, those that were overwritten included.
        values: of parameters and buffers in the end.
    """

    module: nn.Module
    draws: tuple[Drawn, ...]
    values: dict[str, npt.NDArray[Any]]

    def last(self, name: str) -> Request | None:
        """The last draw into a parameter; None if there was none, or nobody knows."""
        drawn = [draw.request for draw in self.draws if draw.name == name]
        return drawn[-1] if drawn else None

    @property
    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Shapes, in torch's order."""
        return {name: tuple(p.shape) for name, p in self.module.named_parameters()}

    @property
    def buffers(self) -> dict[str, tuple[int, ...]]:
        """Shapes, in torch's order."""
        return {name: tuple(b.shape) for name, b in self.module.named_buffers()}


def record(build: Callable[[], nn.Module], seed: int) -> Recorded:
    """Construct a layer from a seed of torch's generator, and see what it draws."""
    origins: list[tuple[torch.Tensor, torch.Tensor]] = []
    values: dict[int, npt.NDArray[Any]] = {}
    with (
        torch.random.fork_rng(devices=[]),
        recording(draw=True) as kept,
        _functions(kept),
        _values(kept, values),
        _copies(origins),
    ):
        torch.manual_seed(seed)
        module = build()
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    names = _names(state, origins)
    draws = tuple(
        Drawn(names(call.tensor), _request(call), call.shape, values[index])
        for index, call in enumerate(kept.calls)
        if call.method in ("uniform_", "normal_")
    )
    return Recorded(
        module, draws, {name: tensor.detach().numpy().copy() for name, tensor in state.items()}
    )


def _request(call: Call) -> Request:
    return Request({"uniform_": "uniform", "normal_": "normal"}[call.method], call.arguments)


@contextmanager
def _functions(kept: Recording) -> Iterator[None]:
    """Functions that draw a new tensor, beside the methods that fill one."""

    def randn(*size: Any, **options: Any) -> torch.Tensor:
        tensor = original(*size, **options)
        kept.calls.append(Call("normal_", (0.0, 1.0), tuple(tensor.shape), tensor))
        return tensor

    original = torch.randn
    with mock.patch.object(torch, "randn", randn):
        yield


@contextmanager
def _values(kept: Recording, values: dict[int, npt.NDArray[Any]]) -> Iterator[None]:
    """Keep what came of each draw, before the next one overwrites it."""

    class Calls(list[Call]):
        def append(self, call: Call) -> None:
            self.settle()
            super().append(call)

        def settle(self) -> None:
            if self:
                values[len(self) - 1] = self[-1].tensor.detach().numpy().copy()

    kept.calls = calls = Calls()
    yield
    calls.settle()


@contextmanager
def _copies(origins: list[tuple[torch.Tensor, torch.Tensor]]) -> Iterator[None]:
    """Which parameter is a deep copy of which."""
    original = nn.Parameter.__deepcopy__

    def deepcopy(parameter: nn.Parameter, memo: Any) -> nn.Parameter:
        copied = original(parameter, memo)
        origins.append((copied, parameter))
        return copied

    with mock.patch.object(nn.Parameter, "__deepcopy__", deepcopy):
        yield


def _names(
    state: dict[str, torch.Tensor], origins: list[tuple[torch.Tensor, torch.Tensor]]
) -> Callable[[torch.Tensor], str]:
    """Names by identity; by memory where torch wraps a tensor in another; the first copy's."""
    by_id = {id(tensor): name for name, tensor in state.items()}
    for copied, source in origins:
        if id(copied) in by_id:
            by_id.setdefault(id(source), by_id[id(copied)])
    by_memory = {(tensor.data_ptr(), tensor.shape): name for name, tensor in state.items()}

    def name(tensor: torch.Tensor) -> str:
        return by_id.get(id(tensor)) or by_memory.get((tensor.data_ptr(), tensor.shape), "")

    return name
