"""``python -m parity``: run all checks, print the table, write ``parity/out``.

Exit status 0 if every row agrees, 1 if one does not, 2 if the suite cannot run.
"""

import argparse
import importlib
import importlib.util
import sys
import time
from pathlib import Path

from parity.result import KINDS, LAYERED

__all__ = ["main"]

ALL = (*KINDS, *LAYERED)
"""All kinds of checks."""

_LAYERED = {
    "layers": "parity.layer_rows",
    "models": "parity.models_rows",
    "porting": "parity.porting_rows",
}

_NO_TORCH = (
    "parity: torch is not installed, and there is nothing to compare with; install it with\n"
    "    python -m pip install 'fanwise[torch,report]'\n"
    "or run `make parity`, which makes an environment with everything in it."
)


def main(arguments: list[str] | None = None) -> int:
    """Run the suite and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m parity", description=__doc__)
    parser.add_argument(
        "--kinds",
        type=lambda text: tuple(text.split(",")),
        default=ALL,
        metavar="KIND,...",
        help=f"the kinds of checks to run, of {', '.join(ALL)} (default: all)",
    )
    parser.add_argument(
        "--out", type=Path, default=None, help="folder of the written files (default: parity/out)"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.kinds) - set(ALL):
        parser.error(f"--kinds must be of {', '.join(ALL)}, got {', '.join(sorted(unknown))}")
    if importlib.util.find_spec("torch") is None:
        print(_NO_TORCH, file=sys.stderr)
        return 2
    return _run(options.kinds, options.out)


def _run(kinds: tuple[str, ...], out: Path | None) -> int:
    # Everything below needs torch, and takes seconds to load.
    import torch
    from rich.console import Console

    from parity.layer_table import print_layers
    from parity.progress import Progress
    from parity.report import OUT, Report
    from parity.result import rows_of
    from parity.seeding import suite_seed
    from parity.table import print_failures, print_table

    # Most tensors here are tiny: threads would cost more than they save.
    torch.set_num_threads(1)
    seed, progress, start = suite_seed(), Progress(), time.perf_counter()
    findings = []
    for kind in (kind for kind in KINDS if kind in kinds):
        findings += importlib.import_module(f"parity.{kind}").run(seed, progress)
    layered = {
        kind: tuple(importlib.import_module(module).run(seed, progress))
        for kind, module in _LAYERED.items()
        if kind in kinds
    }
    report = Report(
        rows_of(findings),
        seed,
        time.perf_counter() - start,
        tuple(kind for kind in ALL if kind not in kinds),
        **layered,
    )
    console = Console(width=None if sys.stdout.isatty() else 100)
    if report.rows:
        print_table(report.rows, (), console)
    print_layers("Layers", report.layers, console)
    print_layers("Models", report.models, console)
    print_layers("Porting", report.porting, console)
    print_failures(report.failures, console)
    console.print(report.summary(), soft_wrap=True, highlight=False)
    for path in report.write(out or OUT):
        console.print(f"wrote {path}", soft_wrap=True, highlight=False)
    return 0 if report.agrees else 1


if __name__ == "__main__":
    sys.exit(main())
