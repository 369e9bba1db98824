"""``delta_orthogonal``, which torch does not have: held against what it promises itself."""

import itertools

import numpy as np

from parity.cases import Case
from parity.drawing import Drawn
from parity.orthogonality import Part, gram_check

__all__ = ["CASES", "contract"]

# Odd and even kernels of 3 to 5 axes.
CASES = tuple(
    Case("delta_orthogonal", shape, {"gain": gain}, layout, dtype)
    for shape, gain, layout, dtype in (
        ((12, 5, 3), 1.0, "...IO", "float32"),
        ((8, 8, 3, 3), 2**0.5, "...IO", "float32"),
        ((8, 3, 4, 2), -0.5, "OI...", "float32"),
        ((9, 9, 1, 1), 1.0, "...OI", "float32"),
        ((10, 4, 2, 3, 5), 1.0, "...IO", "float32"),
        ((8, 3, 3, 3), 1.0, "...IO", "float64"),
        ((8, 3, 3, 3), 1.0, "...IO", "bfloat16"),
        ((8, 3, 3, 3), 1.0, "...IO", "float16"),
    )
)


def contract(case: Case, drawn: Drawn) -> Part:
    """Check that a kernel is 0 but for orthonormal columns at ``(k - 1) // 2``."""
    if isinstance(drawn, Exception):
        return Part(str(case), None, f"{case}: raises {drawn!r}")
    field = case.shape[2:]
    centre = tuple((size - 1) // 2 for size in field)
    for position in itertools.product(*map(range, field)):
        if position != centre and np.count_nonzero(drawn[(..., *position)]):
            wrong = f"{case}: not 0 at {position}, beside the centre {centre}"
            return Part(str(case), None, wrong)
    check = gram_check(drawn[(..., *centre)], case.kwargs["gain"])
    return Part(str(case), check, samples=drawn.size)
