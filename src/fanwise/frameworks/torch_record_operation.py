"""One call of one of torch's operations, by its schema."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._pytree import tree_flatten

from fanwise.frameworks.torch_record_draws import RANDOM

__all__ = ["Operation", "bound", "is_view", "tensors", "written_arguments"]


@dataclass(frozen=True)
class Operation:
    """One call of an operation: its name without the underscore of in-place ones, and more."""

    func: Any
    short: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    given: dict[str, Any]
    written: list[str]

    @property
    def is_random(self) -> bool:
        """Whether it draws."""
        return torch.Tag.nondeterministic_seeded in self.func.tags or self.short in RANDOM

    @property
    def is_dense(self) -> bool:
        """Whether all tensors that are given have memory of their own."""
        given = tensors((self.args, self.kwargs))
        wanted = self.given.get("layout") in (None, torch.strided)
        is_made_sparse = "sparse" in self.short
        return wanted and not is_made_sparse and all(e.layout == torch.strided for e in given)

    @property
    def title(self) -> str:
        """As a user writes it."""
        return f"Tensor.{self.short}_" if "self" in self.written else f"torch.{self.short}"

    @property
    def targets(self) -> list[torch.Tensor]:
        """The tensors written to."""
        return [each for key in self.written for each in tensors(self.given[key])]


def tensors(value: Any) -> list[torch.Tensor]:
    """All tensors in it."""
    return [each for each in tree_flatten(value)[0] if isinstance(each, torch.Tensor)]


def bound(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments by their names in the schema, defaults filled in."""
    found = {}
    for position, argument in enumerate(func._schema.arguments):
        if position < len(args) and not argument.kwarg_only:
            found[argument.name] = args[position]
        elif argument.name in kwargs:
            found[argument.name] = kwargs[argument.name]
        elif argument.has_default_value():
            found[argument.name] = argument.default_value
    return found


def written_arguments(func: Any, given: dict[str, Any]) -> list[str]:
    """The names of the arguments that the operation writes to."""
    return [
        argument.name
        for argument in func._schema.arguments
        if argument.alias_info is not None
        and argument.alias_info.is_write
        and given.get(argument.name) is not None
    ]


def is_view(func: Any) -> bool:
    """Whether it returns memory that it is given."""
    return any(each.alias_info is not None for each in func._schema.returns)
