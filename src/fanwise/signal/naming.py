"""Which layers of a stack the iterations of a loop are."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from fanwise.frameworks.observation import Names
from fanwise.layers import Layer, Leaf

__all__ = ["Numbering", "index_of", "numbering_of"]


@dataclass(frozen=True)
class Numbering:
    """How layers under some names are stacked.

    Args:
        at: before which of the names each position is put.
        sizes: the number of layers in each stack.
        paths: the arrays that are stacked so.
    """

    at: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()
    paths: frozenset[Any] = frozenset()

    def positions(self) -> list[tuple[int, ...]]:
        """All positions, in the order in which the layers run."""
        return list(product(*(range(size) for size in self.sizes)))

    def path(self, names: Names, positions: tuple[int, ...]) -> str:
        """The names with positions put in, as the layers' own paths have them."""
        numbered = list(names)
        for at, position in reversed(list(zip(self.at, positions, strict=True))):
            numbered.insert(at, str(position))
        return "/".join(numbered)


def numbering_of(
    names: Names, layers: Sequence[Layer], owners: Mapping[object, Names]
) -> Numbering:
    """The stacks that a module is in, from the arrays of the layers that are in the same.

    Args:
        names: where the module is, without positions in stacks.
        layers: the model's layers.
        owners: for each array, the module that has it.
    """
    found: dict[tuple[int, ...], list[Leaf]] = defaultdict(list)
    for leaf in (leaf for layer in layers for leaf in layer.leaves if leaf.stack):
        owner = owners[leaf.path]
        at = _inserted(leaf.name.split("/"), owner, len(leaf.stack))
        if at is not None and owner[: at[-1]] == names[: at[-1]]:
            found[at].append(leaf)
    if not found:
        return Numbering()
    at = max(found, key=len)
    sizes = [1 + max(indices) for indices in zip(*map(index_of, found[at]), strict=True)]
    return Numbering(at, tuple(sizes), frozenset(leaf.path for leaf in found[at]))


def index_of(leaf: Leaf) -> tuple[int, ...]:
    """Where an array is in its stacks."""
    return tuple(index for _, index in leaf.stack)


def _inserted(numbered: Sequence[str], names: Names, count: int) -> tuple[int, ...] | None:
    """Where numbers were put into names."""
    at: list[int] = []
    index = 0
    for word in numbered:
        if index < len(names) and word == names[index]:
            index += 1
        elif word.isdigit() and len(at) < count:
            at.append(index)
    return tuple(at) if len(at) == count else None
