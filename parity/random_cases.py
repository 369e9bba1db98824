"""Random cases for the exact checks: shapes, modes, gains, slopes, nonlinearities, bounds."""

import math
from typing import Any

import numpy as np

from fanwise.gains import NONLINEARITIES
from parity.arrays import LAYOUTS
from parity.cases import Case, Shape
from parity.seeding import numpy_generator

__all__ = ["random_cases"]

# Functions of the fans have the most to get wrong.
COUNTS = {
    "uniform": 40,
    "normal": 40,
    "trunc_normal": 60,
    "constant": 20,
    "xavier_uniform": 80,
    "xavier_normal": 80,
    "kaiming_uniform": 100,
    "kaiming_normal": 100,
}

SLOPES = (0, 0.0, 0.01, 0.2, 0.25, math.sqrt(5), None, 1, -0.3, 7, 1e-9, 1e9)


def random_cases(seed: int) -> tuple[Case, ...]:
    """Return 520 cases, the same ones for the same seed."""
    random = numpy_generator(seed, "cases")
    cases = []
    for initializer, count in COUNTS.items():
        for number in range(count):
            kwargs = _arguments(initializer, random)
            # torch really draws truncated normals until all are inside; 4,096 values will do.
            shape = _shape(random, 12 if initializer == "trunc_normal" else 30)
            layout = str(random.choice(LAYOUTS))
            cases.append(Case(initializer, shape, kwargs, layout, label=f"random {number}"))
    return tuple(cases)


def _shape(random: np.random.Generator, bits: float) -> Shape:
    """A shape of 2 to 5 axes and at most 2**bits elements; sizes of 1 are common."""
    axes = int(random.integers(2, 6))
    logarithms = random.exponential(size=axes)
    logarithms *= random.uniform(0, bits) / logarithms.sum()
    return tuple(int(2**logarithm) for logarithm in logarithms)


def _arguments(initializer: str, random: np.random.Generator) -> dict[str, Any]:
    if initializer.startswith("kaiming"):
        return {
            "a": SLOPES[random.integers(len(SLOPES))] if random.random() < 0.5 else _real(random),
            "mode": str(random.choice(("fan_in", "fan_out", "Fan_In", "FAN_OUT"))),
            "nonlinearity": str(random.choice(("leaky_relu", *NONLINEARITIES))),
        }
    if initializer.startswith("xavier"):
        return {"gain": abs(_real(random))}
    if initializer == "uniform":
        a, b = sorted((_real(random), _real(random)))
        return {"a": a, "b": b}
    if initializer == "normal":
        return {"mean": _real(random), "std": abs(_real(random))}
    if initializer == "trunc_normal":
        return _truncated(random)
    return {"val": _real(random)}


def _real(random: np.random.Generator) -> float:
    """A number of either sign between 1e-4 and 1e4, or a plain 0 or 1."""
    if random.random() < 0.1:
        return float(random.integers(2))
    return float(random.choice((-1, 1)) * 10 ** random.uniform(-4, 4))


def _truncated(random: np.random.Generator) -> dict[str, Any]:
    """Bounds within a few std of the mean on both sides or on one, or none on one side."""
    mean, std = _real(random), 10 ** random.uniform(-3, 2)
    low, high = sorted(random.uniform(-3, 3, size=2))
    if random.random() < 0.2:
        # torch takes an infinite bound only where most of the mass is inside.
        low, high = (-math.inf, abs(high)) if random.random() < 0.5 else (-abs(low), math.inf)
    return {"mean": mean, "std": std, "a": float(mean + std * low), "b": float(mean + std * high)}
