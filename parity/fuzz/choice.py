"""Random choices from a numpy generator."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

__all__ = ["number", "pick", "toss"]

T = TypeVar("T")


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of the options."""
    return options[int(rng.integers(len(options)))]


def toss(rng: np.random.Generator, chance: float) -> bool:
    """True with that chance."""
    return bool(rng.random() < chance)


def number(rng: np.random.Generator, low: float, high: float) -> float:
    """A number with three digits, as people write them."""
    return float(f"{rng.uniform(low, high):.3g}")
