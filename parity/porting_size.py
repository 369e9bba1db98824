"""Models of billions of parameters: recorded without memory, drawn where they are to be.

Llama with 7 billion parameters is recorded and matched with a Flax one in a process of its own,
whose peak of memory is read, and its start is compiled for a mesh of eight devices: what each of
them holds is its share. One with 1.1 billion is really filled, on the eight.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from parity.layer_result import LayerRow
from parity.progress import SILENT, Progress

__all__ = ["Measured", "measured", "planted", "run", "wrong"]

# A quarter of what the parameters alone would take in float32 is 6.7 GB.
_MOST_MEMORY, _MOST_SECONDS = 2 * 10**9, 60
# Of an eighth of all arrays: the loop under way, and small arrays that every device holds whole.
_SLACK, _TEMPORARY = 1.01, 0.1


@dataclass(frozen=True)
class Measured:
    """What the process saw.

    Args:
        elements: of the model that was recorded.
        seconds: of recording.
        peak: bytes of the process's memory after recording and matching, all imports included.
        all_bytes: of the arrays of the compiled program, on all devices together.
        device_bytes: of its results on one device.
        temporary: bytes it needs besides.
        collectives: names of collective operations in it.
        filled: elements of the model that was filled.
        shares: for each device the part of all bytes that it holds.
        off: std of all its normal values by what was recorded, less 1.
        is_equal: whether an array equals the one drawn alone, on one device, to the bit.
    """

    elements: int
    seconds: float
    peak: int
    all_bytes: int
    device_bytes: int
    temporary: int
    collectives: tuple[str, ...]
    filled: int
    shares: tuple[float, ...]
    off: float
    is_equal: bool


@lru_cache
def measured(seed: int) -> Measured:
    """Run the program."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    done = subprocess.run(
        [sys.executable, "-m", "parity.porting_size_program", str(seed)],
        env={**os.environ, "XLA_FLAGS": flags},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the program failed:\n{done.stderr[-4000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return Measured(**{name: tuple(v) if isinstance(v, list) else v for name, v in found.items()})


def wrong(found: Measured) -> list[str]:
    """A line for every promise that is not kept."""
    share = found.device_bytes / found.all_bytes
    promises = {
        f"{found.elements:,} parameters, not 6.7 billion": found.elements > 6.7e9,
        f"recording took {found.seconds:.0f} s": found.seconds < _MOST_SECONDS,
        f"recording took {found.peak:,} bytes": found.peak < _MOST_MEMORY,
        f"a device holds {share:.4f} of all": 1 / 8 <= share <= _SLACK / 8,
        f"a device needs {found.temporary:,} bytes besides": (
            found.temporary <= _TEMPORARY * found.device_bytes
        ),
        f"collectives: {', '.join(found.collectives)}": not found.collectives,
        f"{found.filled:,} parameters filled, not a billion": found.filled > 1e9,
        f"shares {found.shares}": all(1 / 8 <= each <= _SLACK / 8 for each in found.shares),
        # Ten times what a billion normal values stray.
        f"std off by {found.off:.1e}": abs(found.off) < 10 / (2 * found.filled) ** 0.5,
        "an array differs from the same one alone": found.is_equal,
    }
    return [text for text, is_kept in promises.items() if not is_kept]


def planted(found: Measured) -> dict[str, Measured]:
    """What would have been seen if something were wrong."""
    return {
        "all arrays on every device": replace(found, device_bytes=found.all_bytes),
        "as much again besides": replace(found, temporary=found.device_bytes),
        "real tensors": replace(found, peak=4 * found.elements),
        "a collective": replace(found, collectives=("all-gather",)),
        "std off by 0.1 %": replace(found, off=1e-3),
        "a value that depends on the mesh": replace(found, is_equal=False),
        "one device holds all": replace(found, shares=(1.0, *(0.0,) * 7)),
    }


def run(seed: int, progress: Progress = SILENT) -> list[LayerRow]:
    """One row: 7 billion recorded and compiled, 1.1 billion filled."""
    for _ in progress.track(["Llama"], "7 billion parameters"):
        found = measured(seed)
    text = (
        f"{found.elements / 1e9:.1f} billion parameters recorded in {found.seconds:.1f} s and "
        f"{found.peak / 1e9:.1f} GB; compiled for 8 devices, each holds "
        f"{found.device_bytes / 2**30:.2f} GiB of {found.all_bytes / 2**30:.1f} and needs "
        f"{found.temporary / 2**30:.2f} besides; {found.filled / 1e9:.1f} billion filled"
    )
    errors = planted(found)
    missed = tuple(error for error, each in errors.items() if not wrong(each))
    lines = tuple(wrong(found))
    return [LayerRow("size: Llama", "linen", 2, lines, len(errors), missed, None, text)]
