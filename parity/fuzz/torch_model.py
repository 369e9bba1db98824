"""The torch model of a group."""

import copy
from dataclasses import dataclass
from typing import Any

from torch import nn

from parity.fuzz.group import Group, Part, run
from parity.fuzz.node import Bare, Function

__all__ = ["build"]


def build(group: Group) -> nn.Module:
    """Construct it, its own initialization included."""
    if group.form == "Sequential":
        return nn.Sequential(*(part.node.torch() for part in group.parts))
    if not group.is_list:
        return Own(group)
    made = [group.parts[0].node.torch()]
    for part in group.parts[1:]:
        made.append(copy.deepcopy(made[0]) if group.is_copied else part.node.torch())
    if group.form == "ModuleList":
        return nn.ModuleList(made)
    names = (part.name for part in group.parts)
    return nn.ModuleDict(dict(zip(names, made, strict=True)))


class Own(nn.Module):
    """A class of one's own."""

    def __init__(self, group: Group) -> None:
        super().__init__()
        self.group = group
        for index in group.defined or range(len(group.members)):
            part = group.members[index]
            if isinstance(part.node, Bare):
                self.register_parameter(part.name, part.node.parameter())
            elif not isinstance(part.node, Function):
                self.add_module(part.name, part.node.torch())
        for statement in group.statements:
            statement.run(self)

    def forward(self, x: Any) -> Any:
        return run(self.group, _Modules(self), x)


@dataclass(frozen=True)
class _Modules:
    owner: nn.Module
    is_torch: bool = True

    def module(self, part: Part) -> Any:
        return getattr(self.owner, part.name)

    def enter(self, part: Part) -> "_Modules":
        is_span = isinstance(part.node, Group) and part.node.form == "span"
        return self if is_span else _Modules(getattr(self.owner, part.name))
