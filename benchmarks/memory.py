"""Peak memory of making a model, and the temporary memory of compiled kernels.

The peak is what the process had at most, above what it had after its imports and JAX's start, as a
multiple of the bytes of the parameters: 1 is the result and nothing else. Temporary memory is what
XLA says a compiled program allocates beside its result, as a multiple of the result.
"""

from collections.abc import Callable, Iterator

from benchmarks.measuring import Measurement, Spread
from benchmarks.observing import observe
from benchmarks.samplers import Case, temporary_bytes
from benchmarks.settings import Settings

__all__ = ["measure"]

_FLOAT32 = 4


def measure(settings: Settings, announce: Callable[[str], None]) -> Iterator[Measurement]:
    """Measure the peak of the models, and the temporaries of kernels."""
    for network in settings.memory:
        for name, answers in observe(network, settings.networks[network], announce).items():
            size = answers[0]["elements"] * _FLOAT32
            peaks = [answer["peak bytes"] / size for answer in answers]
            yield _measurement("peak multiple", network, name, Spread.of(peaks))
    for distribution in ("uniform", "normal", "trunc_normal"):
        case = Case(distribution, "float32", (1024, 1024))
        announce(f"memory: {case}")
        for name in ("fanwise jit", "jax jit"):
            multiple = temporary_bytes(name, case) / (case.elements * _FLOAT32)
            spread = Spread(multiple, multiple, multiple, 1)
            yield _measurement("temporary multiple", str(case), name, spread)


def _measurement(quantity: str, what: str, contestant: str, spread: Spread) -> Measurement:
    labels = {"part": "memory", "quantity": quantity, "of": what, "contestant": contestant}
    return Measurement(labels, spread)
