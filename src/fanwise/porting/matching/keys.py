r"""Which key of ``names`` counts for a layer: a name, a regular expression, or their beginning."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from fanwise.porting.matching.split import Item

__all__ = ["Hit", "Names", "called", "hit_of", "whole_hit"]

Names: TypeAlias = Mapping[str, str | Sequence[str] | None]


@dataclass(frozen=True)
class Hit:
    """A key that counts for a name."""

    key: str
    value: str | tuple[str, ...] | None
    is_whole: bool
    length: int


def called(item: Item) -> Iterator[str]:
    """All names that torch has for a layer: of a bare parameter also its key in the state dict."""
    yield item.dotted
    if item.layer.kind is None:
        yield from (str(leaf.path) for leaf in item.layer.leaves)


def hit_of(item: Item, names: Names) -> Hit | None:
    """The key that counts: the name itself, then what matches all of it, then its beginning."""
    hits = [
        hit
        for key, value in names.items()
        for name in called(item)
        for hit in _hits(key, value, name)
    ]
    return max(hits, key=lambda hit: (hit.is_whole, hit.length), default=None)


def whole_hit(key: str, value: str | Sequence[str] | None, names: Iterable[str]) -> Hit | None:
    """What a key says of all of one of a layer's names; None if nothing."""
    hits = (hit for name in names for hit in _hits(key, value, name) if hit.is_whole)
    return next(hits, None)


def _hits(key: str, value: str | Sequence[str] | None, name: str) -> Iterator[Hit]:
    given = tuple(value) if isinstance(value, tuple | list) else value
    if key == name:
        # Before any regular expression that is as long.
        yield Hit(key, given, True, len(name) + 1)  # type: ignore[arg-type]
        return
    try:
        pattern = re.compile(key)
    except re.error:
        pattern = re.compile(re.escape(key))
    ends = [len(name), *(at for at, letter in enumerate(name) if letter == ".")]
    for end in ends:
        found = pattern.fullmatch(name, 0, end)
        if found is not None:
            expanded = _expanded(found, given, key)
            yield Hit(key, expanded, end == len(name), end)


def _expanded(found: re.Match[str], value: Any, key: str) -> Any:
    if value is None:
        return None
    try:
        if isinstance(value, tuple):
            return tuple(found.expand(each) for each in value)
        return found.expand(value)
    except (re.error, IndexError) as error:
        raise ValueError(f"names: {value!r} does not go with {key!r}: {error}") from error
