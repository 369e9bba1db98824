"""The table for the terminal: one row an initializer, legible at 100 columns."""

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from parity.result import Row

__all__ = ["HEADERS", "cells", "print_failures", "print_table"]

HEADERS = (
    "initializer",
    "cases",
    "exact\nmism.",
    "samples",
    "worst, as\nshare of its\nthreshold",
    "notices\nscale\noff by",
    "planted\ncaught",
    "verdict",
    "nearest function of\njax.nn.initializers,\nby the same checks",
)

# What is shown of one row's reasons and of all failures; the files have the rest.
_REASONS, _FAILURES = 4, 40


def cells(row: Row) -> tuple[str, ...]:
    """Return the texts of a row, in the order of ``HEADERS``."""
    caught, planted = row.planted
    worst = row.worst
    return (
        row.initializer,
        f"{row.cases:,}",
        f"{row.mismatches}",
        _count(row.samples),
        "-" if worst is None else f"{worst.share:.2f} {worst.name}",
        _deviation(row.notices),
        f"{caught}/{planted}" if planted else "-",
        "agrees" if row.agrees else "DISAGREES",
        _nearest(row),
    )


def _count(number: int) -> str:
    """Three digits and a unit."""
    if number == 0:
        return "-"
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def _deviation(notices: float | None) -> str:
    """Relative deviations of the scale in percent; exact comparisons in their own words."""
    if notices is None:
        return "-"
    if notices == 0:
        return "any bit"
    return f"{notices:.0e}" if notices < 1e-6 else f"{100 * notices:.2g} %"


def _nearest(row: Row) -> str:
    reasons = "; ".join(row.nearest_reasons[:_REASONS])
    if row.nearest_agrees is None:
        return reasons or "-"
    name, *others = row.nearest_names
    name = f"{name}, ..." if others else name
    if row.nearest_agrees:
        return f"{name}: agrees"
    return f"{name}: disagrees" + (f" ({reasons})" if reasons else "")


def print_table(rows: Iterable[Row], failures: Iterable[str], console: Console) -> None:
    """Print the table, and below it what is wrong, if anything is."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    numbers = {"cases", "exact\nmism.", "samples"}
    for header in HEADERS:
        table.add_column(
            header,
            justify="right" if header in numbers else "left",
            no_wrap=header in {"initializer", "verdict", *numbers},
            max_width=13 if header.startswith("worst") else None,
            min_width=22 if header.startswith("nearest") else None,
            vertical="top",
        )
    for row in rows:
        texts = list(map(Text, cells(row)))
        texts[-2].stylize("green" if row.agrees else "bold red")
        if row.nearest_agrees is not None:
            texts[-1].stylize("green" if row.nearest_agrees else "yellow")
        table.add_row(*texts)
    console.print(table)
    print_failures(failures, console)


def print_failures(failures: Iterable[str], console: Console) -> None:
    """Print what is wrong, up to a limit."""
    lines = list(failures)
    for line in lines[:_FAILURES]:
        console.print(Text(line, "red"), soft_wrap=True)
    if len(lines) > _FAILURES:
        console.print(f"... and {len(lines) - _FAILURES} more, in the files", highlight=False)
