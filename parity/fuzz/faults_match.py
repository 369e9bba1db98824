"""Errors in the port itself, or in what its user states."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from parity.fuzz.examine import Case
from parity.fuzz.fault import Fault, NoPlace, nodes_of
from parity.fuzz.flat import Linear, Norm, Unembedding
from parity.fuzz.group import Group, Part
from parity.fuzz.spec import Spec
from parity.fuzz.statements import Tie

__all__ = ["FAULTS"]

Change = Callable[[Group], Group | None]


def _ported(change: Change) -> Callable[[Case, bool], list[str]]:
    """The checks of a twin that is built otherwise, with the names that it should have."""

    def check(case: Case, is_planted: bool) -> list[str]:
        twin = replace(case.spec, root=_first(case.spec.root, change))
        if not is_planted:
            twin = case.spec
        match = case.match(twin)
        lines = list(match.lines)
        if match.correspondence is not None:
            lines += case.weights(match.correspondence, twin).lines
        return lines

    return check


def _first(root: Group, change: Change) -> Group:
    """The model with the first group changed that can be."""

    def visit(group: Group) -> Group | None:
        changed = change(group)
        if changed is not None:
            return changed
        for index, part in enumerate(group.parts):
            if isinstance(part.node, Group) and (inside := visit(part.node)) is not None:
                parts = list(group.parts)
                parts[index] = replace(part, node=inside)
                return replace(group, parts=tuple(parts))
        return None

    found = visit(root)
    if found is None:
        raise NoPlace
    return found


def _names_swapped(group: Group) -> Group | None:
    """Two Linears of one shape, each under the other's name, which is torch's name."""
    if group.form != "class":
        return None
    for i, j in _pairs(group.parts):
        one, two = group.parts[i], group.parts[j]
        if (one.node, one.twin, two.twin) == (two.node, one.name, two.name):
            parts = list(group.parts)
            parts[i], parts[j] = replace(one, twin=two.twin), replace(two, twin=one.twin)
            return replace(group, parts=tuple(parts))
    return None


def _pairs(parts: tuple[Part, ...]) -> Iterator[tuple[int, int]]:
    for i, part in enumerate(parts):
        for j in range(i + 1, len(parts)):
            if isinstance(part.node, Linear) and isinstance(parts[j].node, Linear):
                yield i, j


def _bias_missing(group: Group) -> Group | None:
    for index, part in enumerate(group.parts):
        if isinstance(part.node, Linear) and part.node.bias and not part.node.is_normed:
            parts = list(group.parts)
            parts[index] = replace(part, node=replace(part.node, bias=False))
            return replace(group, parts=tuple(parts))
    return None


def _norm_missing(group: Group) -> Group | None:
    for index, part in enumerate(group.parts):
        if isinstance(part.node, Norm) and group.form != "span" and part.twin is not None:
            return replace(group, parts=(*group.parts[:index], *group.parts[index + 1 :]))
    return None


def _untied_in_torch(case: Case, is_planted: bool) -> list[str]:
    """torch's model has an output of its own, and its port the embedding's table."""
    if is_planted:
        root = case.spec.root
        kept = tuple(each for each in root.statements if not isinstance(each, Tie))
        case = replace(case, spec=replace(case.spec, root=replace(root, statements=kept)))
    match = case.match_module()
    return list(match.lines)


def _flattened(case: Case, is_planted: bool) -> list[str]:
    """The wrong order stated: torch's for Flax's, or the other way round."""
    truth = case.truth
    if not truth.flatten:
        raise NoPlace
    if is_planted:
        name, image = next(iter(truth.flatten.items()))
        truth.flatten[name] = _image(case.spec) if image is None else None
    match = case.match(truth=truth)
    lines = list(match.lines)
    if match.correspondence is not None:
        lines += case.weights(match.correspondence).lines
    return lines


def _image(spec: Spec) -> tuple[int, ...]:
    images = (node.image for node in nodes_of(spec.root) if isinstance(node, Linear))
    return next(filter(None, images), ())


def _attends(spec: Spec) -> bool:
    nodes = nodes_of(spec.root)
    return any(isinstance(node, Unembedding) and node.attends for node in nodes)


def _flattens(spec: Spec) -> bool:
    return bool(_image(spec))


_OFF = "outputs off by"

FAULTS = (
    Fault("swapped pair", "each under the other's name", _OFF, _ported(_names_swapped), 4),
    Fault("tie", "untied in torch alone", "refused", _untied_in_torch, 2, _attends),
    Fault("other", "a bias missing", "refused", _ported(_bias_missing), 2),
    Fault("other", "a normalization missing", "refused", _ported(_norm_missing), 2),
    Fault("other", "flattened in the other order", _OFF, _flattened, 4, _flattens),
)
