"""What stands in the constructor of a random model: initialization of its own.

Each statement is run with the module whose constructor it stands in, its parts made.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from parity.fuzz.values import Fill, Made

__all__ = [
    "Apply",
    "Copy",
    "FillOne",
    "FillRows",
    "Noise",
    "OverParameters",
    "Replace",
    "Reset",
    "Statement",
    "Tie",
]


@dataclass(frozen=True)
class Statement:
    """Something done to a module."""

    def run(self, module: nn.Module) -> None:
        """Do it."""
        raise NotImplementedError


def _owner(module: nn.Module, path: str) -> tuple[nn.Module, str]:
    outer, _, name = path.rpartition(".")
    return module.get_submodule(outer), name


def _parameter(module: nn.Module, path: str) -> Any:
    owner, name = _owner(module, path)
    return getattr(owner, name)


@dataclass(frozen=True)
class Apply(Statement):
    """``self.apply(f)`` with a function that asks each module for its class.

    Args:
        rules: torch's classes, and what is done to their parameters by name.
    """

    rules: tuple[tuple[tuple[str, ...], tuple[tuple[str, Fill], ...]], ...]

    def run(self, module: nn.Module) -> None:
        module.apply(self._init)

    def _init(self, module: nn.Module) -> None:
        for names, fills in self.rules:
            if isinstance(module, tuple(getattr(nn, name) for name in names)):
                for name, fill in fills:
                    parameter = getattr(module, name, None)
                    if parameter is not None:
                        fill.run(parameter)
                return


@dataclass(frozen=True)
class OverParameters(Statement):
    """A loop over ``named_parameters()``.

    Args:
        ending: of the names that are meant.
        dimensions: that a tensor must have at least.
        fill: what is done.
    """

    ending: str
    dimensions: int
    fill: Fill

    def run(self, module: nn.Module) -> None:
        for name, parameter in module.named_parameters():
            if name.endswith(self.ending) and parameter.dim() >= self.dimensions:
                self.fill.run(parameter)


@dataclass(frozen=True)
class FillOne(Statement):
    """One parameter."""

    path: str
    fill: Fill

    def run(self, module: nn.Module) -> None:
        self.fill.run(_parameter(module, self.path))


@dataclass(frozen=True)
class FillRows(Statement):
    """Some rows of one parameter.

    Args:
        path: of the parameter.
        start: the first row.
        stop: the row after the last one; None is the row ``start`` by itself.
        fill: what is done.
    """

    path: str
    start: int
    stop: int | None
    fill: Fill

    def run(self, module: nn.Module) -> None:
        parameter = _parameter(module, self.path)
        if self.fill.is_data:
            parameter = parameter.data
        with torch.no_grad():
            rows = parameter[self.start] if self.stop is None else parameter[self.start : self.stop]
            self.fill.run(rows)


@dataclass(frozen=True)
class Replace(Statement):
    """A new Parameter in the place of one.

    Args:
        path: of the parameter.
        made: its values.
        how: ``"Parameter"`` assigns one, ``"data"`` its data, ``"copy_"`` writes into it.
    """

    path: str
    made: Made
    how: str

    def run(self, module: nn.Module) -> None:
        owner, name = _owner(module, self.path)
        parameter = getattr(owner, name)
        values = self.made.build(tuple(parameter.shape))
        if self.how == "Parameter":
            setattr(owner, name, nn.Parameter(values))
        elif self.how == "data":
            parameter.data = values
        else:
            with torch.no_grad():
                parameter.copy_(values)


@dataclass(frozen=True)
class Copy(Statement):
    """One parameter, or the state of one module, gets the values of another.

    Args:
        path: what is written to.
        source: what is read.
        how: ``"copy_"``, ``"clone"`` or ``"load_state_dict"``.
        times: what the values are multiplied with; None leaves them.
    """

    path: str
    source: str
    how: str
    times: float | None = None

    def run(self, module: nn.Module) -> None:
        if self.how == "load_state_dict":
            source = module.get_submodule(self.source)
            module.get_submodule(self.path).load_state_dict(source.state_dict())
            return
        parameter, values = _parameter(module, self.path), _parameter(module, self.source)
        with torch.no_grad():
            values = values if self.times is None else values * self.times
            if self.how == "clone":
                parameter.data = values.detach().clone()
            else:
                parameter.copy_(values)


@dataclass(frozen=True)
class Noise(Statement):
    """A random tensor is added to a parameter."""

    path: str
    std: float

    def run(self, module: nn.Module) -> None:
        parameter = _parameter(module, self.path)
        with torch.no_grad():
            parameter.add_(torch.randn_like(parameter) * self.std)


@dataclass(frozen=True)
class Reset(Statement):
    """``reset_parameters()`` of one module."""

    path: str

    def run(self, module: nn.Module) -> None:
        reset: Any = module.get_submodule(self.path).reset_parameters
        reset()


@dataclass(frozen=True)
class Tie(Statement):
    """One parameter is another."""

    path: str
    source: str

    def run(self, module: nn.Module) -> None:
        owner, name = _owner(module, self.path)
        setattr(owner, name, _parameter(module, self.source))
