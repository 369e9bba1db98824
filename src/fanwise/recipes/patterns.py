"""Patterns of paths, checked when a recipe is made and not when it is first used."""

import re
from collections.abc import Callable
from typing import Any

__all__ = ["matcher"]


def matcher(owner: str, name: str, pattern: Any) -> Callable[[str], bool]:
    """Return what tells whether a whole path matches.

    Args:
        owner: the recipe, for the message.
        name: the argument's name.
        pattern: a regular expression; None matches nothing.

    Raises:
        TypeError: if the pattern is no string.
        ValueError: if it is no regular expression.
    """
    if pattern is None:
        return lambda path: False
    if not isinstance(pattern, str):
        raise TypeError(
            f"{owner}: {name} must be a regular expression of paths, or None, got {pattern!r} of "
            f"type {type(pattern).__name__}; pass a string, as in r'.*/out'"
        )
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"{owner}: {name} must be a regular expression of paths, got {pattern!r}: {error}; "
            f"letters, digits, _ and / stand for themselves, .* for anything"
        ) from error
    return lambda path: compiled.fullmatch(path) is not None
