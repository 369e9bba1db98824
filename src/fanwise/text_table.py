"""Tables as plain text."""

import shutil
from collections.abc import Collection, Iterable, Sequence

__all__ = ["rendered"]

_WIDTH = 120


def rendered(
    titles: Sequence[str],
    rows: Iterable[Sequence[str]],
    width: int | None = None,
    *,
    whole: Collection[str] = (),
    right: Collection[str] = (),
    extra: str = "report",
) -> str:
    """A table as plain text, no wider than the terminal.

    Args:
        titles: of the columns.
        rows: a text for each column.
        width: of the table at most; None is the terminal's, from 60 to 120.
        whole: titles of columns that are broken only where nothing else can be.
        right: titles of columns set to the right.
        extra: fanwise's extra that brings rich, for the error.

    Raises:
        ImportError: without rich.

    Example:
        >>> print(rendered(("name", "size"), [("a", "5"), ("b", "10")], right=("size",)))
        name  size
        a        5
        b       10
    """
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ModuleNotFoundError as error:
        raise ImportError(
            f"tables need rich, which is not installed: python -m pip install 'fanwise[{extra}]'"
        ) from error
    if width is None:
        width = max(60, min(_WIDTH, shutil.get_terminal_size((_WIDTH, 24)).columns))
    table = Table(box=None, pad_edge=False, header_style="", padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(
            Text(title),
            overflow="fold",
            no_wrap=title in whole,
            justify="right" if title in right else "left",
        )
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())
