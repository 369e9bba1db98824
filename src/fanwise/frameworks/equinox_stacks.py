"""The modules of an Equinox model that are many in one, their arrays with an axis more."""

from collections import defaultdict
from collections.abc import Mapping
from typing import TypeAlias

__all__ = ["Stack", "Stacks"]

Names: TypeAlias = tuple[str, ...]
Stack: TypeAlias = tuple[tuple[int, int, int], ...]
"""Of each axis, outermost first: itself, its size, and how many names it comes after."""


class Stacks:
    """Which modules are repeated, as ``eqx.filter_vmap`` of a constructor makes them.

    All arrays of a repeated module have an axis more, in front. Of those known to be repeated the
    outermost module with only such arrays is taken for the one that was; but not the user's whole
    model if all of it is one part.

    Args:
        shapes: of all arrays.
        extra: how many axes of stacks an array has, where that is known.
        is_own: whether the whole model is one of Equinox's own modules.
    """

    def __init__(
        self,
        shapes: Mapping[Names, tuple[int, ...]],
        extra: Mapping[Names, int],
        is_own: bool,
    ) -> None:
        self.shapes = shapes
        self.extra = extra
        self.is_own = is_own
        self.below: dict[Names, list[Names]] = defaultdict(list)
        for names in shapes:
            for length in range(len(names)):
                self.below[names[:length]].append(names)
        self.known: dict[tuple[Names, int], int | None] = {}

    def of(self, names: Names, prefixes: list[Names]) -> Stack:
        """The stacks that an array is in.

        Args:
            names: the array's.
            prefixes: the modules that it is in, outermost first.
        """
        stack: list[tuple[int, int, int]] = []
        for prefix in prefixes:
            while (size := self._size(prefix, len(stack))) is not None:
                stack.append((0, size, len(prefix)))
        missing = self.shapes[names][len(stack) : self.extra.get(names, 0)]
        owner = len(prefixes[-1]) if prefixes else 0
        return (*stack, *((0, size, owner) for size in missing))

    def _size(self, prefix: Names, axis: int) -> int | None:
        """How often a module is repeated along an axis, if it is."""
        if (prefix, axis) not in self.known:
            self.known[prefix, axis] = self._measured(prefix, axis)
        return self.known[prefix, axis]

    def _measured(self, prefix: Names, axis: int) -> int | None:
        below = self.below[prefix]
        certain = [names for names in below if names in self.extra]
        if not certain or any(self.extra[names] <= axis for names in certain):
            return None
        sizes = {self.shapes[names][axis : axis + 1] for names in below}
        if len(sizes) != 1 or sizes == {()}:
            return None
        parts = {names[: len(prefix) + 1] for names in below}
        is_passed_on = not self.is_own and prefix == () and len(parts) == 1
        is_passed_on = is_passed_on and not parts & set(below)
        return None if is_passed_on else sizes.pop()[0]
