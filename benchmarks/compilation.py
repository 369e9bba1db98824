"""Time to compile against the number of layers, for layers so narrow that little else is left.

It is what the first call takes longer than the second, JAX's caches being cleared before, in a
process of its own: what a rival has compiled makes everyone slower.
"""

import functools
import gc
import statistics
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks import fresh, machine
from benchmarks.builders import BUILDERS, parameter_list
from benchmarks.measuring import Measurement, Rounds, Spread, alternate, seconds_of
from benchmarks.networks import Transformer, narrow
from benchmarks.settings import Settings

__all__ = ["in_this_process", "measure"]

_COMPILED = "/jax/core/compile/backend_compile_duration"

# A difference of two short times is rough.
_REPEATED = Rounds(least=1, most=7, seconds=2.0)

_programs = 0


def measure(settings: Settings, announce: Callable[[str], None]) -> Iterator[Measurement]:
    """Measure seconds and number of programs, for each number of layers and contestant."""
    if not machine.is_installed("flax"):
        return
    for layers in settings.layers:
        announce(f"compile: {layers} narrow layers")
        calls = {
            name: functools.partial(
                fresh.call, "benchmarks.compilation:in_this_process", contestant=name, layers=layers
            )
            for name in _CONTESTANTS
        }
        for name, observed in alternate(calls, settings.compile_rounds).items():
            seconds, programs = zip(*observed, strict=True)
            for quantity, values in (("seconds", seconds), ("programs", programs)):
                labels = {
                    "part": "compile",
                    "quantity": quantity,
                    "layers": layers,
                    "contestant": name,
                }
                yield Measurement(labels, Spread.of(list(values)))


def in_this_process(contestant: str, layers: int) -> tuple[float, float]:
    """Return the seconds of compiling, a median, and the number of programs compiled."""
    _count_programs()
    _compile(_fill_eagerly(narrow(1)))  # starts the backend
    make = _CONTESTANTS[contestant](narrow(layers))
    seconds, programs = zip(*(_compile(make) for _ in _REPEATED), strict=True)
    return statistics.median(seconds), max(programs)


def _count_programs() -> None:
    """Have JAX tell of every program that it compiles from now on."""
    import jax

    def note(event: str, seconds: float, **labels: Any) -> None:
        global _programs
        _programs += event == _COMPILED

    jax.monitoring.register_event_duration_secs_listener(note)


def _compile(make: Callable[[], Callable[[], object]]) -> tuple[float, float]:
    """Return the seconds of compiling and the number of programs compiled."""
    import jax

    jax.clear_caches()
    gc.collect()
    call, before = make(), _programs
    first = seconds_of(call)
    programs = _programs - before
    return max(0.0, first - seconds_of(call)), programs


def _fill_eagerly(network: Transformer) -> Callable[[], Callable[[], object]]:
    shapes = _shapes(network)
    return lambda: BUILDERS["fanwise"](network, shapes)


def _init_under_jit(network: Transformer) -> Callable[[], Callable[[], object]]:
    return lambda: BUILDERS["linen jit"](network, {})


def _fill_under_jit(network: Transformer) -> Callable[[], Callable[[], object]]:
    import jax

    from fanwise.filling import fill

    shapes = _shapes(network)

    def make() -> Callable[[], object]:
        compiled = jax.jit(lambda key: fill(parameter_list(network, shapes, key)))
        return lambda: jax.block_until_ready(compiled(jax.random.key(0)))

    return make


def _shapes(network: Transformer) -> dict[str, tuple[int, ...]]:
    from benchmarks.networks import linen

    return linen.shapes_of(network)


_CONTESTANTS = {
    "fanwise": _fill_eagerly,
    "fanwise jit": _fill_under_jit,
    "linen jit": _init_under_jit,
}
