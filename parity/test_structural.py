"""Structural parity, and that each of its checks can fail."""

import math

import numpy as np
import pytest

from fanwise.testing import require
from parity import delta_orthogonality, equality, haar, haar_draws, orthogonality, sparsity
from parity.cases import Case
from parity.drawing import draw
from parity.rates import STATISTICAL, STRUCTURAL, SUITE
from parity.result import NEAREST, OURS, TORCH
from parity.structural import BUDGET

DTYPES = ("float32", "float64", "bfloat16", "float16", "complex64")


def test_the_budget_is_kept():
    assert pytest.approx(SUITE) == STRUCTURAL + STATISTICAL
    assert BUDGET.each * BUDGET.assertions <= STRUCTURAL * (1 + 1e-12)


@pytest.mark.parametrize("initializer", equality.DETERMINISTIC)
def test_equal_to_torch(initializer, seed):
    cases = [case for case in equality.cases(seed) if case.initializer == initializer]
    assert {case.dtype for case in cases} >= set(DTYPES)
    drawn = draw(cases, Case.ours, seed)
    assert [line for line in map(equality.mismatch, cases, drawn) if line] == []


@pytest.mark.parametrize(
    ("case", "wrong"),
    [
        (Case("dirac", (2, 2, 4)), np.eye(2, dtype=np.float32)[:, :, None] * [0, 1, 0, 0]),
        (Case("eye", (2, 3)), np.eye(2, 3, 1)),
        (Case("zeros", (2,)), np.array([0.0, -0.0])),
        (Case("ones", (2,)), np.ones((2, 1))),
    ],
    ids=str,
)
def test_inequality_is_noticed(case, wrong):
    assert equality.mismatch(case, wrong.astype(np.float32))
    assert equality.mismatch(case, ValueError("no"))


def test_sparse_zeros_per_column(seed):
    cases = sparsity.cases()
    assert [
        line for line in map(sparsity.count_mismatch, cases, draw(cases, Case.ours, seed)) if line
    ] == []
    assert [
        line
        for case in cases
        if (line := sparsity.count_mismatch(case, sparsity.draw_torch(case, seed)))
    ] == []


def test_zeros_per_row_are_noticed(seed):
    case = Case("sparse", (40, 40), {"sparsity": 0.1, "std": 1.0})
    (weight,) = draw([case], Case.ours, seed)
    assert not sparsity.count_mismatch(case, weight)
    assert sparsity.count_mismatch(case, weight.T)


@pytest.mark.parametrize("many", [sparsity.many_ours, sparsity.many_torch])
def test_sparse_positions_and_values(many, seed):
    checks = sparsity.position_checks(many(seed), BUDGET.each)
    require(*checks)
    assert sum(check.false_alarm for check in checks) <= sparsity.ASSERTIONS * BUDGET.each * 1.001


@pytest.mark.parametrize(
    ("error", "caught"),
    [
        # The same rows in every column; zeros next to each other; a std off by 5 %.
        (lambda m, z: np.where(z[:, :, :1], 0, np.where(m == 0, 0.05, m)), "shared by columns"),
        (lambda m, z: np.where(_neighbours(m.shape), 0, np.where(m == 0, 0.05, m)), "sets of rows"),
        (lambda m, z: m * 1.05, "values variance"),
    ],
)
def test_wrong_sparse_weights_are_noticed(error, caught, seed):
    matrices = sparsity.many_torch(seed)
    checks = sparsity.position_checks(error(matrices, matrices == 0), BUDGET.each)
    assert caught in {check.name for check in checks if not check.passed}


def _neighbours(shape):
    """Two rows that follow one another, from a random one on, in every column."""
    n, rows, columns = shape
    start = np.random.default_rng(0).integers(0, rows, (n, 1, columns))
    return (np.arange(rows)[None, :, None] - start) % rows < 2


def test_orthogonal_rows_or_columns(seed):
    cases = orthogonality.cases()
    parts = [*map(orthogonality.part_of, cases, draw(cases, Case.ours, seed))]
    parts += orthogonality.packed(seed)
    assert [part.error for part in parts if part.error] == []
    require(*(part.check for part in parts))


def test_torch_has_orthogonal_rows_or_columns(seed):
    cases = [case for case in orthogonality.cases() if case.dtype in ("float32", "float64")]
    require(*(orthogonality.of_torch(case, seed).check for case in cases))


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize("shape", [(8, 32), (32, 8)])
def test_wrong_orthogonal_weights_are_noticed(shape, dtype, seed):
    (weight,) = draw([Case("orthogonal", shape, dtype=dtype)], Case.ours, seed)
    assert orthogonality.gram_check(weight, 1.0).passed
    assert not orthogonality.gram_check(weight, 1.01).passed
    # Orthonormal along the other side, which has too many vectors for that.
    assert not orthogonality.gram_check(weight.reshape(shape[::-1]), 1.0).passed
    spoilt = weight.copy()
    spoilt[0] = spoilt[1]
    assert not orthogonality.gram_check(spoilt, 1.0).passed


def test_experts_are_different_matrices(seed):
    (weight,) = draw([Case("orthogonal", (6, 6))], Case.ours, seed)
    assert weight.shape == (6, 6)
    batch = np.asarray(haar_draws.sources()[_BATCH](seed))
    assert len(np.unique(batch[:, 0, 0])) > 0.99 * len(batch)


_BATCH = ("orthogonal", OURS, "many weights of (3, 3) in one batch")


@pytest.mark.parametrize("source", haar_draws.sources(), ids=" ".join)
def test_haar(source, seed):
    initializer, subject, _ = source
    assert subject in (OURS, TORCH, NEAREST)
    assert initializer in ("orthogonal", "delta_orthogonal")
    checks = haar.haar_checks(haar_draws.sources()[source](seed), BUDGET.each)
    assert len(checks) <= haar.CHECKS
    require(*checks)


def _orthonormal(shape, signs):
    q, r = np.linalg.qr(np.random.default_rng(1).normal(size=(haar_draws.MATRICES, *shape)))
    diagonal = np.diagonal(r, axis1=1, axis2=2)[:, None, :]
    return signs(q, diagonal)


@pytest.mark.parametrize("shape", [(3, 3), (5, 2)])
def test_haar_takes_what_is_haar(shape):
    require(*haar.haar_checks(_orthonormal(shape, lambda q, d: q * np.sign(d)), 1e-9))


@pytest.mark.parametrize(
    ("signs", "shape", "caught"),
    [
        (lambda q, d: q, (3, 3), {"entry", "trace", "determinant"}),
        (lambda q, d: q, (5, 2), {"entry", "rotated"}),
        (lambda q, d: q * np.sign(np.linalg.det(q))[:, None, None], (3, 3), {"determinant"}),
        (lambda q, d: np.abs(q), (5, 2), {"entry"}),
        (lambda q, d: np.repeat((q * np.sign(d))[::2], 2, axis=0), (3, 3), {"two matrices"}),
        (lambda q, d: np.broadcast_to(np.eye(3), q.shape), (3, 3), {"entry^2", "trace^2"}),
    ],
    ids=["plain QR", "plain QR, tall", "rotations only", "not negative", "each twice", "identity"],
)
def test_what_is_not_haar_is_noticed(signs, shape, caught):
    checks = haar.haar_checks(_orthonormal(shape, signs), BUDGET.each)
    assert caught <= {check.name for check in checks if not check.passed}


def test_delta_orthogonal_keeps_its_contract(seed):
    cases = delta_orthogonality.CASES
    parts = [*map(delta_orthogonality.contract, cases, draw(cases, Case.ours, seed))]
    assert [part.error for part in parts if part.error] == []
    require(*(part.check for part in parts))


def test_a_wrong_centre_is_noticed(seed):
    case = Case("delta_orthogonal", (8, 3, 4), {"gain": 1.0})
    (kernel,) = draw([case], Case.ours, seed)
    assert not delta_orthogonality.contract(case, kernel).error
    assert delta_orthogonality.contract(case, np.roll(kernel, 1, axis=2)).error
    assert math.isclose(float((kernel**2).sum()), 3, rel_tol=1e-5)
