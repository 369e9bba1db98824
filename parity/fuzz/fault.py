"""One error to be planted in models."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from parity.fuzz.examine import Case
from parity.fuzz.group import Group
from parity.fuzz.node import Node
from parity.fuzz.spec import Spec

__all__ = ["Fault", "NoPlace", "nodes_of"]


def nodes_of(node: Node) -> Iterator[Node]:
    """A node and all below it."""
    yield node
    if isinstance(node, Group):
        for part in node.parts:
            yield from nodes_of(part.node)


class NoPlace(Exception):
    """A model has nothing that the error could be planted in."""


@dataclass(frozen=True)
class Fault:
    """One error.

    Args:
        kind: what sort of error it is.
        error: what is wrong, in a few words.
        message: in a line that must be reported.
        check: of a model, with the error or without it; raises NoPlace.
        count: in how many models it is planted.
        needs: whether a model may have a place for it at all.
    """

    kind: str
    error: str
    message: str
    check: Callable[[Case, bool], Sequence[str]]
    count: int = 1
    needs: Callable[[Spec], bool] = lambda spec: True
