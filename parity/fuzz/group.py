"""Nodes within nodes: classes of one's own, Sequential, ModuleList and ModuleDict."""

from dataclasses import dataclass
from typing import Any, Protocol

from flax import linen, nnx
from torch import nn

from parity.fuzz.flat import Unembedding
from parity.fuzz.node import Function, Node
from parity.fuzz.statements import Statement

__all__ = ["Group", "Part", "Side", "run"]


@dataclass(frozen=True)
class Part:
    """A node and its names.

    Args:
        name: torch's.
        node: what it is.
        twin: Flax's name; None lets linen number it.
    """

    name: str
    node: Node
    twin: str | None = None


@dataclass(frozen=True)
class Group(Node):
    """Nodes run one after another.

    Args:
        parts: in the order in which they run.
        form: ``"class"``, ``"Sequential"``, ``"ModuleList"``, ``"ModuleDict"``, or ``"span"``,
            which is some parts of the class around it that have a residual connection.
        role: the name of Flax's class.
        is_residual: whether the input is added to the output.
        is_copied: whether torch makes the parts after the first as deep copies of it.
        defined: numbers of the members in the order in which torch defines them; as they run if
            empty.
        is_setup: whether linen's twin has a ``setup``; else its ``__call__`` is compact.
        is_inlined: whether the twin has no module for it: linen's has the parts where it would
            have the group, nnx's a list.
        statements: run at the end of torch's constructor.
    """

    parts: tuple[Part, ...]
    form: str = "class"
    role: str = "Block"
    is_residual: bool = False
    is_copied: bool = False
    defined: tuple[int, ...] = ()
    is_setup: bool = False
    is_inlined: bool = False
    statements: tuple[Statement, ...] = ()

    @property
    def members(self) -> tuple["Part", ...]:
        """The parts, those of spans among them."""
        found: list[Part] = []
        for part in self.parts:
            is_span = isinstance(part.node, Group) and part.node.form == "span"
            found += part.node.members if is_span else [part]
        return tuple(found)

    @property
    def is_list(self) -> bool:
        """Whether the class around it runs its parts, in torch too."""
        return self.form in ("ModuleList", "ModuleDict", "span")

    @property
    def is_open(self) -> bool:
        """Whether the twin has no module for it."""
        return self.is_list or self.is_inlined

    def torch(self) -> nn.Module:
        from parity.fuzz.torch_model import build

        return build(self)

    def linen(self, name: str | None, is_setup: bool) -> linen.Module:
        from parity.fuzz.linen_twin import build

        return build(self, name)

    def nnx(self, rngs: nnx.Rngs) -> nnx.Module:
        from parity.fuzz.nnx_twin import build

        return build(self, rngs)

    @property
    def numbered(self) -> str:
        return self.role


class Side(Protocol):
    """The modules of one side, by part."""

    @property
    def is_torch(self) -> bool:
        """Whether it is torch's."""
        ...

    def module(self, part: Part) -> Any:
        """The module, or the array of a bare parameter."""
        ...

    def enter(self, part: Part) -> "Side":
        """The side for the parts of a group that has no module of its own."""
        ...


def run(group: Group, side: Side, x: Any) -> Any:
    """Run the parts of a group."""
    y = x
    for part in group.parts:
        node = part.node
        if isinstance(node, Function):
            y = node.run(None, y, side.is_torch)
        elif isinstance(node, Group) and (node.is_list if side.is_torch else node.is_open):
            y = run(node, side.enter(part), y)
        else:
            if isinstance(node, Unembedding) and node.attends and not side.is_torch:
                part = next(each for each in group.parts if each.name == node.source)
            y = node.run(side.module(part), y, side.is_torch)
    return x + y if group.is_residual else y
