"""Which layers of a stack the iterations of a loop are."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
        levels: which of the arrays' stacks these are, the outermost being 0.
    """

    at: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()
    paths: frozenset[Any] = frozenset()
    levels: tuple[int, ...] = ()

    def looped(self, lengths: Sequence[int]) -> "Numbering | None":
        """The stacks that loops of these lengths go through; others run at once, as under vmap.

        None if they go through something else.
        """
        chosen: list[int] = []
        for length in lengths:
            rest = range(chosen[-1] + 1 if chosen else 0, len(self.sizes))
            level = next((each for each in rest if self.sizes[each] == length), None)
            if level is None:
                return None
            chosen.append(level)
        at, sizes = (tuple(each[level] for level in chosen) for each in (self.at, self.sizes))
        return replace(self, at=at, sizes=sizes, levels=tuple(chosen))

    def has(self, leaf: Leaf, positions: tuple[int, ...]) -> bool:
        """Whether an array is of the layer at these positions."""
        index = index_of(leaf)
        deep_enough = all(level < len(index) for level in self.levels)
        return deep_enough and tuple(index[level] for level in self.levels) == positions

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
    paths = frozenset(leaf.path for leaf in found[at])
    return Numbering(at, tuple(sizes), paths, tuple(range(len(at))))


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
