"""Layers that differ by numbers alone: ``conv1`` and ``conv2``, ``Conv_0`` and ``Conv_1``."""

from collections import Counter
from collections.abc import Sequence

from fanwise.porting.matching.names import Name

__all__ = ["direction"]


def direction(first: Name, second: Name, first_other: Name, second_other: Name) -> int:
    """1 if two layers differ by numbers alone on both sides, in the same direction; -1 if not."""
    for one, two in ((first, second), (first_other, second_other)):
        if one.words != two.words or set(one.numbers) != set(two.numbers):
            return 0
    # Numbers after the same word must agree each for itself, the others all together.
    counts = Counter(word for word, _ in first.numbers)
    other_counts = Counter(word for word, _ in first_other.numbers)
    common = {word for word, count in counts.items() if count == other_counts[word]}
    directions = [
        (_sign(first, second, label), _sign(first_other, second_other, label))
        for label in first.numbers
        if label[0] in common
    ]
    labels = [label for label in first.numbers if label[0] not in common]
    rest = _first_sign(first, second, labels)
    others = [label for label in first_other.numbers if label[0] not in common]
    directions.append((rest, _first_sign(first_other, second_other, others)))
    if any(own != other for own, other in directions):
        return -1
    return int(any(own for own, _ in directions))


def _first_sign(first: Name, second: Name, labels: Sequence[tuple[str, int]]) -> int:
    return next((sign for label in labels if (sign := _sign(first, second, label))), 0)


def _sign(first: Name, second: Name, label: tuple[str, int]) -> int:
    difference = second.numbers[label] - first.numbers[label]
    return (difference > 0) - (difference < 0)
