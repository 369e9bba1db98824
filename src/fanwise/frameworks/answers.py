"""What a rule's answer for a layer means for each of the framework's arrays."""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fanwise.distributions import (
    Constant,
    Distribution,
    Normal,
    ScalarDistribution,
    Triangular,
    Uniform,
)
from fanwise.initializers import Initializer
from fanwise.layers import Derived, Layer, Leaf, Piece
from fanwise.layouts import FLAX, TORCH
from fanwise.rules import Rule, answer_of
from fanwise.typing import DType, compute_dtype

__all__ = ["Answered", "Slot", "answered", "distribution_of", "sum_of"]

At = tuple[tuple[int, int], ...] | None


@dataclass(frozen=True)
class Slot:
    """A region of a leaf, and what is put there.

    Args:
        at: start and stop on each axis; None is all of the leaf.
        shape: of the region.
        pieces: what is added up there.
        values: what each is drawn from.
        names: of what is drawn: of each piece, or of the only thing if the pieces' sum is known.
        is_direct: whether it is drawn in the region's own shape.
    """

    at: At
    shape: tuple[int, ...]
    pieces: tuple[Piece, ...]
    values: tuple[Any, ...]
    names: tuple[str, ...]
    is_direct: bool

    @property
    def is_drawn_as_it_is(self) -> bool:
        """Whether what is drawn is the region, and nothing is left to be done."""
        return self.is_direct and len(self.names) == 1

    def direct(self, dtype: DType) -> Iterator[tuple[str, Distribution, DType]]:
        """What is to be drawn in the region's shape: name, distribution and dtype."""
        if self.is_direct:
            # Terms of a sum are rounded once, after it.
            own = dtype if self.is_drawn_as_it_is else compute_dtype(dtype)
            for name, value in zip(self.names, self.values, strict=True):
                yield name, value, own

    def value(self, arrays: Mapping[str, Any], xp: Any) -> Any:
        """The region's elements."""
        parts = [xp.asarray(arrays[name]) for name in self.names]
        if not self.is_direct:
            parts = [
                piece.view.from_torch(piece.block(part))
                for piece, part in zip(self.pieces, parts, strict=True)
            ]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total.reshape(self.shape)


@dataclass(frozen=True)
class Answered:
    """A layer and what a rule says of it.

    Args:
        layer: the layer.
        slots: of each leaf, those that the rule speaks of.
        made: what is made in torch's shape, by the name of the parameter.
    """

    layer: Layer
    slots: Mapping[Leaf, list[Slot]]
    made: Mapping[str, Any] = field(default_factory=dict)

    def is_complete(self, leaf: Leaf) -> bool:
        """Whether all of the leaf is spoken of."""
        return len(self.slots[leaf]) == len({piece.at for piece in leaf.pieces})

    def name_of(self, parameter: str) -> str:
        """The name that the key of something in torch's shape is made from."""
        return _name_of(self.layer, parameter)

    def dtype_of(self, parameter: str, targets: Mapping[Hashable, Any]) -> DType:
        """The dtype of the arrays that a parameter is kept in."""
        for leaf in self.layer.leaves:
            if any(piece.name == parameter for piece in leaf.pieces):
                dtype: DType = targets[leaf.path].dtype
                return dtype
        return self.layer.leaves[0].dtype

    def derive(self, arrays: dict[str, Any]) -> None:
        """Compute what follows from what was drawn, and add it."""
        waiting = {name: value for name, value in self.made.items() if isinstance(value, Derived)}
        while waiting:
            ready = [
                name
                for name, value in waiting.items()
                if not any(source in waiting for source in value.sources)
            ]
            if not ready:
                raise ValueError(
                    f"{self.layer.path}: {', '.join(waiting)} follow from one another; one of "
                    f"them must be drawn"
                )
            for name in ready:
                value, own = waiting.pop(name), self.name_of(name)
                drawn = () if value.drawn is None else (arrays[own],)
                sources = (arrays[self.name_of(source)] for source in value.sources)
                arrays[own] = value.compute(*drawn, *sources)


def answered(layer: Layer, rule: Rule) -> Answered:
    """Ask the rule for a layer.

    Raises:
        TypeError, ValueError: see :func:`fanwise.rules.answer_of`; and if the rule names one of
            several parameters that the framework keeps as their sum.
    """
    answer = {
        name: distribution_of(value, layer, name) for name, value in answer_of(rule, layer).items()
    }
    sources = {
        source
        for value in answer.values()
        if isinstance(value, Derived)
        for source in value.sources
    }
    if missing := sources - set(answer):
        raise ValueError(
            f"{layer.path}: the rule's answer needs {', '.join(sorted(missing))} as well, from "
            f"which other values follow"
        )
    indirect = {
        name
        for name, value in answer.items()
        if name in sources or not isinstance(value, ScalarDistribution | Constant)
    }
    made = {name: answer[name] for name in _with_terms(layer, indirect) if name in answer}
    slots = {leaf: list(_slots(layer, leaf, answer, made)) for leaf in layer.leaves}
    return Answered(layer, slots, made)


def _name_of(layer: Layer, parameter: str) -> str:
    """What the key of something in torch's shape is made from.

    With the kind, since what no layer claims may be listed at the path of a layer.
    """
    return f"{layer.path}:{layer.kind or ''}:{parameter}"


def _with_terms(layer: Layer, names: set[str]) -> list[str]:
    """Those names, and what is added to them in the framework's arrays."""
    found = set(names)
    terms = [
        {piece.name for piece in leaf.pieces if piece.at == at}
        for leaf in layer.leaves
        for at in {piece.at for piece in leaf.pieces}
    ]
    while added := [each for each in terms if each & found and not each <= found]:
        found |= set().union(*added)
    return [name for name in layer.shapes if name in found]


def distribution_of(value: Any, layer: Layer, name: str) -> Any:
    """The distribution that an initializer decides on for a parameter; anything else as it is."""
    if not isinstance(value, Initializer):
        return value
    try:
        # Shapes are torch's, unless torch has no such layer or the user says otherwise.
        is_told = layer.kind is None or value.layout != FLAX
        return value.distribution(layer.shapes[name], None if is_told else TORCH)
    except ValueError as error:
        raise ValueError(f"{layer.path}: {name}: {error}") from error


def _slots(
    layer: Layer, leaf: Leaf, answer: Mapping[str, Any], made: Mapping[str, Any]
) -> Iterator[Slot]:
    regions: dict[At, list[Piece]] = {}
    for piece in leaf.pieces:
        regions.setdefault(piece.at, []).append(piece)
    for index, (at, pieces) in enumerate(regions.items()):
        named = [piece for piece in pieces if piece.name in answer]
        if not named:
            continue
        if len(named) < len(pieces):
            raise ValueError(
                f"{layer.path}: {' and '.join(piece.name for piece in pieces)} are added in one "
                f"array here, {leaf.name!r}, and the rule's answer has only "
                f"{' and '.join(piece.name for piece in named)}; give all of them (zeros() adds "
                f"nothing)"
            )
        name = leaf.name if len(regions) == 1 else f"{leaf.name}[{index}]"
        shape = leaf.shape if at is None else tuple(stop - start for start, stop in at)
        yield _slot(layer, at, shape, pieces, answer, made, name)


def _slot(
    layer: Layer,
    at: At,
    shape: tuple[int, ...],
    pieces: Sequence[Piece],
    answer: Mapping[str, Any],
    made: Mapping[str, Any],
    name: str,
) -> Slot:
    values = tuple(answer[piece.name] for piece in pieces)
    if any(piece.name in made for piece in pieces):
        names = tuple(_name_of(layer, piece.name) for piece in pieces)
        return Slot(at, shape, tuple(pieces), values, names, is_direct=False)
    total = sum_of(values)
    if total is not None:
        return Slot(at, shape, tuple(pieces), (total,), (name,), is_direct=True)
    names = tuple(f"{name}:{piece.name}" for piece in pieces)
    return Slot(at, shape, tuple(pieces), values, names, is_direct=True)


def sum_of(distributions: Sequence[Distribution]) -> Distribution | None:
    """The distribution of a sum of independent variables, where it is one of ours.

    Example:
        >>> sum_of([Uniform(-0.5, 0.5), Uniform(-0.5, 0.5)])
        Triangular(-1.0, 1.0)
    """
    if len(distributions) == 1:
        return distributions[0]
    shift: Any = sum(d.value for d in distributions if isinstance(d, Constant))
    random = [d for d in distributions if not isinstance(d, Constant)]
    if not random:
        return Constant(shift)
    if all(isinstance(d, Normal) for d in random):
        normals: Any = random
        return Normal(sum(d.mean for d in normals) + shift, math.hypot(*(d.std for d in normals)))
    first = random[0]
    if isinstance(first, Uniform) and len(random) == 1:
        return Uniform(first.low + shift, first.high + shift)
    if isinstance(first, Uniform) and random == [first, first]:
        return Triangular(2 * first.low + shift, 2 * first.high + shift)
    return first if len(random) == 1 and shift == 0 else None
