"""The assignment of two lists of layers, and whether another is just as plausible.

Only layers of equal kind and shapes can stand for one another. Among those, the evidence is

1. names: words and numbers that both names have (:mod:`fanwise.porting.matching.names`);
2. numbers: layers that differ by numbers alone, ``conv1`` and ``conv2``, on both sides, stand in
   the order of their numbers;
3. nesting: a layer belongs where the other layers of its block belong;
4. a normalization belongs behind the convolution that it follows on both sides.

The assignment is the one with the most evidence in all. It is told if no two layers in it could
change places with as much. Where evidence speaks for one of two layers only, the order must agree.
Order alone is no evidence: people define q, k and v in any order. Nor are numbers of linen's own
that contradict the order in which layers run (:mod:`fanwise.porting.matching.construction`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from fanwise.layers import Layer, family
from fanwise.porting.matching.candidates import Fit, fit, signature
from fanwise.porting.matching.construction import contrary, without
from fanwise.porting.matching.names import Name, names_of
from fanwise.porting.matching.nesting import around
from fanwise.porting.matching.numbered import direction
from fanwise.porting.matching.similarity import similarities

__all__ = ["Assignment", "assign"]

# Less than that is no difference: evidence is counted in words.
_MARGIN = 0.5
_FOLLOWING, _KIND = 1.0, 1.5
_ROUNDS = 6


@dataclass
class Assignment:
    """Which torch layer is which.

    Args:
        pairs: positions in both lists, and what tells them; those that nothing tells too.
        unclear: for pairs that nothing tells, the pairs that they could change places with.
        free: for pairs that nothing tells, what else is as likely and nothing's counterpart.
        contrary: paths of the other framework's modules that run in another order than their
            numbers have.
    """

    pairs: dict[int, tuple[int, str]] = field(default_factory=dict)
    unclear: dict[int, set[int]] = field(default_factory=dict)
    free: dict[int, list[int]] = field(default_factory=dict)
    contrary: list[list[str]] = field(default_factory=list)


@dataclass
class _Side:
    layers: Sequence[Layer]
    names: list[Name]


def assign(
    torch: Sequence[Layer],
    flax: Sequence[Layer],
    allowed: Any = None,
    paths: tuple[Sequence[str], Sequence[str]] | None = None,
    settled: Mapping[int, int] | None = None,
) -> Assignment:
    """Assign the layers of one model to those of the other.

    Args:
        torch: torch's, in their order.
        flax: the other framework's.
        allowed: a matrix of what may be assigned; all if None.
        paths: what the layers are called, where it is not their path.
        settled: pairs that are stated, which are evidence for others.
    """
    own, others = paths or ([layer.path for layer in torch], [layer.path for layer in flax])
    fits = _fits(torch, flax)
    if allowed is not None:
        fits &= allowed
    components = _components(fits)
    groups = contrary(others, [columns for _, columns in components], own)
    sides = (_side(torch, own), _side(flax, others, groups))
    found = Assignment({row: (column, "names=") for row, column in (settled or {}).items()})
    found.contrary = groups
    said = [_said(sides, rows, columns) for rows, columns in components]
    for (rows, columns), names in zip(components, said, strict=True):
        _solve(sides, rows, columns, fits[np.ix_(rows, columns)], names, found)
    # What is told by then tells where others belong.
    for _ in range(_ROUNDS):
        unclear = {*found.unclear, *found.free}
        for (rows, columns), names in zip(components, said, strict=True):
            if unclear.isdisjoint(rows):
                continue
            told = {
                row: column
                for row, (column, _) in found.pairs.items()
                if row not in found.unclear and row not in found.free and row not in set(rows)
            }
            evidence = names + around(sides[0].names, sides[1].names, rows, columns, told)
            evidence += _following(sides, rows, columns, told)
            _solve(sides, rows, columns, fits[np.ix_(rows, columns)], evidence, found)
        if {*found.unclear, *found.free} == unclear:
            break
    return found


def _side(
    layers: Sequence[Layer], paths: Sequence[str], groups: Sequence[Sequence[str]] = ()
) -> _Side:
    kinds = [family(layer.kind or "") for layer in layers]
    said = [without(path, groups) for path in paths] if groups else paths
    names = names_of(zip(said, kinds, strict=True))
    return _Side(
        layers, [replace(name, path=path) for name, path in zip(names, paths, strict=True)]
    )


def _fits(torch: Sequence[Layer], flax: Sequence[Layer]) -> Any:
    """Each pair of forms is looked at once: models have few."""
    rows, columns = _forms(torch), _forms(flax)
    small = np.array(
        [[isinstance(fit(a, b), Fit) for b in columns[1]] for a in rows[1]], dtype=bool
    ).reshape(len(rows[1]), len(columns[1]))
    return small[np.ix_(rows[0], columns[0])]


def _forms(layers: Sequence[Layer]) -> tuple[list[int], list[Layer]]:
    places: dict[Any, int] = {}
    first: list[Layer] = []
    found = []
    for layer in layers:
        key = signature(layer)
        if key not in places:
            places[key] = len(first)
            first.append(layer)
        found.append(places[key])
    return found, first


def _components(fits: Any) -> list[tuple[list[int], list[int]]]:
    """Layers that compete with one another, as positions in both lists."""
    rows, columns = fits.shape
    graph = np.zeros((rows + columns,) * 2, dtype=bool)
    graph[:rows, rows:] = fits
    count, labels = connected_components(csr_array(graph), directed=False)
    members: list[tuple[list[int], list[int]]] = [([], []) for _ in range(count)]
    for index, label in enumerate(labels):
        members[label][index >= rows].append(index if index < rows else index - rows)
    return [(own, others) for own, others in members if own and others]


def _said(sides: tuple[_Side, _Side], rows: Sequence[int], columns: Sequence[int]) -> Any:
    """How much names and kinds speak for each pair."""
    torch, flax = sides
    said = similarities([torch.names[row] for row in rows], [flax.names[col] for col in columns])
    ours = np.array([torch.layers[row].kind is not None for row in rows])
    theirs = np.array([flax.layers[column].kind is not None for column in columns])
    said += _KIND * np.outer(ours, theirs) + _KIND / 2 * np.outer(~ours, ~theirs)
    return said


def _following(
    sides: tuple[_Side, _Side],
    rows: Sequence[int],
    columns: Sequence[int],
    told: Mapping[int, int],
) -> Any:
    """How much it speaks for a pair of normalizations that each stands behind its convolution."""
    torch, flax = sides
    speaks = np.zeros((len(rows), len(columns)))
    for i, row in enumerate(rows):
        column = told.get(row - 1, -2) + 1
        before = (torch.layers[row - 1].kind or "") if row else ""
        is_norm = (torch.layers[row].kind or "").startswith(("BatchNorm", "InstanceNorm", "Group"))
        if is_norm and "Conv" in before and column in columns:
            is_together = (
                torch.names[row].parent == torch.names[row - 1].parent
                and flax.names[column].parent == flax.names[column - 1].parent
            )
            speaks[i, columns.index(column)] = _FOLLOWING * is_together
    return speaks


def _solve(
    sides: tuple[_Side, _Side],
    rows: Sequence[int],
    columns: Sequence[int],
    possible: Any,
    evidence: Any,
    found: Assignment,
) -> None:
    """Assign layers that compete, and find those that could change places."""
    # Among equals the order proposes, without being evidence.
    order = np.subtract.outer(
        np.arange(len(rows)) / len(rows), np.arange(len(columns)) / len(columns)
    )
    score = np.where(possible, evidence - 1e-3 * order**2, -1e6)
    one, other = linear_sum_assignment(score, maximize=True)
    is_possible = possible[one, other]
    one, other = one[is_possible], other[is_possible]
    taken = set(other)
    alone = len(rows) == len(columns) == 1
    before = set(found.unclear)
    for i, j in zip(one, other, strict=True):
        row, column = rows[i], columns[j]
        is_same = sides[0].names[row].whole == sides[1].names[column].whole
        reason = "name" if is_same else "kind and shape" if alone else "similar name"
        found.pairs[row] = (column, "place" if row in before else reason)
        found.unclear.pop(row, None)
        found.free.pop(row, None)
        as_likely = [
            columns[n]
            for n in range(len(columns))
            if n not in taken and possible[i, n] and evidence[i, j] - evidence[i, n] < _MARGIN
        ]
        if as_likely:
            found.free[row] = as_likely
    # Each pair of pairs: what speaks for it, and for the two that change places.
    could = possible[np.ix_(one, other)]
    mixed = np.where(could & could.T, evidence[np.ix_(one, other)], -np.inf)
    straight = np.diag(evidence[np.ix_(one, other)])
    # Each of two layers of torch is more like its own counterpart, or each counterpart is.
    own = straight[:, None] - mixed >= _MARGIN
    theirs = straight[None, :] - mixed >= _MARGIN
    is_told = (own & own.T) | (theirs & theirs.T)
    for at, then in np.argwhere(np.triu(~is_told, 1)):
        i, k = rows[one[at]], rows[one[then]]
        j, m = columns[other[at]], columns[other[then]]
        gain = straight[at] + straight[then] - mixed[at, then] - mixed[then, at]
        told = _told(gain, sides, (i, k), (j, m))
        if told == "":
            found.unclear.setdefault(i, set()).add(k)
            found.unclear.setdefault(k, set()).add(i)
        elif told == "numbers":
            for row, column in ((i, j), (k, m)):
                if found.pairs[row][1] == "similar name":
                    found.pairs[row] = (column, "numbers")


def _told(
    gain: float, sides: tuple[_Side, _Side], pair: tuple[int, int], others: tuple[int, int]
) -> str:
    """What tells which of two is which, where names do not for both of them; nothing if unclear.

    Args:
        gain: how much more speaks for it than for the two that change places.
        sides: the two models.
        pair: positions in torch.
        others: of their counterparts.
    """
    ours = [sides[0].names[row] for row in pair]
    theirs = [sides[1].names[column] for column in others]
    numbers = direction(ours[0], ours[1], theirs[0], theirs[1])
    if numbers > 0:
        return "numbers"
    if gain < _MARGIN:
        return ""
    is_ordered = (pair[0] < pair[1]) == (others[0] < others[1])
    is_apart = ours[0].parent != ours[1].parent and theirs[0].parent != theirs[1].parent
    return "names" if is_ordered or is_apart else ""
