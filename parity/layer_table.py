"""The tables of layers and of models, for the terminal and for Markdown."""

import math
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from parity.layer_result import LayerRow

__all__ = ["headers", "layer_cells", "print_layers"]

_HEADERS = ("in", "cases", "wrong", "outputs\noff by", "planted\ncaught", "verdict")

_DEFAULTS = "torch draws; elsewhere: what the framework's\nown default would have been"
_LAST = {"Porting": "what was compared"}


def headers(title: str) -> tuple[str, ...]:
    """Return the headers of a table."""
    return (title.lower(), *_HEADERS, _LAST.get(title, _DEFAULTS))


def layer_cells(row: LayerRow) -> tuple[str, ...]:
    """Return the texts of a row, in the order of :func:`headers`."""
    caught = row.planted - len(row.missed)
    return (
        row.name,
        row.framework,
        f"{row.cases}",
        f"{len(row.failures)}",
        "-" if row.off is None else f"{row.off:.0e}" if math.isfinite(row.off) else "all",
        f"{caught}/{row.planted}" if row.planted else "-",
        "agrees" if row.agrees else "DISAGREES",
        row.default or "-",
    )


def print_layers(title: str, rows: Iterable[LayerRow], console: Console) -> None:
    """Print a table under a heading; a name that is repeated is shown once."""
    shown: Sequence[LayerRow] = tuple(rows)
    if not shown:
        return
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, title=title, title_justify="left")
    for header in headers(title):
        is_number = header in ("cases", "wrong")
        table.add_column(
            header,
            justify="right" if is_number else "left",
            no_wrap=header in ("in", "cases", "wrong", "verdict"),
            max_width=18 if header == title.lower() else None,
            overflow="fold",
            vertical="top",
        )
    before = ""
    for row in shown:
        texts = list(map(Text, layer_cells(row)))
        texts[-2].stylize("green" if row.agrees else "bold red")
        if row.name == before:
            texts[0] = Text("")
        before = row.name
        table.add_row(*texts)
    console.print(table)
