"""``python -m benchmarks``: measure, print the tables, write ``results.json`` and ``.png``.

Exit status 0 whatever the figures are; 2 if a package that the report needs is missing.
"""

import argparse
import importlib
import os
import sys
import time
from pathlib import Path

from benchmarks import machine
from benchmarks.settings import COMPLETE, QUICK, Settings

__all__ = ["PARTS", "main"]

PARTS = {
    "kernels": "benchmarks.kernels",
    "models": "benchmarks.models",
    "memory": "benchmarks.memory",
    "imports": "benchmarks.imports",
    "compile": "benchmarks.compilation",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--parts",
        type=lambda text: tuple(text.split(",")),
        default=tuple(PARTS),
        metavar="PART,...",
        help=f"what to measure, of {', '.join(PARTS)} (default: all)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, to see that it works; no real figures"
    )
    parser.add_argument(
        "--out", type=Path, default=None, help="folder of the written files (default: benchmarks)"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"--parts must be of {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    if absent := [name for name in ("rich", "matplotlib") if not machine.is_installed(name)]:
        print(
            f"benchmarks: {' and '.join(absent)} must be installed for the report: "
            f"python -m pip install 'fanwise[report]'",
            file=sys.stderr,
        )
        return 2
    parts = [part for part in PARTS if part in options.parts]
    _run(parts, QUICK if options.quick else COMPLETE, options.quick, options.out)
    return 0


def _run(parts: list[str], settings: Settings, is_quick: bool, out: Path | None) -> None:
    # Before JAX is imported: what another run compiled must not make this one faster.
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"
    from rich.console import Console

    from benchmarks.report import OUT, Report
    from benchmarks.results import Results

    console = Console(width=None if sys.stdout.isatty() else 100)
    facts, start, results = machine.facts(), time.perf_counter(), Results()
    if machine.is_unquiet() and not is_quick:
        console.print(
            f"The load is {facts['load_at_start']} on {facts['cores']} cores: other processes "
            f"will show in these figures.",
            style="yellow",
        )
    with Console(stderr=True).status("") as status:
        for part in parts:
            measure = importlib.import_module(PARTS[part]).measure
            results.measurements += measure(settings, status.update)
    report = Report(results, facts, parts, is_quick, time.perf_counter() - start)
    report.print(console)
    for path in report.write(out or OUT):
        console.print(f"wrote {path}", soft_wrap=True, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
