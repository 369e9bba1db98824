"""A bar for what takes longer than five seconds, on a terminal and nowhere else."""

import importlib.util
from collections.abc import Iterable, Sequence
from typing import TypeVar

__all__ = ["tracked"]

# Tiles that are surely filled in less than five seconds: 10^9 elements.
_FEW = 2048

Step = TypeVar("Step")


def tracked(
    steps: Sequence[Step],
    delay: float = 5.0,
    *,
    what: str = "filling",
    unit: str = "tile",
    fewest: int = _FEW,
) -> Iterable[Step]:
    """The steps, with a bar once ``delay`` seconds have passed, if tqdm is installed."""
    if len(steps) < fewest or importlib.util.find_spec("tqdm") is None:
        return steps
    from tqdm import tqdm

    bar: Iterable[Step] = tqdm(steps, desc=what, unit=unit, delay=delay, disable=None, leave=False)
    return bar
