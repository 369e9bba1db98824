"""Milliseconds that an import takes in a fresh interpreter.

``fanwise`` and ``flax`` are imported after ``jax``, without which nobody imports them: what they
add is their own cost. Bytecode is compiled, and files are in the disk cache, from a first round
that is not counted.
"""

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import machine
from benchmarks.fresh import seconds_to_import
from benchmarks.measuring import Measurement, Rounds, Spread, alternate
from benchmarks.settings import Settings

__all__ = ["measure"]

_STATEMENTS = {
    "jax": ("import jax", ""),
    "fanwise after jax": ("import fanwise", "import jax"),
    "flax.linen after jax": ("import flax.linen", "import jax"),
    "flax.nnx after jax": ("from flax import nnx", "import jax"),
    "torch": ("import torch", ""),
}


def measure(settings: Settings, announce: Callable[[str], None]) -> Iterator[Measurement]:
    """Time the imports in turns."""
    announce("imports")
    calls = {
        name: partial(seconds_to_import, statement, before)
        for name, (statement, before) in _STATEMENTS.items()
        if machine.is_installed(name.split(".")[0].split()[0])
    }
    alternate(calls, Rounds(1, 1, 60))
    for name, seconds in alternate(calls, settings.import_rounds).items():
        labels = {"part": "imports", "quantity": "milliseconds", "contestant": name}
        yield Measurement(labels, Spread.of([1000 * each for each in seconds]))
