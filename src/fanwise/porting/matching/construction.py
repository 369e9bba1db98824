"""Numbers that linen has given itself, where they are no evidence.

linen numbers layers without a name as they are constructed, and in ``Dense(8)(relu(Dense(8)(x)))``
the outer one, which runs last, is constructed first: it is ``Dense_0``. Who numbers layers in torch
numbers them as they run. So of two layers whose numbers contradict the order in which they run the
numbers say nothing.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

__all__ = ["contrary", "without"]

_AUTOMATIC = re.compile(r"([A-Z]\w*)_(\d+)")


def contrary(
    paths: Sequence[str], competing: Iterable[Collection[int]], others: Iterable[str] = ()
) -> list[list[str]]:
    """Modules numbered otherwise than they run, those together of which any two are.

    Args:
        paths: of all layers, in the order in which they run.
        competing: positions of layers that may be mistaken for one another; what is not contrary
            among these does no harm.
        others: what the other side calls its layers. Names that it has too are names.

    Returns:
        Paths of modules in the order in which they run.

    Example:
        >>> contrary(["Dense_1", "Dense_0", "Dense_2"], [[0, 1, 2]])
        [['Dense_1', 'Dense_0']]
    """
    seen: dict[str, int] = {}
    for path in paths:
        for prefix in _prefixes(path):
            seen.setdefault(prefix, len(seen))
    known = {prefix for path in others for prefix in _prefixes(path)}
    found: list[set[str]] = []
    for columns in competing:
        numbered: dict[str, dict[int, str]] = {}
        for column in columns:
            for prefix in _prefixes(paths[column]):
                parent, _, last = prefix.rpartition("/")
                hit = _AUTOMATIC.fullmatch(last)
                if hit is not None and prefix not in known:
                    numbered.setdefault(f"{parent}/{hit[1]}", {})[int(hit[2])] = prefix
        for own in numbered.values():
            for group in _inverted([own[n] for n in sorted(own)], seen):
                together = [each for each in found if each & group]
                found = [each for each in found if not each & group]
                found.append(group.union(*together))
    return [sorted(group, key=seen.__getitem__) for group in found]


def _inverted(prefixes: Sequence[str], seen: Mapping[str, int]) -> list[set[str]]:
    """In the order of their numbers: what is bound together by running the other way round."""
    places = {prefix: place for place, prefix in enumerate(sorted(prefixes, key=seen.__getitem__))}
    found, group, furthest = [], set[str](), -1
    for index, prefix in enumerate(prefixes):
        group.add(prefix)
        furthest = max(furthest, places[prefix])
        if furthest == index:
            found.append(group)
            group = set()
    return [each for each in found if len(each) > 1]


def without(path: str, groups: Iterable[Collection[str]]) -> str:
    """A path in which all modules of a group have the same number."""
    alike = {prefix: min(group).rpartition("/")[2] for group in groups for prefix in group}
    parts = path.split("/")
    return "/".join(
        alike.get(prefix, part) for prefix, part in zip(_prefixes(path), parts, strict=True)
    )


def _prefixes(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]
