"""Weights in which nothing is random: equal to torch's tensors, bit by bit, in every layout."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from parity.arrays import LAYOUTS, TORCH_DTYPES, from_torch
from parity.cases import Case
from parity.drawing import Drawn, draw
from parity.nearest import nearest
from parity.progress import SILENT, Progress
from parity.result import NEAREST, OURS, Finding
from parity.seeding import numpy_generator

__all__ = ["DETERMINISTIC", "cases", "mismatch", "run"]

DETERMINISTIC = ("constant", "ones", "zeros", "eye", "dirac")

EYE = ((16, 16), (5, 20), (20, 5), (1, 7), (7, 1), (1, 1), (0, 3), (3, 0))

# Shape and groups: kernels of even sizes, of size 1 and lopsided ones; more inputs than outputs
# and fewer; groups up to depthwise.
DIRAC = (
    ((8, 8, 5), 1),
    ((4, 9, 3), 1),
    ((9, 4, 2), 3),
    ((12, 1, 3, 3), 12),
    ((24, 6, 3, 3), 4),
    ((8, 2, 4, 4), 4),
    ((8, 8, 1, 1), 2),
    ((6, 3, 2, 4, 3), 2),
    ((5, 7, 6, 1, 2), 1),
    ((0, 3, 1), 1),
    ((3, 0, 1), 1),
)

FLOATS = (0.1, 1 / 3, -1.5, -0.0, math.inf, math.nan, 65504.0, 6e-8)
VALUES: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("float16", "bfloat16", "float32", "float64"), FLOATS),
    "complex64": (0.1, 1 - 2j, complex(0.0, -math.inf)),
    "complex128": (1 / 3, 0.1 + 0.2j),
    "bool": (True, False, 1),
    "uint8": (7, 255),
    "int8": (-128, 5.0),
    "int16": (-300, 300),
    "int32": (2**31 - 1, -7),
    "int64": (2**40, -7),
}


def cases(seed: int) -> tuple[Case, ...]:
    """Every shape and every dtype in every layout, and a dozen random kernels."""
    found = [
        *(Case("eye", shape, {}, layout) for shape in EYE for layout in LAYOUTS),
        *(
            Case("dirac", shape, {"groups": groups}, layout)
            for shape, groups in DIRAC
            for layout in LAYOUTS
        ),
        *(
            Case("constant", (2, 3), {"val": value}, dtype=dtype)
            for dtype, values in VALUES.items()
            for value in values
        ),
        *(
            Case(name, shape, {}, layout, dtype)
            for name, shape, layouts in (
                ("ones", (3, 5), LAYOUTS[:1]),
                ("zeros", (2, 3, 4), LAYOUTS[:1]),
                ("eye", (3, 5), LAYOUTS),
                ("dirac", (4, 2, 2, 3), LAYOUTS),
            )
            for dtype in TORCH_DTYPES
            for layout in layouts
        ),
    ]
    random = numpy_generator(seed, "dirac")
    for _ in range(12):
        groups, times, inputs = (int(n) for n in random.integers(1, 6, 3))
        field = tuple(int(size) for size in random.integers(1, 7, random.integers(1, 4)))
        shape = (groups * times, inputs, *field)
        found.append(Case("dirac", shape, {"groups": groups}, label="random"))
    return tuple(found)


def mismatch(case: Case, drawn: Drawn) -> str:
    """Return how an array differs from torch's tensor; nothing if it does not."""
    tensor = torch.full(case.shape, 77, dtype=TORCH_DTYPES[case.dtype])
    theirs = from_torch(case.torch_function(tensor, **case.kwargs))
    if isinstance(drawn, Exception):
        return f"{case}: raises {drawn!r}"
    if (theirs.dtype, theirs.shape) != (drawn.dtype, drawn.shape):
        return f"{case}: torch {theirs.dtype}{theirs.shape}, not {drawn.dtype}{drawn.shape}"
    unequal = int((_bytes(theirs) != _bytes(drawn)).any(axis=1).sum())
    return f"{case}: {unequal} of {theirs.size} elements differ from torch's" if unequal else ""


def _bytes(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """One row an element: the sign of a zero counts, and torch and JAX have the same NaN."""
    flat = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
    return flat.reshape(-1, array.itemsize)


def run(seed: int, progress: Progress = SILENT) -> list[Finding]:
    """Compare all cases, and jax's constants by the same rule."""
    found = []
    every = cases(seed)
    for initializer in progress.track(DETERMINISTIC, "structural: equality"):
        mine = [case for case in every if case.initializer == initializer]
        other = nearest(mine[0])
        found.append(_finding(OURS, mine, draw(mine, Case.ours, seed)))
        if other.make is None:
            found.append(Finding(initializer, "structural", NEAREST, reason=other.difference))
        else:
            drawn = draw(mine, lambda case: nearest(case).make(), seed)
            found.append(_finding(NEAREST, mine, drawn, other.name))
    return found


def _finding(subject: str, cases: list[Case], drawn: list[Drawn], name: str = "") -> Finding:
    lines = (mismatch(case, array) for case, array in zip(cases, drawn, strict=True))
    return Finding(
        cases[0].initializer,
        "structural",
        subject,
        tuple(map(str, cases)),
        tuple(filter(None, lines)),
        notices=0.0,
        name=name,
        reason="other values" if name else "",
    )
