"""Orthogonal weights: orthonormal rows or columns in torch's reading, in every layout and dtype."""

import math
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import torch

import fanwise
from fanwise.testing import Check
from parity.arrays import LAYOUTS, TORCH_DTYPES, from_torch
from parity.cases import Case, table
from parity.drawing import Drawn
from parity.seeding import torch_seeded, typed_key

__all__ = ["Part", "cases", "gram_check", "of_torch", "packed", "part_of"]

Weight = npt.NDArray[Any]


@dataclass(frozen=True)
class Part:
    """What came out for one case: a check, or what is wrong without one."""

    case: str
    check: Check | None
    error: str = ""
    samples: int = 0


def cases() -> tuple[Case, ...]:
    """The table's cases, and tall and wide matrices and convolutions in all layouts."""
    mine = [case for case in table() if case.initializer == "orthogonal"]
    shapes = ((40, 10), (10, 40), (6, 5, 2, 3), (30, 2, 3))
    mine += [Case("orthogonal", shape, {}, layout) for shape in shapes for layout in LAYOUTS]
    return tuple(mine)


def gram_check(weight: Weight, gain: float) -> Check:
    r"""Compare the Gram matrix of rows or columns with gain^2 times the identity.

    With M the larger side and eps = 2^-24 (float32) or 2^-53 (float64), LAPACK's own test programs
    demand :math:`\|I - Q^T Q\|_1 < 30 M \epsilon` of a computed Q (LAPACK Working Note 41,
    threshold 30 in TESTING/dtest.in). Rounding each entry of gain * Q by at most delta, relative,
    moves an entry of the Gram matrix by no more than 2 delta + delta^2 (Cauchy-Schwarz, the
    columns having norm 1), and a subnormal entry, off by half a unit in the last place at most,
    by 2 sqrt(M) of that.

    Args:
        weight: in torch's order; it is read as dim 0 by all others.
        gain: what orthonormal rows or columns were multiplied by.

    Returns:
        A Check of the largest entry of the difference, relative to gain^2. It raises no false
        alarm, and notices a gain off by more than the threshold, relative.
    """
    info = ml_dtypes.finfo(weight.dtype)
    unit = float(info.eps) / 2
    arithmetic = 2.0**-53 if weight.dtype == np.float64 else 2.0**-24
    matrix = weight.astype(np.float64).reshape(weight.shape[0], -1)
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    longest = matrix.shape[0]
    # gain rounded to the precision of the arithmetic, the product, and the rounding of the result.
    delta = 2 * arithmetic + (unit if unit > arithmetic else 0.0)
    subnormal = float(info.smallest_subnormal) / 2 / abs(gain)
    threshold = 30 * longest * arithmetic + 2 * delta + delta**2
    threshold += 2 * math.sqrt(longest) * subnormal
    gram = matrix.T @ matrix / gain**2
    distance = float(np.abs(gram - np.eye(len(gram))).max())
    return Check(f"gram, {weight.dtype.name}", distance, threshold, 0.0, threshold, len(gram))


def part_of(case: Case, drawn: Drawn) -> Part:
    """Check what was drawn for a case."""
    if isinstance(drawn, Exception):
        return Part(str(case), None, f"{case}: raises {drawn!r}")
    check = gram_check(drawn, case.kwargs.get("gain", 1.0))
    return Part(str(case), check, samples=drawn.size)


def of_torch(case: Case, seed: int) -> Part:
    """Draw a case with torch and check it."""
    tensor = torch.empty(case.shape, dtype=TORCH_DTYPES[case.dtype])
    with torch_seeded(seed, str(case)):
        case.torch_function(tensor, **case.kwargs)
    return part_of(case, from_torch(tensor))


def packed(seed: int) -> tuple[Part, ...]:
    """Layouts that torch has no word for: several axes of one role, and a batch of matrices.

    An attention kernel (in, heads, width) is the matrix of heads * width outputs by its inputs,
    (heads, width, out) that of its outputs by heads * width inputs; experts (experts, in, out)
    are independent matrices.
    """
    parts = []
    for layout, shape, outputs in (("IOO", (20, 3, 4), (1, 2, 0)), ("IIO", (3, 4, 20), (2, 0, 1))):
        array = fanwise.orthogonal(layout=layout)(typed_key(seed, f"orthogonal {layout}"), shape)
        rows = 12 if layout == "IOO" else 20
        matrix = np.asarray(array).transpose(outputs).reshape(rows, -1)
        check = gram_check(matrix, 1.0)
        parts.append(Part(f"orthogonal {layout} {shape}", check, samples=matrix.size))
    experts = fanwise.orthogonal(2.0, layout="BIO")(typed_key(seed, "experts"), (5, 24, 9))
    matrices = np.asarray(experts).transpose(0, 2, 1)
    for number, matrix in enumerate(matrices):
        check = gram_check(matrix, 2.0)
        parts.append(Part(f"orthogonal BIO, expert {number}", check, samples=matrix.size))
    return tuple(parts)
