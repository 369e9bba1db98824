"""How much the names of layers have in common."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from fanwise.porting.matching.names import Name

__all__ = ["similarities", "similarity"]

# What two equal names have more than all words of theirs.
_EQUAL = 4.0


def similarity(torch: Name, flax: Name) -> float:
    """How much two names have in common.

    Example:
        >>> from fanwise.porting.matching.names import names_of
        >>> (torch,) = names_of([("encoder/self_attn/q_proj", "Linear")])
        >>> query, key = names_of([("enc/attention/query", "Linear"), ("enc/attention/key", "")])
        >>> similarity(torch, query), similarity(torch, key)
        (3.0, 2.0)
    """
    return float(similarities([torch], [flax])[0, 0])


def similarities(torch: Sequence[Name], flax: Sequence[Name]) -> Any:
    """A matrix of how much each name of one side has in common with each of the other.

    One for each word that both have; one for each number after the same word that has the same
    place among as many siblings; one if the last part of both is the same; more for equal names.
    """
    total = np.zeros((len(torch), len(flax)))
    for word in _common([name.words for name in torch], [name.words for name in flax]):
        total += np.minimum.outer(
            np.array([name.words[word] for name in torch]),
            np.array([name.words[word] for name in flax]),
        )
    for label in _common([name.ranks for name in torch], [name.ranks for name in flax]):
        total += _equal(torch, flax, partial(_place, label))
    total += _equal(torch, flax, lambda name: name.last)
    return total + _EQUAL * _equal(torch, flax, lambda name: name.whole)


def _common(ours: Iterable[Iterable[Any]], theirs: Iterable[Iterable[Any]]) -> set[Any]:
    """What occurs on both sides."""
    return set(chain.from_iterable(ours)) & set(chain.from_iterable(theirs))


def _place(label: tuple[str, int], name: Name) -> Hashable:
    """The place of a number among its siblings; nothing for one without."""
    place = name.ranks.get(label)
    return place if place is not None and place[1] > 1 else None


def _equal(torch: Sequence[Name], flax: Sequence[Name], part: Callable[[Name], Hashable]) -> Any:
    """Where both have the same part."""
    codes: dict[Hashable, int] = {None: -1}
    ours, theirs = (
        np.array([codes.setdefault(part(name), len(codes)) for name in side])
        for side in (torch, flax)
    )
    return np.equal.outer(ours, theirs) & (ours >= 0)[:, None]
