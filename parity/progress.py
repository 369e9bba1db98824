"""A progress bar on a terminal, and nothing anywhere else."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

__all__ = ["SILENT", "Progress"]

T = TypeVar("T")


class Progress:
    """Shows how far a kind of checks has come.

    Args:
        visible: whether anything is shown; None shows it on a terminal only.
    """

    def __init__(self, visible: bool | None = None) -> None:
        self._visible = sys.stderr.isatty() if visible is None else visible

    def track(self, items: Iterable[T], what: str) -> Iterator[T]:
        """Yield the items, one step each."""
        sequence: Sequence[T] = tuple(items)
        if not self._visible:
            yield from sequence
            return
        console = Console(stderr=True)
        yield from track(sequence, description=f"{what:<36}", console=console, transient=True)


SILENT = Progress(visible=False)
