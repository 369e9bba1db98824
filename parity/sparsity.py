"""Sparse weights: how many zeros, where they are, and what the other values are."""

import itertools
import math
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import torch

import fanwise
from fanwise.distributions import Normal
from fanwise.testing import Check, check_samples
from parity.arrays import TORCH_DTYPES, from_torch
from parity.bounded_mean import bounded_mean_check
from parity.cases import Case, table
from parity.drawing import Drawn
from parity.seeding import torch_seeded, typed_key

__all__ = [
    "ASSERTIONS",
    "cases",
    "count_mismatch",
    "draw_torch",
    "many_ours",
    "many_torch",
    "position_checks",
]

Weight = npt.NDArray[Any]

# Two zeros among six rows: fifteen subsets, few enough to count each.
ROWS, COLUMNS, ZEROS, MATRICES = 6, 4, 2, 4000
SPARSITY, STD = 0.3, 0.05

ASSERTIONS = 5
"""Number of assertions of ``position_checks``, those of the values counted as one."""


def cases() -> tuple[Case, ...]:
    """The table's cases and the edges: no zeros, nothing but zeros, one row, inexact products.

    0.07 * 100 is 7.000000000000001 in floating point, so torch makes eight zeros of it.
    """
    mine = [case for case in table() if case.initializer == "sparse"]
    edges = (((9, 5), 0.0), ((9, 5), 1.0), ((1, 6), 0.1), ((100, 3), 0.07))
    layouts = ("...IO", "OI...", "...OI", "...IO")
    mine += [
        Case("sparse", shape, {"sparsity": sparsity, "std": 1.0}, layout)
        for (shape, sparsity), layout in zip(edges, layouts, strict=True)
    ]
    # JAX's float32 normals are never 0, the smallest of the 2^23 being 7.5e-8 in size; with a std
    # of 1 float16 does not round that to 0 either.
    mine += [
        Case("sparse", (20, 4), {"sparsity": 0.4, "std": 1.0}, dtype=dtype)
        for dtype in ("float16", "bfloat16", "float64", "complex64")
    ]
    mine += [Case("sparse", shape, {"sparsity": 0.5}) for shape in ((0, 4), (4, 0))]
    return tuple(mine)


def draw_torch(case: Case, seed: int) -> Weight:
    """Draw a case with torch.

    In float64: torch's float32 normals are exactly 0 once in some ten million times.
    """
    dtype = torch.float64 if case.dtype == "float32" else TORCH_DTYPES[case.dtype]
    tensor = torch.empty(case.shape, dtype=dtype)
    with torch_seeded(seed, str(case)):
        case.torch_function(tensor, **case.kwargs)
    return from_torch(tensor)


def count_mismatch(case: Case, drawn: Drawn) -> str:
    """Return how the zeros of a weight's columns are not exactly what torch promises."""
    if isinstance(drawn, Exception):
        return f"{case}: raises {drawn!r}"
    expected = math.ceil(case.kwargs["sparsity"] * case.shape[0])
    zeros = set((drawn == 0).sum(axis=0).tolist())
    if drawn.shape != case.shape or zeros - {expected}:
        return f"{case}: columns of {sorted(zeros)} zeros instead of {expected}"
    return ""


def many_ours(seed: int) -> Weight:
    """Draw many small matrices of ours, in torch's order, in float64."""
    initializer = fanwise.sparse(SPARSITY, STD)
    keys = jax.random.split(typed_key(seed, "sparse"), MATRICES)
    with jax.enable_x64(True):
        draw = jax.jit(jax.vmap(lambda key: initializer(key, (COLUMNS, ROWS), np.float64)))
        return np.asarray(draw(keys)).transpose(0, 2, 1)


def many_torch(seed: int) -> Weight:
    """Draw as many with torch."""
    matrices = torch.empty((MATRICES, ROWS, COLUMNS), dtype=torch.float64)
    with torch_seeded(seed, "sparse"):
        for matrix in matrices:
            torch.nn.init.sparse_(matrix, SPARSITY, STD)
    return from_torch(matrices)


def position_checks(matrices: Weight, false_alarm: float) -> tuple[Check, ...]:
    """Check that zeros fall uniformly and independently, and that the rest is normal.

    Args:
        matrices: independent draws of ``SPARSITY`` and ``STD``, shape (n, ROWS, COLUMNS).
        false_alarm: of each check; those of the values share one.

    Returns:
        Checks of: each of the fifteen sets of rows that a column's zeros may fill; the number of
        zeros that neighbouring columns and neighbouring matrices share; the zeros of each row;
        and the values that are not zero.
    """
    is_zero = matrices == 0
    columns = is_zero.transpose(0, 2, 1).reshape(-1, ROWS)
    subsets = [
        [row in subset for row in range(ROWS)]
        for subset in itertools.combinations(range(ROWS), ZEROS)
    ]
    matches = (columns[:, None, :] == np.asarray(subsets)).all(axis=2)
    beside = is_zero[:, :, 0::2] & is_zero[:, :, 1::2]
    following = is_zero[0::2] & is_zero[1::2]
    shared = ZEROS**2 / ROWS
    checks = (
        bounded_mean_check("sets of rows", matches, 1 / len(subsets), (0, 1), false_alarm),
        bounded_mean_check("rows", columns, ZEROS / ROWS, (0, 1), false_alarm),
        bounded_mean_check("shared by columns", _pairs(beside), shared, (0, ZEROS), false_alarm),
        bounded_mean_check(
            "shared by matrices", _pairs(following), shared, (0, ZEROS), false_alarm
        ),
    )
    values = check_samples(matrices[~is_zero], Normal(0.0, STD), false_alarm=false_alarm)
    return (*checks, *(replace(check, name=f"values {check.name}") for check in values))


def _pairs(shared: Weight) -> Weight:
    """Number of rows in which both columns of a pair are zero, one pair a row."""
    return shared.transpose(0, 2, 1).reshape(-1, ROWS).sum(axis=1)
