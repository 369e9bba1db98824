"""linen's twin of a group, compact or with a ``setup``."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flax import linen

from parity.fuzz.flat import Unembedding
from parity.fuzz.group import Group, Part, run
from parity.fuzz.node import Bare, Function

__all__ = ["build"]


def build(group: Group, name: str | None = None) -> linen.Module:
    """Describe the module."""
    return _class(group.role, group.is_setup)(group, name=name)


@dataclass(frozen=True)
class _Scope:
    """Where the parts of a group are: in a module, under a prefix if the group has none itself.

    Args:
        owner: the module.
        made: what is made, by torch's names.
        prefix: of Flax's names.
        path: before torch's names.
    """

    owner: linen.Module
    made: dict[str, Any]
    prefix: str = ""
    path: str = ""
    is_torch: bool = False

    def enter(self, part: Part) -> Any:
        prefix = self.prefix if part.twin is None else f"{self.prefix}{part.twin}_"
        return type(self)(self.owner, self.made, prefix, f"{self.path}{part.name}.")

    def named(self, part: Part) -> str | None:
        return None if part.twin is None else f"{self.prefix}{part.twin}"

    def _new(self, part: Part, is_setup: bool) -> Any:
        name = self.named(part)
        if isinstance(part.node, Bare):
            return self.owner.param(name, linen.initializers.zeros, part.node.shape)
        return part.node.linen(None if is_setup else name, is_setup)


class _Compact(_Scope):
    def module(self, part: Part) -> Any:
        # An embedding is used twice where the output is tied to it.
        key = f"{self.path}{part.name}"
        if key not in self.made:
            self.made[key] = self._new(part, is_setup=False)
        return self.made[key]


class _Setup(_Scope):
    def module(self, part: Part) -> Any:
        return getattr(self.owner, self.named(part) or "")

    def define(self, group: Group) -> None:
        for part in group.parts:
            node = part.node
            if isinstance(node, Group) and node.is_open:
                self.enter(part).define(node)
            elif not isinstance(node, Function) and not _attends(node):
                setattr(self.owner, self.named(part) or "", self._new(part, is_setup=True))


def _attends(node: Any) -> bool:
    return isinstance(node, Unembedding) and node.attends


class _CompactTwin(linen.Module):
    group: Group

    @linen.compact
    def __call__(self, x: Any) -> Any:
        return run(self.group, _Compact(self, {}), x)


class _SetupTwin(linen.Module):
    group: Group

    def setup(self) -> None:
        _Setup(self, {}).define(self.group)

    def __call__(self, x: Any) -> Any:
        return run(self.group, _Setup(self, {}), x)


@lru_cache
def _class(role: str, is_setup: bool) -> Any:
    """A class of that name, since linen numbers modules by their class."""
    return type(role, (_SetupTwin if is_setup else _CompactTwin,), {"__module__": __name__})
