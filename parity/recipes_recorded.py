"""What torch asked its sampler for last, for each parameter of a network.

A network is built while its calls are recorded, so that the defaults of its constructors and what
is drawn over them are seen alike; the last one stands. Calls are told apart by the memory they
fill: ``zeros_(table[0])`` is seen as row 0 of the table.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn

from parity.intercept import DRAWS, Call, recording
from parity.request import Request

__all__ = ["Asked", "asked"]

_BOUND = "new_tensor"


@dataclass
class Asked:
    """What was asked for one parameter.

    Args:
        whole: the last request for all of it; ``nothing`` if there was none.
        rows: requests for single rows since then, by the row's number.
    """

    whole: Request = field(default_factory=lambda: Request("nothing"))
    rows: dict[int, Request] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.whole}" + "".join(
            f", row {row} {request}" for row, request in self.rows.items()
        )


def asked(build: Callable[[], nn.Module]) -> tuple[nn.Module, dict[str, Asked]]:
    """Build a network; return it and what was asked for each parameter, by torch's name.

    Raises:
        ValueError: if a parameter was filled in a way that is not understood here.
    """
    with recording(draw=True) as kept:
        network = build()
    by_memory: dict[int, list[Call]] = {}
    for call in kept.calls:
        by_memory.setdefault(_memory(call.tensor), []).append(call)
    parameters = dict(network.named_parameters())
    return network, {
        name: _last(name, parameter, by_memory.get(_memory(parameter), []))
        for name, parameter in parameters.items()
    }


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _last(name: str, parameter: torch.Tensor, calls: list[Call]) -> Asked:
    found, bounds = Asked(), []
    for call in calls:
        if call.method == _BOUND:
            bounds.append(call.arguments[0])
        elif call.method not in DRAWS:
            raise ValueError(f"{name}: {call.method} of {call.arguments} is not understood")
        elif call.shape == tuple(parameter.shape):
            found = Asked(_request(name, call, bounds))
            bounds = []
        elif call.shape == tuple(parameter.shape[1:]) and call.tensor.is_contiguous():
            row = call.tensor.storage_offset() // call.tensor.numel()
            found.rows[row] = _request(name, call, [])
        else:
            raise ValueError(f"{name}: {call} fills neither all of it nor one row")
    return found


def _request(name: str, call: Call, bounds: list[float]) -> Request:
    """A normal whose bounds were made values of the tensor's dtype before is a truncated one."""
    if bounds:
        if call.method != "normal_" or len(bounds) != 2:
            raise ValueError(f"{name}: {call} after the bounds {bounds} is not understood")
        return Request("truncated normal", (*call.arguments, *bounds))
    if call.method == "uniform_":
        return Request("uniform", call.arguments)
    if call.method == "normal_":
        return Request("normal", call.arguments)
    return Request("constant", call.arguments or (0.0,))
