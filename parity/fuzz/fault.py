"""One error to be planted in models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from parity.fuzz.examine import Case

__all__ = ["Fault", "NoPlace"]


class NoPlace(Exception):
    """A model has nothing that the error could be planted in."""


@dataclass(frozen=True)
class Fault:
    """One error.

    Args:
        kind: what sort of error it is.
        error: what is wrong, in a few words.
        message: in a line that must be reported.
        check: of a model, with the error or without it; raises NoPlace.
        count: in how many models it is planted.
    """

    kind: str
    error: str
    message: str
    check: Callable[[Case, bool], Sequence[str]]
    count: int = 1
