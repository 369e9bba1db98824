"""The rows of porting: whole models recorded, matched, filled, started and checked."""

import importlib

from parity import porting_fuzz
from parity.layer_result import LayerRow
from parity.progress import SILENT, Progress
from parity.workers import workers

__all__ = ["PARTS", "part", "run"]

PARTS = (
    "porting_check",
    "record_transformers",
    "porting_weights",
    "record_families",
    "porting_size",
)
"""What is run in a process of its own; what takes longest first."""

_SHOWN = (
    "record_families",
    "porting_weights",
    "record_transformers",
    "porting_check",
    "porting_size",
)


def run(seed: int, progress: Progress = SILENT) -> list[LayerRow]:
    """All rows: models of ours, of others, faulty ports, random models, large ones."""
    with workers() as pool:
        parts = {name: pool.submit(part, name, seed) for name in PARTS}
        for name in progress.track(PARTS, "porting of whole models"):
            parts[name].result()
    rows = [row for name in _SHOWN for row in parts[name].result()]
    return [*rows, *porting_fuzz.run(seed, progress)]  # which has processes of its own


def part(name: str, seed: int) -> list[LayerRow]:
    """The rows of one module."""
    rows: list[LayerRow] = importlib.import_module(f"parity.{name}").run(seed)
    return rows
