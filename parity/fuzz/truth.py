"""Which torch layer is which Flax layer, known from how the two were made."""

from collections import Counter
from dataclasses import dataclass, field

from parity.fuzz.flat import Linear, Unembedding
from parity.fuzz.group import Group, Part
from parity.fuzz.node import Bare, Function

__all__ = ["Truth", "truth_of"]


@dataclass
class Truth:
    """The right correspondence.

    Args:
        layers: Flax's path of each torch layer, several where it is split.
        bare: Flax's path of each bare parameter.
        ties: torch's name of a weight that is another one, by that one's, with Flax's path of a
            layer of its own if it has one.
        flatten: torch's Linears behind a flattened image: its shape, or None where Flax flattens
            it in torch's order.
    """

    layers: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    bare: dict[str, str] = field(default_factory=dict)
    ties: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    flatten: dict[str, tuple[int, ...] | None] = field(default_factory=dict)

    @property
    def names(self) -> dict[str, str | tuple[str, ...]]:
        """All of it as a user would state it."""
        tied = {
            name.rpartition(".")[0]: twin
            for name, (_, twin) in self.ties.items()
            if twin is not None
        }
        layers = {path.replace("/", "."): twin for path, twin in self.layers.items()}
        return {**layers, **tied, **self.bare}


@dataclass(frozen=True)
class _Place:
    """Where a group is: in torch, in the twin, before the names, and linen's numbers there."""

    torch: tuple[str, ...]
    twin: tuple[str, ...]
    prefix: str
    numbers: Counter[str]
    is_setup: bool


def truth_of(root: Group, framework: str) -> Truth:
    """Go through a model as its twin runs."""
    truth = Truth()
    _walk(root, _Place((), (), "", Counter(), root.is_setup), framework, truth, [False])
    return truth


def _walk(
    group: Group, place: _Place, framework: str, truth: Truth, is_reordered: list[bool]
) -> None:
    for part in group.parts:
        node = part.node
        if isinstance(node, Function):
            # Whether what was flattened last is in torch's order.
            if "flatten" in node.name:
                is_reordered[0] = node.name == "flatten"
        elif isinstance(node, Group):
            _walk(node, _inside(part, node, place, framework), framework, truth, is_reordered)
        else:
            _leaf(group, part, place, framework, truth, is_reordered[0])


def _inside(part: Part, node: Group, place: _Place, framework: str) -> _Place:
    torch = place.torch if node.form == "span" else (*place.torch, part.name)
    if not node.is_open:
        twin = (*place.twin, _name(part, place))
        return _Place(torch, twin, "", Counter(), node.is_setup)
    if node.form == "span":
        return _Place(torch, place.twin, place.prefix, place.numbers, place.is_setup)
    if framework == "nnx":
        twin = (*place.twin, part.twin or part.name)
        return _Place(torch, twin, "", place.numbers, place.is_setup)
    prefix = place.prefix if part.twin is None else f"{place.prefix}{part.twin}_"
    return _Place(torch, place.twin, prefix, place.numbers, place.is_setup)


def _name(part: Part, place: _Place) -> str:
    """The twin's name of a part; a number of linen's is used up."""
    numbers = place.numbers
    if part.twin is not None:
        if not place.is_setup:
            numbers.update(part.node.consumed)
        return f"{place.prefix}{part.twin}"
    name = f"{part.node.numbered}_{numbers[part.node.numbered]}"
    numbers[part.node.numbered] += 1
    numbers.update(part.node.consumed)
    return name


def _leaf(
    group: Group, part: Part, place: _Place, framework: str, truth: Truth, is_reordered: bool
) -> None:
    node, path = part.node, "/".join((*place.torch, part.name))
    if isinstance(node, Unembedding):
        twin = None if node.attends else "/".join((*place.twin, _name(part, place)))
        source = ".".join((*place.torch, node.source, "weight"))
        truth.ties[f"{path.replace('/', '.')}.weight"] = (source, twin)
        return
    twin = "/".join((*place.twin, _name(part, place)))
    if isinstance(node, Bare):
        truth.bare[path.replace("/", ".")] = twin
        return
    if isinstance(node, Linear) and len(node.image) > 1 and max(node.image[1:]) > 1:
        truth.flatten[path.replace("/", ".")] = node.image if is_reordered else None
    for own, other in node.paths(framework, place.is_setup):
        others = (other,) if isinstance(other, str) else other
        twins = tuple(f"{twin}/{each}".rstrip("/") for each in others)
        truth.layers[f"{path}/{own}".rstrip("/")] = twins[0] if isinstance(other, str) else twins
