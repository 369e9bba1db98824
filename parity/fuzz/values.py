"""How a model's own code gives values to one tensor: in place, or made anew."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

__all__ = ["Fill", "Made"]


@dataclass(frozen=True)
class Fill:
    """In place: a function of ``torch.nn.init`` or a method, and arithmetic after it.

    Args:
        name: of the function or method.
        arguments: by position.
        options: by name, as pairs.
        is_method: whether it is a method of the tensor.
        then: methods and their numbers, ``("mul_", 0.5)``.
        is_data: whether it is done to ``.data``; else without gradients.
    """

    name: str
    arguments: tuple[float, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    is_method: bool = False
    then: tuple[tuple[str, float], ...] = ()
    is_data: bool = False

    def run(self, tensor: torch.Tensor) -> None:
        """Fill the tensor."""
        if self.is_data:
            self._run(tensor.data)
            return
        with torch.no_grad():
            self._run(tensor)

    def _run(self, tensor: torch.Tensor) -> None:
        options = dict(self.options)
        if self.is_method:
            tensor = getattr(tensor, self.name)(*self.arguments, **options)
        else:
            tensor = getattr(nn.init, self.name)(tensor, *self.arguments, **options)
        for name, number in self.then:
            tensor = getattr(tensor, name)(number)

    def __str__(self) -> str:
        given = [*map(str, self.arguments), *(f"{name}={value}" for name, value in self.options)]
        after = "".join(f".{name}({number})" for name, number in self.then)
        text = f"{self.name}({', '.join(given)}){after}"
        return f"{'.data.' if self.is_data else '.' if self.is_method else ''}{text}"


@dataclass(frozen=True)
class Made:
    """Anew: a factory of torch, scaled and shifted.

    Args:
        factory: ``"randn"``, ``"rand"``, ``"zeros"``, ``"ones"``, ``"full"``, ``"linspace"``,
            ``"eye"``, ``"empty"`` (drawn in place) or ``"randn_like"``.
        numbers: what the factory takes beside the shape.
        times: what the values are multiplied with; None leaves them.
        plus: what is added; None adds nothing.
    """

    factory: str
    numbers: tuple[float, ...] = ()
    times: float | None = None
    plus: float | None = None

    def build(self, shape: tuple[int, ...]) -> torch.Tensor:
        """The tensor."""
        tensor = self._build(shape)
        if self.times is not None:
            tensor = tensor * self.times
        return tensor if self.plus is None else tensor + self.plus

    def _build(self, shape: tuple[int, ...]) -> torch.Tensor:
        if self.factory == "full":
            return torch.full(shape, *self.numbers)
        if self.factory == "linspace":
            return torch.linspace(*self.numbers, math.prod(shape)).reshape(shape)
        if self.factory == "eye":
            return torch.eye(*shape)
        if self.factory == "empty":
            return torch.empty(shape).uniform_(*self.numbers)
        if self.factory == "randn_like":
            return torch.randn_like(torch.empty(shape))
        return getattr(torch, self.factory)(*shape)

    def __str__(self) -> str:
        times = "" if self.times is None else f" * {self.times}"
        plus = "" if self.plus is None else f" + {self.plus}"
        return f"torch.{self.factory}({', '.join(map(str, self.numbers))}){times}{plus}"
