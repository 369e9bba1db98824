"""The match of a model and its twin, against what is known of both."""

from dataclasses import dataclass
from typing import Any

import fanwise as fw
from fanwise.layers import Layer
from fanwise.porting import Correspondence
from parity.fuzz.truth import Truth

__all__ = ["Matched", "match_lines", "matched"]


@dataclass(frozen=True)
class Matched:
    """What came of a match.

    Args:
        correspondence: None if it was refused with all names stated.
        refused: why it was refused without names; empty if it was not.
        lines: a line for everything that is wrong.
    """

    correspondence: Correspondence | None
    refused: str
    lines: tuple[str, ...]


def matched(theirs: Any, layers: list[Layer], truth: Truth) -> Matched:
    """Match, and state names if that is refused.

    Args:
        theirs: torch's model or its recipe.
        layers: of the twin.
        truth: the right correspondence.
    """
    lines: list[str] = []
    flatten = truth.flatten
    splits = {name: twin for name, twin in truth.names.items() if isinstance(twin, tuple)}
    if flatten:
        try:
            fw.port.match(theirs, layers, names=truth.names)
        except ValueError as error:
            if not all(name in str(error) for name in flatten):
                lines.append(f"refused without flatten for another reason: {error}")
        else:
            lines.append("not refused without flatten")
    try:
        found = fw.port.match(theirs, layers, names=splits or None, flatten=flatten or None)
        return Matched(found, "", (*lines, *match_lines(found, truth)))
    except ValueError as error:
        refused = str(error)
    # A Linear of twice a map's channels that is defined right behind it is asked about as well.
    asked = {name: None for name in truth.names if f"{name} has" in refused}
    flatten = {**asked, **flatten}
    try:
        found = fw.port.match(theirs, layers, names=truth.names, flatten=flatten or None)
    except ValueError as error:
        return Matched(None, refused, (*lines, f"refused with all names: {error}"))
    return Matched(found, refused, (*lines, *match_lines(found, truth)))


def match_lines(found: Correspondence, truth: Truth) -> list[str]:
    """A line for each pair that is not a right one."""
    right: set[tuple[str, str]] = set()
    for path, twin in truth.layers.items():
        right |= {(path, each) for each in ((twin,) if isinstance(twin, str) else twin)}
    for name, (_, twin) in truth.ties.items():
        if twin is not None:
            right.add((name.rpartition(".")[0].replace(".", "/"), twin))
    pairs = {(p.torch.path, p.flax.path) for p in found.pairs if p.flax.kind is not None}
    lines = [f"{one} was matched with {other}" for one, other in sorted(pairs - right)]
    lines += [f"{one} was not matched with {other}" for one, other in sorted(right - pairs)]
    bare = {
        (leaf.path, path)
        for pair in found.pairs
        if pair.flax.kind is None
        for leaf in pair.torch.leaves
        for path in _paths(pair.flax, leaf.pieces[0].name)
    }
    if bare != set(truth.bare.items()):
        lines.append(f"bare parameters were matched as {sorted(bare)}, not {truth.bare}")
    return lines


def _paths(layer: Layer, name: str) -> list[str]:
    """Where a layer of parameters that belong to no known one has a parameter of torch."""
    found = []
    for leaf in layer.leaves:
        if any(piece.name == name for piece in leaf.pieces):
            names = [str(each) for each in leaf.path]  # type: ignore[attr-defined]
            found.append("/".join(names[1:] if names[0] == "params" else names))
    return found
