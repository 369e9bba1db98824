"""One form for what torch asked its sampler for and for what our Distribution says."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from fanwise.distributions import (
    Constant,
    Distribution,
    Normal,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
)
from parity.cases import Case
from parity.intercept import Call, Recording, hollow, recording

__all__ = ["RELATIVE", "Request", "of_case", "of_distribution", "of_recording", "our_request"]

RELATIVE = 1e-12
"""Two numbers agree if they differ by at most this much of the larger one."""

# torch's functions that look at the values they drew, so that the draw must be real.
_LOOKS = ("trunc_normal", "orthogonal", "sparse")


@dataclass(frozen=True)
class Request:
    """A law by name and numbers.

    Args:
        kind: ``uniform`` (low, high), ``normal`` (mean, std), ``truncated normal`` (mean and std
            before truncation, low, high), ``constant`` (value), ``orthogonal`` (gain), ``sparse``
            (std), or ``nothing``.
        numbers: its parameters.
        warning: the warning that came with it.
    """

    kind: str
    numbers: tuple[float, ...] = ()
    warning: str = ""

    def agrees(self, other: "Request", relative: float = RELATIVE) -> bool:
        """Whether both name the same law and warn alike."""
        return (
            (self.kind, self.warning) == (other.kind, other.warning)
            and len(self.numbers) == len(other.numbers)
            and all(map(_close(relative), self.numbers, other.numbers))
        )

    def __str__(self) -> str:
        numbers = ", ".join(f"{number!r}" for number in self.numbers)
        warning = f" with the warning {self.warning!r}" if self.warning else ""
        return f"{self.kind}({numbers}){warning}"


def _close(relative: float) -> Callable[[float, float], bool]:
    # isclose takes equal infinities for close; 0 is close to 0 alone.
    return lambda x, y: math.isclose(x, y, rel_tol=relative, abs_tol=0.0)


def of_case(case: Case) -> Request:
    """Run torch's function on the case and return what it asked for."""
    looks = case.initializer in _LOOKS
    tensor = torch.empty(case.shape) if looks else hollow(case.shape)
    with recording(draw=looks) as kept:
        case.torch_function(tensor, **case.kwargs)
    for call in kept.draws[:1]:
        if call.shape != case.shape and case.initializer != "orthogonal":
            raise AssertionError(f"{case}: torch filled a tensor of shape {call.shape}")
    return of_recording(kept, case.initializer)


def of_recording(kept: Recording, initializer: str) -> Request:
    """Read a recording of one function of torch.nn.init.

    Raises:
        ValueError: if torch did something that is not understood here.
    """
    warning = kept.warnings[0] if kept.warnings else ""
    if not kept.draws:
        return Request("nothing", (), warning)
    first = kept.draws[0]
    if initializer == "trunc_normal":
        # torch warns of values that may be wrong; ours are right, so there is no counterpart.
        return Request("truncated normal", _truncated(kept, first))
    if initializer == "orthogonal":
        if first.arguments != (0, 1):
            raise ValueError(f"orthogonal_ drew {first}")
        return Request("orthogonal", kept.of("mul_")[-1].arguments, warning)
    if len(kept.draws) > 1:
        raise ValueError(f"{initializer}_ filled a tensor more than once: {kept.draws}")
    if initializer == "sparse":
        mean, std = first.arguments
        if mean != 0:
            raise ValueError(f"sparse_ drew {first}")
        return Request("sparse", (std,), warning)
    return Request(*_scalar(first), warning)


def _scalar(call: Call) -> tuple[str, tuple[Any, ...]]:
    if call.method == "uniform_":
        return "uniform", call.arguments
    if call.method == "normal_":
        return "normal", call.arguments
    return "constant", call.arguments or (0.0,)


def _truncated(kept: Recording, first: Call) -> tuple[Any, ...]:
    """Mean, std and bounds of either of torch's two ways to draw a truncated normal."""
    if first.method == "normal_":
        # Normals, drawn again until inside bounds that were made values of the dtype.
        low, high = (call.arguments[0] for call in kept.of("new_tensor")[:2])
        return (*first.arguments, low, high)
    # Uniforms between the bounds, kept with a probability that follows from mean and std.
    (mean,), (std,) = (kept.of(method)[0].arguments for method in ("sub_", "div_"))
    return (mean, std, *first.arguments)


def of_distribution(distribution: Distribution) -> Request:
    """Put a Distribution of ours in the same form."""
    match distribution:
        case Uniform(low, high):
            return Request("uniform", (low, high))
        case Normal(mean, std):
            return Request("normal", (mean, std))
        case TruncatedNormal(loc, scale, low, high):
            return Request("truncated normal", (loc, scale, low, high))
        case Constant(value):
            return Request("constant", (value,))
        case Orthogonal(gain):
            return Request("orthogonal", (gain,))
        case Sparse(_, std):
            return Request("sparse", (std,))
    raise ValueError(f"{distribution!r} has no counterpart in torch")


def our_request(make: Callable[[], Distribution]) -> Request:
    """Call ``make`` and put its result in the same form, with the warning it gave.

    A shape without elements has no law on torch's side; on ours it is a constant with the warning.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            distribution = make()
        except Exception as error:
            return Request(f"{error!r} in place of a distribution")
    if not caught:
        return of_distribution(distribution)
    return Request("nothing", (), str(caught[0].message))
