"""Many cases drawn at once: one compiled program takes far less time than one for each case."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from parity.arrays import numpy_dtype, precision, to_torch_order
from parity.cases import Case
from parity.seeding import typed_key

__all__ = ["Drawn", "draw"]

Drawn = npt.NDArray[Any] | Exception
"""A weight in torch's order, or what was raised in its place."""

Make = Callable[[Case], Callable[..., jax.Array]]


def draw(cases: Iterable[Case], make: Make, seed: int) -> list[Drawn]:
    """Draw every case, each with its own key, in its own layout and dtype.

    Args:
        cases: what to draw.
        make: builds the initializer of a case; ours, or jax's nearest.
        seed: the suite's seed.
    """
    cases = tuple(cases)
    drawn: dict[int, Drawn] = {}
    for dtype in dict.fromkeys(case.dtype for case in cases):
        numbers = [number for number, case in enumerate(cases) if case.dtype == dtype]
        try:
            weights: list[Drawn] = [*_together([cases[number] for number in numbers], make, seed)]
        except Exception:
            # Something raises in one of them: see in which.
            weights = [_alone(cases[number], make, seed) for number in numbers]
        drawn |= dict(zip(numbers, weights, strict=True))
    return [drawn[number] for number in range(len(cases))]


def _together(cases: list[Case], make: Make, seed: int) -> list[npt.NDArray[Any]]:
    """Draw cases of one dtype in one program."""
    dtype = numpy_dtype(cases[0].dtype)

    def sample(keys: list[jax.Array]) -> list[jax.Array]:
        return [
            make(case)(key, case.our_shape, dtype) for case, key in zip(cases, keys, strict=True)
        ]

    keys = [typed_key(seed, str(case)) for case in cases]
    with precision(cases[0].dtype):
        arrays = jax.jit(sample)(keys)
        return [
            to_torch_order(np.asarray(array), case.layout)
            for array, case in zip(arrays, cases, strict=True)
        ]


def _alone(case: Case, make: Make, seed: int) -> Drawn:
    try:
        (weight,) = _together([case], make, seed)
    except Exception as error:
        return error
    return weight
