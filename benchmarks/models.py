"""Whole models: seconds to make all parameters, cold and warm."""

from collections.abc import Callable, Iterator

from benchmarks.measuring import Measurement, Spread
from benchmarks.observing import observe
from benchmarks.settings import Settings

__all__ = ["measure"]

_QUANTITIES = ("cold seconds", "start seconds", "system seconds", "warm seconds")


def measure(settings: Settings, announce: Callable[[str], None]) -> Iterator[Measurement]:
    """Time every network by every contestant, each time in a fresh process."""
    for network, rounds in settings.networks.items():
        for name, answers in observe(network, rounds, announce).items():
            for quantity in _QUANTITIES:
                labels = {
                    "part": "models",
                    "quantity": quantity,
                    "network": network,
                    "elements": answers[0]["elements"],
                    "contestant": name,
                }
                yield Measurement(labels, Spread.of([answer[quantity] for answer in answers]))
