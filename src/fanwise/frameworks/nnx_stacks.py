"""Which modules of an nnx model are stacks of layers, and the axes of the stacks.

``nnx.vmap`` leaves no trace of where it was used but the arrays: all those below the module that
it made are longer by an axis of the same size. That module is looked for from the model down.
Where several could be it, because each is all that the other holds, it is the lowest one that is
no layer of nnx's own: ``encoder/blocks/0/linear`` for blocks with a linear and nothing else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from fanwise.frameworks.nnx_modules import Entry, Names, Walked, layer_class
from fanwise.frameworks.nnx_shapes import LAYERS, own_shape
from fanwise.frameworks.stacking import added_axes

__all__ = ["Stacked", "stacks_in"]

Shape: TypeAlias = tuple[int, ...]


@dataclass
class Stacked:
    """An array, and what is known of its stacks so far.

    Args:
        entry: the array.
        left: its axes, as places in the whole array, without those already found.
        axes: those among them that are of stacks, the outermost first; None if the array may be
            of any shape, as ``nnx.Param`` is.
        stack: what was found: see :class:`fanwise.frameworks.claims.Array`.
    """

    entry: Entry
    left: list[int]
    axes: list[int] | None
    stack: list[tuple[int, int, int]] = field(default_factory=list)

    @property
    def shape(self) -> Shape:
        """Without the stacks found."""
        return tuple(self.entry.shape[axis] for axis in self.left)

    @property
    def sizes(self) -> Shape:
        """Of the stacks not yet found; of all axes if any may be one."""
        axes = self.left if self.axes is None else self.axes
        return tuple(self.entry.shape[axis] for axis in axes)

    def take(self, level: int) -> None:
        """Take the outermost axis to be that of a stack, of the module at a level."""
        axis = self.left[0] if self.axes is None else self.axes.pop(0)
        self.stack.append((self.left.index(axis), self.entry.shape[axis], level))
        self.left.remove(axis)


def stacks_in(walked: Walked) -> list[Stacked]:
    """The stacks that each array of a model is in."""
    found = [Stacked(e, list(range(len(e.shape))), None) for e in walked.entries]
    choices = [_choices(each.entry, walked) for each in found]
    # A size that is a width too is told apart by the other arrays of the module.
    sure = {
        (each.entry.owner, own[0]) for each, own in zip(found, choices, strict=True) if _is_one(own)
    }
    for each, own in zip(found, choices, strict=True):
        if own:
            fits = [axes for axes in own if (each.entry.owner, axes) in sure]
            each.axes = list((fits or own)[0])
    _place((), found, walked)
    return found


def _is_one(choices: Sequence[tuple[int, ...]]) -> bool:
    return len(choices) == 1


def _choices(entry: Entry, walked: Walked) -> list[tuple[int, ...]]:
    """The axes that may be those of stacks; nothing if the array may be of any shape."""
    rest = entry.names[len(entry.owner) :]
    own = own_shape(walked.modules[entry.owner], rest, entry.shape)
    if entry.is_random:
        own = ()
    try:
        return [] if own is None else added_axes(entry.shape, own)
    except ValueError:
        return []  # the array was replaced by one of another shape


def _place(node: Names, below: Sequence[Stacked], walked: Walked) -> None:
    """Find the stacks at a node of the model and below it."""
    count = _common(below)
    if count:
        chain = _chain(node, below, count, walked)
        sizes = _rigid(below)[0].sizes[:count]
        lowest = chain[-1]
        inside = [each for each in below if each.entry.names[: len(lowest)] == lowest]
        # The innermost stack is the lowest module.
        for step in range(count):
            level = len(chain[max(len(chain) - count + step, 0)])
            for each in inside:
                if each.sizes[:1] == sizes[step : step + 1]:
                    each.take(level)
    for name, members in _by_child(node, below).items():
        child = (*node, name)
        if any(each.entry.names != child for each in members):
            _place(child, members, walked)
        else:
            for each in members:
                while each.axes:
                    each.take(len(node))


def _rigid(below: Iterable[Stacked]) -> list[Stacked]:
    """The arrays that must be in a stack if others beside them are."""
    return [each for each in below if each.axes is not None and not each.entry.is_random]


def _common(below: Sequence[Stacked]) -> int:
    """The number of stacks that everything is in."""
    rigid = _rigid(below)
    if not rigid:
        return 0
    first, count = rigid[0].sizes, 0
    others = [each for each in below if not each.entry.is_random]
    while count < len(first) and all(
        each.sizes[: count + 1] == first[: count + 1] for each in others
    ):
        count += 1
    return count


def _by_child(node: Names, below: Iterable[Stacked]) -> dict[str, list[Stacked]]:
    children: dict[str, list[Stacked]] = {}
    for each in below:
        children.setdefault(each.entry.names[len(node)], []).append(each)
    return children


def _chain(node: Names, below: Sequence[Stacked], count: int, walked: Walked) -> list[Names]:
    """The modules that could be the stack, from the top down."""
    sizes = _rigid(below)[0].sizes[:count]
    # A random generator may be one for all; an array of the model's own may be as long as the
    # stack by chance.
    inside = [
        each
        for each in below
        if each.sizes[:count] == sizes and not (each.axes is None and node == ())
    ]
    chain = [node]
    while True:
        bearing = _by_child(chain[-1], inside)
        name, inside = next(iter(bearing.items()))
        child = (*chain[-1], name)
        if len(bearing) > 1 or child not in walked.modules:
            break
        chain.append(child)
    below_model = [each for each in chain if each]
    plain = [each for each in below_model if not _is_layer(each, walked)]
    return plain or below_model[:1] or chain


def _is_layer(node: Names, walked: Walked) -> bool:
    """Whether a module is one of nnx's layers, or a part of nnx's Sequential."""
    parent = walked.modules.get(node[:-1])
    if parent is not None and node and layer_class(parent) == "Sequential":
        return True
    return layer_class(walked.modules.get(node)) in LAYERS
