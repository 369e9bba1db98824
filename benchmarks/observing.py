"""Contestants that make a model's parameters, each in a fresh process.

Time and memory are read in the same process, so that the memory of a model that was timed costs
no further runs.
"""

import functools
import gc
import time
from collections.abc import Callable
from typing import Any

from benchmarks import fresh, machine
from benchmarks.builders import BUILDERS, Make, requirements
from benchmarks.measuring import Rounds, alternate
from benchmarks.networks import NETWORKS

__all__ = ["contestants", "in_this_process", "observe"]

Answers = dict[str, list[dict[str, Any]]]

_observed: dict[str, Answers] = {}


def contestants() -> list[str]:
    """Return those whose packages are installed."""
    return [
        name for name in BUILDERS if all(machine.is_installed(need) for need in requirements(name))
    ]


def observe(network: str, rounds: Rounds, announce: Callable[[str], None]) -> Answers:
    """Return seconds, bytes and elements of every contestant; a network is observed only once.

    Raises:
        RuntimeError: if the contestants made different numbers of elements, for then their
            figures could not be compared.
    """
    if network not in _observed:
        calls = {name: functools.partial(_fresh, network, name, announce) for name in contestants()}
        answers = alternate(calls, rounds)
        elements = {name: each[0]["elements"] for name, each in answers.items()}
        if len(set(elements.values())) > 1:
            raise RuntimeError(f"{network} differs between contestants: {elements} elements")
        _observed[network] = answers
    return _observed[network]


def _fresh(network: str, contestant: str, announce: Callable[[str], None]) -> dict[str, Any]:
    announce(f"{network}: {contestant}")
    answer: dict[str, Any] = fresh.call(
        "benchmarks.observing:in_this_process",
        network=network,
        contestant=contestant,
        shapes=_shapes(network) if contestant in ("fanwise", "fanwise default") else {},
    )
    return answer


@functools.cache
def _shapes(network: str) -> dict[str, tuple[int, ...]]:
    from benchmarks.networks import linen

    return linen.shapes_of(NETWORKS[network])


def in_this_process(network: str, contestant: str, shapes: dict[str, list[int]]) -> dict[str, Any]:
    """Make the parameters twice, cold and warm."""
    known = {path: tuple(shape) for path, shape in shapes.items()}
    make = BUILDERS[contestant](NETWORKS[network], known)
    # Imports are not counted, nor is looking through what they left for what could be freed: JAX
    # would do that, or not, some thousand objects later.
    gc.collect()
    start, start_in_system = time.perf_counter(), machine.system_seconds()
    if requirements(contestant) != ("torch",):
        import jax

        # JAX's start, its first compilation included, is part of a cold start, but its memory is
        # not the parameters'. Whoever fills a model has a key.
        jax.random.key(0).block_until_ready()
    started = time.perf_counter() - start
    baseline, _ = machine.resident()
    cold, elements = _timed(make)
    in_system = machine.system_seconds() - start_in_system
    _, peak = machine.resident()
    warm, _ = _timed(make)
    return {
        "start seconds": started,
        "system seconds": in_system,
        "cold seconds": started + cold,
        "warm seconds": warm,
        "elements": elements,
        "peak bytes": peak - baseline,
    }


def _timed(make: Make) -> tuple[float, int]:
    """Make the parameters on the clock, and free them off it; models may hold cycles."""
    start = time.perf_counter()
    made, elements = make()
    taken = time.perf_counter() - start
    del made
    gc.collect()
    return taken, elements
