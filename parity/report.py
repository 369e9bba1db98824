"""The whole run: its rows, its seed and its time, as a table, as JSON and as Markdown."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from parity import layer_table
from parity.layer_result import LayerRow
from parity.result import Row
from parity.table import HEADERS, cells

__all__ = ["OUT", "Report"]

OUT = Path(__file__).parent / "out"

_PACKAGES = ("fanwise", "torch", "jax", "numpy")


@dataclass(frozen=True)
class Report:
    """What one run found.

    Args:
        rows: one for each initializer.
        seed: the suite's seed.
        seconds: wall time.
        not_run: kinds of checks that were left out.
        layers: one for each kind of layer and framework.
        models: one for each model and framework.
        porting: one for each model that is recorded, matched, ported or checked.
    """

    rows: tuple[Row, ...]
    seed: int
    seconds: float
    not_run: tuple[str, ...] = ()
    layers: tuple[LayerRow, ...] = ()
    models: tuple[LayerRow, ...] = ()
    porting: tuple[LayerRow, ...] = ()

    @property
    def layered(self) -> tuple[LayerRow, ...]:
        """Those of layers and of models."""
        return (*self.layers, *self.models, *self.porting)

    @property
    def every_row(self) -> tuple[Row | LayerRow, ...]:
        """Of all tables."""
        return (*self.rows, *self.layered)

    @property
    def agrees(self) -> bool:
        """Whether every row does, and there is one."""
        return bool(self.every_row) and all(row.agrees for row in self.every_row)

    @property
    def failures(self) -> tuple[str, ...]:
        """A line for everything that is wrong."""
        layered = (line for row in self.layered for line in row.lines)
        own = (f"{row.initializer}, {line}" for row in self.rows for line in row.failures)
        return (*own, *layered)

    def summary(self) -> str:
        """What was run, and with which result."""
        disagreeing = sum(not row.agrees for row in self.every_row)
        torch = "torch.nn" if self.layered else "torch.nn.init"
        result = (
            f"all {len(self.every_row)} rows agree with {torch}"
            if self.agrees
            else f"{disagreeing} of {len(self.every_row)} rows DISAGREE with {torch}"
        )
        left_out = f" Not run: {', '.join(self.not_run)}." if self.not_run else ""
        return (
            f"{result[0].upper()}{result[1:]}. Seed {self.seed}, {self.seconds:.0f} s, "
            f"{_versions_text()}.{left_out}"
        )

    def as_json(self) -> dict[str, Any]:
        """The run as plain data."""
        return {
            "agrees": self.agrees,
            "seed": self.seed,
            "seconds": round(self.seconds, 2),
            "versions": _versions(),
            "not_run": list(self.not_run),
            "rows": [row.as_json() for row in self.rows],
            "layers": [row.as_json() for row in self.layers],
            "models": [row.as_json() for row in self.models],
            "porting": [row.as_json() for row in self.porting],
        }

    def as_markdown(self) -> str:
        """The table and, if something is wrong, what it is."""
        lines = [
            "# Parity with torch.nn.init",
            "",
            self.summary(),
            "",
            _line(header.replace("\n", " ") for header in HEADERS),
            _line("---" for _ in HEADERS),
            *(_line(cells(row)) for row in self.rows),
        ]
        tables = {"Layers": self.layers, "Models": self.models, "Porting": self.porting}
        for title, layered in tables.items():
            if layered:
                lines += ["", f"## {title}", "", *_layered(title, layered)]
        if self.failures:
            lines += ["", "## What disagrees", "", *(f"- {line}" for line in self.failures)]
        return "\n".join(lines) + "\n"

    def write(self, folder: Path = OUT) -> tuple[Path, Path]:
        """Write ``parity.json`` and ``parity.md`` and return their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        as_json, as_markdown = folder / "parity.json", folder / "parity.md"
        as_json.write_text(json.dumps(self.as_json(), indent=2, allow_nan=False) + "\n", "utf-8")
        as_markdown.write_text(self.as_markdown(), "utf-8")
        return as_json, as_markdown


def _layered(title: str, rows: tuple[LayerRow, ...]) -> list[str]:
    headers = layer_table.headers(title)
    return [
        _line(header.replace("\n", " ") for header in headers),
        _line("---" for _ in headers),
        *(_line(layer_table.layer_cells(row)) for row in rows),
    ]


def _line(texts: Any) -> str:
    escaped = (text.replace("|", "\\|").replace("\n", " ") for text in texts)
    return f"| {' | '.join(escaped)} |"


def _versions() -> dict[str, str]:
    return {package: version(package) for package in _PACKAGES}


def _versions_text() -> str:
    return ", ".join(f"{package} {number}" for package, number in _versions().items())
