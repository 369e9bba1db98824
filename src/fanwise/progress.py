"""A bar for what takes longer than five seconds, on a terminal and nowhere else."""

import importlib.util
from collections.abc import Iterable

__all__ = ["tracked"]

# Tiles that are surely filled in less than five seconds: 10^9 elements.
_FEW = 2048


def tracked(tiles: range, delay: float = 5.0) -> Iterable[int]:
    """The tiles, with a bar once ``delay`` seconds have passed, if tqdm is installed."""
    if len(tiles) < _FEW or importlib.util.find_spec("tqdm") is None:
        return tiles
    from tqdm import tqdm

    bar: Iterable[int] = tqdm(
        tiles, desc="filling", unit="tile", delay=delay, disable=None, leave=False
    )
    return bar
