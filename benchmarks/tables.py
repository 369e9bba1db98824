"""One table per part for the terminal, legible at 100 columns.

A cell is a median, and behind it half the distance between the quartiles in percent of it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.measuring import Measurement
from benchmarks.results import Results
from benchmarks.targets import Target

__all__ = ["print_results", "print_targets"]

_NONE = "-"


def print_results(results: Results, console: Console) -> None:
    """Print the tables of all parts that were measured."""
    for table in (
        *_kernels(results, "warm seconds"),
        *_kernels(results, "cold seconds"),
        *_models(results),
        *_memory(results),
        *_imports(results),
        *_compiling(results),
    ):
        console.print(table)


def print_targets(targets: Iterable[Target], console: Console) -> None:
    """Print what was promised, what was measured, and the verdict."""
    table = _table("targets", ("", "measured", "target", "verdict"))
    for target in targets:
        relation = "≥" if target.is_lower_bound else "≤"
        measured = _NONE if target.measured is None else _number(target.measured)
        style = {"met": "green", "NOT met": "bold red"}.get(target.verdict, "yellow")
        verdict = Text(target.verdict, style)
        table.add_row(target.text, measured, f"{relation} {target.bound:g}", verdict)
    console.print(table)


def _kernels(results: Results, quantity: str) -> Iterator[Table]:
    """Warm, a table per distribution in nanoseconds an element; cold, one in milliseconds."""
    labels = {"part": "kernels", "quantity": quantity}
    if quantity == "warm seconds":
        for distribution in results.values("distribution", **labels):
            title = f"{distribution}, warm: ns per element"
            yield _comparison(results, title, {**labels, "distribution": distribution})
    elif any(results.where(**labels)):
        yield _comparison(results, "kernels, cold: ms until the array is ready", labels)


def _comparison(results: Results, title: str, labels: dict[str, Any]) -> Table:
    """Contestants side by side, and how many times faster fanwise is than jax and torch."""
    names = results.values("contestant", **labels)
    pairs = [
        (rival, "fanwise jit" if rival == "jax jit" else "fanwise")
        for rival in names
        if not rival.startswith("fanwise")
    ]
    headers = [name.replace("fanwise", "fw") for pair in pairs for name in pair]
    ratios = [
        f"{above}\n/ {below}" for above, below in zip(headers[::2], headers[1::2], strict=True)
    ]
    table = _table(title, ("kernel", *(name.replace(" ", "\n") for name in names), *ratios))
    for first in _first_of_each(results.where(**labels), ("distribution", "dtype", "shape")):
        case = {name: first.labels[name] for name in ("distribution", "dtype", "shape")}
        of_case = {**labels, **case}
        is_warm = labels["quantity"] == "warm seconds"
        scale = 1e9 / first.labels["elements"] if is_warm else 1e3
        shape = "x".join(map(str, case["shape"]))
        words = (case["dtype"], shape) if is_warm else (case["distribution"], shape)
        cells = [_cell(results.find(**of_case, contestant=name), scale) for name in names]
        for above, below in pairs:
            ratio = results.ratio({"contestant": above}, {"contestant": below}, **of_case)
            cells.append(_NONE if ratio is None else _number(ratio))
        table.add_row(" ".join(words), *cells)
    return table


def _models(results: Results) -> Iterator[Table]:
    for network in results.values("network", part="models"):
        labels = {"part": "models", "network": network}
        elements = results.values("elements", **labels)[0]
        table = _table(
            f"{network}, {elements:,} elements: seconds",
            (
                "contestant",
                "cold",
                "of it\nJAX's start",
                "processor time\nof the system",
                "warm",
                "cold / fw",
                "warm / fw",
            ),
        )
        for name in results.values("contestant", **labels):
            cells = [
                _cell(results.find(**labels, contestant=name, quantity=f"{when} seconds"))
                for when in ("cold", "start", "system", "warm")
            ]
            for when in ("cold", "warm"):
                ratio = results.ratio(
                    {"contestant": name},
                    {"contestant": "fanwise"},
                    **labels,
                    quantity=f"{when} seconds",
                )
                cells.append(_NONE if ratio is None else _number(ratio))
            table.add_row(name, *cells)
        yield table


def _memory(results: Results) -> Iterator[Table]:
    for quantity, title in (
        ("peak multiple", "memory: peak above the process's baseline / bytes of the parameters"),
        ("temporary multiple", "memory: temporaries of the compiled program / bytes of the result"),
    ):
        labels = {"part": "memory", "quantity": quantity}
        if any(results.where(**labels)):
            # Few models by many contestants, many kernels by two.
            down, across = ("contestant", "of") if quantity[0] == "p" else ("of", "contestant")
            yield _grid(results, title, labels, down, across)


def _imports(results: Results) -> Iterator[Table]:
    labels = {"part": "imports", "quantity": "milliseconds"}
    if any(results.where(**labels)):
        table = _table("imports", ("import", "ms"))
        for found in results.where(**labels):
            table.add_row(found.labels["contestant"], _cell(found))
        yield table


def _compiling(results: Results) -> Iterator[Table]:
    for quantity, title in (
        ("seconds", "compiling narrow layers: seconds"),
        ("programs", "compiling narrow layers: programs compiled"),
    ):
        labels = {"part": "compile", "quantity": quantity}
        if any(results.where(**labels)):
            yield _grid(results, title, labels, "contestant", "layers")


def _grid(results: Results, title: str, labels: dict[str, Any], down: str, across: str) -> Table:
    """The values of one label down, those of another across."""
    columns = results.values(across, **labels)
    table = _table(title, (f"{down} / {across}", *map(str, columns)))
    for row in results.values(down, **labels):
        found = [results.find(**labels, **{down: row, across: each}) for each in columns]
        table.add_row(str(row), *map(_cell, found))
    return table


def _first_of_each(
    measurements: Iterable[Measurement], labels: tuple[str, ...]
) -> Iterator[Measurement]:
    seen = set()
    for measurement in measurements:
        key = str([measurement.labels[label] for label in labels])
        if key not in seen:
            seen.add(key)
            yield measurement


def _table(title: str, headers: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.padding = (0, 1, 0, 0)
    for index, header in enumerate(headers):
        table.add_column(
            header, justify="right" if index else "left", no_wrap=True, vertical="bottom"
        )
    return table


def _cell(found: Measurement | None, scale: float = 1.0) -> str:
    if found is None:
        return _NONE
    shown = _number(found.spread.median * scale)
    if found.spread.count == 1 or not found.spread.median:
        return shown
    return f"{shown} ±{100 * found.spread.relative:.0f}%"


def _number(value: float) -> str:
    """Three digits and, for thousands and millions, a letter."""
    if value == 0:
        return "0"
    for size, letter in ((10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{_number(value / size)}{letter}"
    return f"{value:.{max(0, 3 - len(f'{value:.0f}')) if value >= 1 else 3}f}"
