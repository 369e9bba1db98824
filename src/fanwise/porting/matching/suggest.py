r"""The line of ``names={...}`` that would settle what is unclear.

Layers that differ by numbers alone are put in one regular expression, ``r"h\.(\d+)\.fc"``, if it
names those and no others.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import islice, product
from typing import TypeAlias

__all__ = ["entries", "line"]

Targets: TypeAlias = tuple[str, ...] | None
"""Flax's path, several of a layer that is split, or None for what stays behind."""

# More than that of ways to read the numbers of a name are not tried.
_TRIED = 64


def entries(wanted: Mapping[str, Targets], known: Mapping[str, Targets]) -> dict[str, str]:
    r"""Entries for ``names``, both sides as they are written in Python.

    Args:
        wanted: what is to be stated, by torch's names.
        known: what all of torch's names belong to, these and others: a regular expression must
            not say anything else of one of them.

    Example:
        >>> wanted = {f"h.{n}.fc": (f"h_{n}/Dense_0",) for n in range(3)}
        >>> entries(wanted, wanted)
        {'r"h\\.(\\d+)\\.fc"': 'r"h_\\1/Dense_0"'}
    """
    groups: dict[str, list[str]] = {}
    for name in wanted:
        groups.setdefault(re.sub(r"\d+", "#", name), []).append(name)
    found: dict[str, str] = {}
    for names in groups.values():
        made = _pattern(names, wanted, {**known, **wanted}) if len(names) > 1 else None
        if made is not None:
            found[_raw(made[0])] = _value(made[1], is_raw=True)
        else:
            found |= {f'"{name}"': _value(wanted[name]) for name in names}
    return found


def line(found: Mapping[str, str]) -> str:
    """The argument as it is written in Python."""
    whole = f"names={{{', '.join(f'{key}: {value}' for key, value in found.items())}}}"
    if len(whole) <= 100:
        return whole
    inner = "\n".join(f"    {key}: {value}," for key, value in found.items())
    return f"names={{\n{inner}\n}}"


def _pattern(
    names: Sequence[str], wanted: Mapping[str, Targets], known: Mapping[str, Targets]
) -> tuple[str, Targets] | None:
    """A regular expression for the names and what it is replaced by, if there is one."""
    numbers = [re.findall(r"\d+", name) for name in names]
    is_moving = [len(set(column)) > 1 for column in zip(*numbers, strict=True)]
    pieces = re.split(r"\d+", names[0])
    pattern = re.escape(pieces[0])
    for number, moves, piece in zip(numbers[0], is_moving, pieces[1:], strict=True):
        pattern += (r"(\d+)" if moves else number) + re.escape(piece)
    first = wanted[names[0]]
    matcher = re.compile(pattern)
    matched = [name for name in known if matcher.fullmatch(name)]
    for target in _templates(first, matcher.fullmatch(names[0])):
        if all(_expand(matcher, name, target) == known[name] for name in matched):
            return pattern, target
    return None


def _templates(first: Targets, found: re.Match[str] | None) -> Sequence[Targets]:
    """All ways in which numbers of the target may be those of the name."""
    if first is None or found is None:
        return [first]
    joined = "\0".join(first)
    parts = re.split(r"(\d+)", joined)
    choices = [
        [part, *(f"\\{n}" for n, own in enumerate(found.groups(), 1) if own == part)]
        if part.isdigit()
        else [part]
        for part in parts
    ]
    chosen = islice(product(*(reversed(each) for each in choices)), _TRIED)
    return [tuple("".join(each).split("\0")) for each in chosen]


def _expand(matcher: re.Pattern[str], name: str, target: Targets) -> Targets:
    found = matcher.fullmatch(name)
    if target is None or found is None:
        return target
    return tuple(found.expand(each) for each in target)


def _raw(text: str) -> str:
    return f'r"{text}"'


def _value(target: Targets, is_raw: bool = False) -> str:
    if target is None:
        return "None"
    written = [_raw(each) if is_raw and "\\" in each else f'"{each}"' for each in target]
    return written[0] if len(written) == 1 else f"({', '.join(written)})"
