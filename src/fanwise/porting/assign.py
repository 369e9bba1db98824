"""The assignment of two lists of layers, and whether another is just as plausible.

Only layers of equal kind and shapes can stand for one another. Among those, the evidence is

1. names: words and numbers that both names have (:mod:`fanwise.porting.names`);
2. numbers: layers that differ by numbers alone, ``conv1`` and ``conv2``, on both sides, stand in
   the order of their numbers;
3. nesting: a layer belongs where the other layers of its block belong;
4. a normalization belongs behind the layer that it follows on both sides.

The assignment is the one with the most evidence in all. It is told if no two layers in it could
change places with as much. Where names speak for one of two layers only, the order must agree.
Order alone is no evidence: people define q, k and v in any order.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from fanwise.layers import Layer, family
from fanwise.porting.candidates import Fit, fit, signature
from fanwise.porting.names import Name, names_of, similarity

__all__ = ["Assignment", "assign"]

# Less than that is no difference: evidence is counted in words.
_MARGIN = 0.5
_NESTING, _FOLLOWING, _KIND = 2.0, 1.0, 1.5
_ROUNDS = 6


@dataclass
class Assignment:
    """Which torch layer is which.

    Args:
        pairs: positions in both lists, and what tells them; those that nothing tells too.
        unclear: for pairs that nothing tells, the pairs that they could change places with.
    """

    pairs: dict[int, tuple[int, str]] = field(default_factory=dict)
    unclear: dict[int, set[int]] = field(default_factory=dict)


@dataclass
class _Side:
    layers: Sequence[Layer]
    names: list[Name]

    def ancestors(self, index: int) -> list[str]:
        parts = self.names[index].path.split("/")[:-1]
        return ["/".join(parts[: n + 1]) for n in range(len(parts))]


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
    sides = (_side(torch, own), _side(flax, others))
    fits = _fits(torch, flax)
    if allowed is not None:
        fits &= allowed
    said = _said(sides, fits)
    stated = {row: (column, "names=") for row, column in (settled or {}).items()}
    found = Assignment(dict(stated))
    components = _components(fits)
    for _ in range(_ROUNDS):
        before = (dict(found.pairs), set(found.unclear))
        told = {row: column for row, (column, _) in found.pairs.items() if row not in found.unclear}
        found = Assignment(dict(stated))
        for rows, columns in components:
            here = np.ix_(rows, columns)
            others = {row: column for row, column in told.items() if row not in set(rows)}
            around = _around(sides, rows, columns, fits[here], others)
            _solve(sides, rows, columns, fits[here], said[here] + around, found)
        if (found.pairs, set(found.unclear)) == before:
            break
    return found


def _side(layers: Sequence[Layer], paths: Sequence[str]) -> _Side:
    kinds = [family(layer.kind or "") for layer in layers]
    return _Side(layers, names_of(zip(paths, kinds, strict=True)))


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


def _said(sides: tuple[_Side, _Side], fits: Any) -> Any:
    """How much names and kinds speak for each pair that fits."""
    torch, flax = sides
    said = np.zeros(fits.shape)
    for row, column in np.argwhere(fits):
        kinds = (torch.layers[row].kind, flax.layers[column].kind)
        known = _KIND if None not in kinds else _KIND / 2 if kinds == (None, None) else 0.0
        said[row, column] = known + similarity(torch.names[row], flax.names[column])
    return said


def _around(
    sides: tuple[_Side, _Side],
    rows: Sequence[int],
    columns: Sequence[int],
    possible: Any,
    told: Mapping[int, int],
) -> Any:
    """How much pairs that are told speak for others: where they are, and what follows them.

    Args:
        sides: the two models.
        rows: the layers that compete, as positions in torch.
        columns: those of the other side.
        possible: which of them fit.
        told: pairs of other layers; these themselves would only confirm what they are.
    """
    torch, flax = sides
    around = np.zeros(possible.shape)
    rows_in: Counter[str] = Counter(a for row in told for a in torch.ancestors(row))
    columns_in: Counter[str] = Counter(a for each in told.values() for a in flax.ancestors(each))
    both: Counter[tuple[str, str]] = Counter(
        (a, b)
        for row, column in told.items()
        for a in torch.ancestors(row)
        for b in flax.ancestors(column)
    )
    for i, j in np.argwhere(possible):
        row, column = rows[i], columns[j]
        # Of the told pairs in either of two blocks, how many are in both.
        shares = [
            both[a, b] / (rows_in[a] + columns_in[b] - both[a, b])
            for a in torch.ancestors(row)
            for b in flax.ancestors(column)
            if both[a, b]
        ]
        around[i, j] = _NESTING * max(shares, default=0.0)
        is_norm = "Norm" in (torch.layers[row].kind or "")
        if is_norm and row > 0 and told.get(row - 1, -1) == column - 1 >= 0:
            around[i, j] += _FOLLOWING
    return around


def _solve(
    sides: tuple[_Side, _Side],
    rows: list[int],
    columns: list[int],
    possible: Any,
    evidence: Any,
    found: Assignment,
) -> None:
    # Among equals the order proposes, without being evidence.
    order = np.subtract.outer(
        np.arange(len(rows)) / len(rows), np.arange(len(columns)) / len(columns)
    )
    score = np.where(possible, evidence - 1e-3 * order**2, -1e6)
    chosen = [
        (int(i), int(j))
        for i, j in zip(*linear_sum_assignment(score, maximize=True), strict=True)
        if possible[i, j]
    ]
    alone = len(rows) == len(columns) == 1
    reasons = {}
    for i, j in chosen:
        is_same = sides[0].names[rows[i]].whole == sides[1].names[columns[j]].whole
        reasons[i] = "name" if is_same else "kind and shape" if alone else "similar name"
    unclear: dict[int, set[int]] = {}
    for at, (i, j) in enumerate(chosen):
        for k, m in chosen[at + 1 :]:
            if not (possible[i, m] and possible[k, j]):
                continue
            swapped = (rows[i], columns[j], rows[k], columns[m])
            told = _told(evidence, i, j, k, m, sides, swapped)
            if told == "":
                unclear.setdefault(rows[i], set()).add(rows[k])
                unclear.setdefault(rows[k], set()).add(rows[i])
            elif told != "names":
                for each in (i, k):
                    reasons[each] = "numbers" if reasons[each] == "similar name" else reasons[each]
    for i, j in chosen:
        reason = reasons[i]
        found.pairs[rows[i]] = (columns[j], reason)
    found.unclear |= unclear


def _told(
    evidence: Any,
    i: int,
    j: int,
    k: int,
    m: int,
    sides: tuple[_Side, _Side],
    swapped: tuple[int, int, int, int],
) -> str:
    """What tells that i, j and k, m are pairs rather than i, m and k, j; nothing if unclear."""
    own, other = evidence[i, j], evidence[k, m]
    crossed, back = evidence[i, m], evidence[k, j]
    if min(own, other) - max(crossed, back) >= _MARGIN:
        return "names"
    numbers = _numbers(sides, *swapped)
    if own + other - crossed - back >= _MARGIN:
        row, column, second, last = swapped
        is_ordered = (row < second) == (column < last)
        is_apart = sides[0].names[row].parent != sides[0].names[second].parent
        return "names" if is_ordered or is_apart or numbers > 0 else ""
    return "numbers" if numbers > 0 else ""


def _numbers(sides: tuple[_Side, _Side], row: int, column: int, second: int, last: int) -> int:
    """1 if two layers differ by numbers alone on both sides, and in the same direction; else -1."""
    first_name, second_name = sides[0].names[row], sides[0].names[second]
    first_other, second_other = sides[1].names[column], sides[1].names[last]
    if first_name.words != second_name.words or first_other.words != second_other.words:
        return 0
    if set(first_name.numbers) != set(second_name.numbers):
        return 0
    if set(first_other.numbers) != set(second_other.numbers):
        return 0
    # Numbers after the same word must agree each for itself, the others all together.
    torch_count = Counter(word for word, _ in first_name.numbers)
    flax_count = Counter(word for word, _ in first_other.numbers)
    common = {w for w in torch_count if torch_count[w] == flax_count[w]}
    directions = [
        (_sign(first_name, second_name, label), _sign(first_other, second_other, label))
        for label in first_name.numbers
        if label[0] in common
    ]
    rest = tuple(
        next(
            (
                s
                for label in first.numbers
                if label[0] not in common and (s := _sign(first, second, label))
            ),
            0,
        )
        for first, second in ((first_name, second_name), (first_other, second_other))
    )
    directions.append((rest[0], rest[1]))
    if any(a != b for a, b in directions):
        return -1
    return int(any(a for a, _ in directions))


def _sign(first: Name, second: Name, label: tuple[str, int]) -> int:
    difference = second.numbers[label] - first.numbers[label]
    return (difference > 0) - (difference < 0)
