"""Taking turns, and what is kept of repeated measurements."""

import gc
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

__all__ = ["Measurement", "Rounds", "Spread", "alternate", "seconds_of"]

T = TypeVar("T")


@dataclass(frozen=True)
class Rounds:
    """How often everything is repeated: until ``seconds`` are spent, ``least`` times at least.

    Where ten times the seconds are gone it ends even before ``least``: on a machine that is busy
    otherwise, a single call can take a minute.
    """

    least: int
    most: int
    seconds: float

    def __iter__(self) -> Iterator[int]:
        start = time.perf_counter()
        for index in range(self.most):
            limit = self.seconds if index >= self.least else 10 * self.seconds
            if index and time.perf_counter() - start > limit:
                return
            yield index


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of repeated measurements."""

    median: float
    lower: float
    upper: float
    count: int

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        lower, median, upper = np.quantile(values, (0.25, 0.5, 0.75))
        return cls(float(median), float(lower), float(upper), len(values))

    @property
    def relative(self) -> float:
        """Half the distance between the quartiles as a share of the median."""
        return (self.upper - self.lower) / 2 / self.median if self.median else 0.0


@dataclass(frozen=True)
class Measurement:
    """One figure of one contestant.

    ``labels`` say of what: ``part``, ``contestant``, ``quantity`` with its unit, and whatever
    tells apart the cases of the part.
    """

    labels: Mapping[str, Any]
    spread: Spread

    def record(self) -> dict[str, Any]:
        """Return it as it is written to the results file."""
        return {
            **self.labels,
            "median": self.spread.median,
            "lower_quartile": self.spread.lower,
            "upper_quartile": self.spread.upper,
            "repetitions": self.spread.count,
        }


def alternate(contestants: Mapping[str, Callable[[], T]], rounds: Rounds) -> dict[str, list[T]]:
    """Call every contestant once a round, and return what the calls returned.

    Each round has an order of its own, so that nobody always comes after the same rival, whose
    traces are left in the caches of processor and allocator, and whose threads may still be
    spinning: torch's slowed down whoever came next.
    """
    names = list(contestants)
    observed: dict[str, list[T]] = {name: [] for name in names}
    for index in rounds:
        for name in random.Random(index).sample(names, len(names)):
            observed[name].append(contestants[name]())
    return observed


def seconds_of(call: Callable[[], object], number: int = 1) -> float:
    """Return the seconds of one of ``number`` calls; what they return is freed off the clock.

    As in ``timeit``, nobody's call pays for looking through what earlier calls left.
    """
    kept = []
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        start = time.perf_counter()
        for _ in range(number):
            kept.append(call())
        taken = time.perf_counter() - start
    finally:
        if was_enabled:
            gc.enable()
    kept.clear()
    return taken / number
