"""One kernel at a time: seconds by distribution, dtype, number of elements and contestant."""

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

from benchmarks import fresh, machine
from benchmarks.measuring import Measurement, Spread, alternate, seconds_of
from benchmarks.samplers import SAMPLERS, Case, requirement, samplers_of
from benchmarks.settings import Settings

__all__ = ["cold_seconds", "measure"]

_SCALAR = ("uniform", "normal", "trunc_normal", "kaiming_normal")
_DTYPES = ("float32", "bfloat16")

# Calls that take less are timed several at once, so that the clock's own cost is no part of it.
_SHORTEST, _MOST_CALLS = 1e-3, 50

# What a case may need at once for every byte of its result: jax takes three times the result for
# its temporaries, and a result before it is freed.
_PEAK = 6


def measure(settings: Settings, announce: Callable[[str], None]) -> Iterator[Measurement]:
    """Time every kernel warm, and some of them cold."""
    for case in _cases(settings):
        announce(f"kernels: {case}")
        yield from _warm(case, settings)
    for distribution, shape in settings.cold:
        case = Case(distribution, "float32", shape)
        announce(f"kernels, cold: {case}")
        yield from _cold(case, settings)


def _cases(settings: Settings) -> Iterator[Case]:
    memory = machine.available_memory()
    for distribution, dtype, shape in product(_SCALAR, _DTYPES, settings.shapes):
        size = math.prod(shape)
        # jax and torch hold float32 for bfloat16 too.
        fits = size * 4 * _PEAK <= memory
        # Kaiming's normal is a normal: what it shows is the cost of finding the scale.
        is_new = distribution != "kaiming_normal" or size <= settings.largest_under_jit
        if fits and is_new:
            yield Case(distribution, dtype, shape)
    for shape in settings.matrices:
        # Neither jax nor torch makes orthogonal matrices in bfloat16.
        yield Case("orthogonal", "float32", shape)


def _installed(samplers: list[str]) -> list[str]:
    return [name for name in samplers if machine.is_installed(requirement(name))]


def _warm(case: Case, settings: Settings) -> Iterator[Measurement]:
    calls = {}
    for name in _installed(samplers_of(case, settings.largest_under_jit)):
        draw = SAMPLERS[name](case)
        first = seconds_of(draw)  # compiles
        # A second call shows how long one takes, unless it is long in any case.
        taken = seconds_of(draw) if first < 1 else first
        number = min(_MOST_CALLS, math.ceil(_SHORTEST / taken))
        calls[name] = partial(seconds_of, draw, number)
    for name, seconds in alternate(calls, settings.kernel_rounds).items():
        yield _measurement(case, name, "warm seconds", seconds)


def _cold(case: Case, settings: Settings) -> Iterator[Measurement]:
    calls = {
        name: partial(
            fresh.call,
            "benchmarks.kernels:cold_seconds",
            sampler=name,
            distribution=case.distribution,
            dtype=case.dtype,
            shape=case.shape,
        )
        for name in _installed(["fanwise", "jax", "torch"])
    }
    for name, seconds in alternate(calls, settings.cold_rounds).items():
        yield _measurement(case, name, "cold seconds", seconds)


def cold_seconds(sampler: str, distribution: str, dtype: str, shape: list[int]) -> float:
    """Time the first call of this process; imports come before the clock."""
    draw = SAMPLERS[sampler](Case(distribution, dtype, tuple(shape)))
    start = time.perf_counter()
    draw()
    return time.perf_counter() - start


def _measurement(case: Case, name: str, quantity: str, seconds: list[float]) -> Measurement:
    labels: dict[str, Any] = {
        "part": "kernels",
        "quantity": quantity,
        "distribution": case.title,
        "dtype": case.dtype,
        "shape": list(case.shape),
        "elements": case.elements,
        "contestant": name,
    }
    return Measurement(labels, Spread.of(seconds))
