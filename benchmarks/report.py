"""What a run leaves behind: tables, ``results.json`` and ``results.png``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import machine, plot
from benchmarks.builders import BUILDERS, requirements
from benchmarks.results import Results
from benchmarks.samplers import SAMPLERS, requirement
from benchmarks.tables import print_results, print_targets
from benchmarks.targets import targets_of

__all__ = ["OUT", "Report", "missing"]

OUT = Path(__file__).resolve().parent


def missing() -> list[str]:
    """Return the contestants that cannot take part because their package is not installed."""
    needs = {name: (requirement(name),) for name in SAMPLERS}
    needs |= {name: (*needs.get(name, ()), *requirements(name)) for name in BUILDERS}
    return sorted(
        name for name, packages in needs.items() if not all(map(machine.is_installed, packages))
    )


@dataclass(frozen=True)
class Report:
    """One run."""

    results: Results
    facts: dict[str, Any]
    parts: Sequence[str]
    is_quick: bool
    seconds: float

    def print(self, console: Console) -> None:
        """Print the tables, the targets last."""
        print_results(self.results, console)
        print_targets(targets_of(self.results), console)
        facts = self.facts
        versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
        for line in (
            f"{facts['cores']} cores ({facts['processor']}), {facts['backend']}, Python "
            f"{facts['python']}, {versions}",
            f"{facts['date']}, load at start {facts['load_at_start']}, {self.seconds:.0f} s",
        ):
            console.print(line, soft_wrap=True, highlight=False)
        if absent := missing():
            console.print(f"not installed, so not measured: {', '.join(absent)}", style="yellow")
        if self.is_quick:
            console.print("A quick run: its figures mean nothing.", style="yellow")

    def write(self, out: Path) -> tuple[Path, Path]:
        """Write both files into a folder and return their paths."""
        out.mkdir(parents=True, exist_ok=True)
        data, picture = out / "results.json", out / "results.png"
        record = {
            "facts": self.facts,
            "quick": self.is_quick,
            "parts": list(self.parts),
            "seconds": self.seconds,
            "missing": missing(),
            "measurements": [each.record() for each in self.results.measurements],
            "targets": [target.record() for target in targets_of(self.results)],
        }
        data.write_text(json.dumps(record, indent=1) + "\n")
        plot.draw(self.results, picture)
        return data, picture
