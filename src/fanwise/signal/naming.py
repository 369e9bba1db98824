"""Which layers of a stack the iterations of a loop are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from fanwise.frameworks.observation import Names
from fanwise.layers import Layer

__all__ = ["Numbering", "numbering_of"]


@dataclass(frozen=True)
class Numbering:
    """How layers under some names are stacked.

    Args:
        at: before which of the names each position is put.
        sizes: the number of layers in each stack.
    """

    at: tuple[int, ...]
    sizes: tuple[int, ...]

    def axes_in(self, lengths: Sequence[int]) -> tuple[int, ...] | None:
        """Which of the loops around are the stacks, the others being loops over time, say."""
        found: list[int] = []
        start = 0
        for size in self.sizes:
            while start < len(lengths) and lengths[start] != size:
                start += 1
            if start == len(lengths):
                return None
            found.append(start)
            start += 1
        return tuple(found)

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
    best = Numbering((), ())
    for layer in layers:
        for leaf in layer.leaves:
            if len(leaf.stack) <= len(best.at):
                continue
            owner = owners[leaf.path]
            at = _inserted(leaf.name.split("/"), owner, len(leaf.stack))
            if at is not None and owner[: at[-1]] == names[: at[-1]]:
                best = Numbering(at, (0,) * len(at))
    sizes = [0] * len(best.at)
    for layer in layers:
        for leaf in layer.leaves:
            owner = owners[leaf.path]
            at = _inserted(leaf.name.split("/"), owner, len(leaf.stack)) if leaf.stack else None
            if at == best.at and owner[: at[-1]] == names[: at[-1]]:
                sizes = [max(n, i + 1) for n, (_, i) in zip(sizes, leaf.stack, strict=True)]
    return Numbering(best.at, tuple(sizes))


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
