"""Structural checks: weights whose elements depend on one another, and those that are not random.

* eye, dirac, constants: equal to torch's tensors, bit by bit (``equality``);
* sparse: the number of zeros of every column, where they fall, and the other values
  (``sparsity``);
* orthogonal: orthonormal rows or columns (``orthogonality``), and Haar by its statistics
  (``haar``);
* delta_orthogonal, which torch lacks: its own contract (``delta_orthogonality``).

torch's own weights go through the same statistics, as a control.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from fanwise.testing import Budget, Check
from parity import delta_orthogonality, equality, haar, haar_draws, orthogonality, sparsity
from parity.cases import Case, table
from parity.drawing import Drawn, draw
from parity.nearest import nearest
from parity.orthogonality import Part
from parity.progress import SILENT, Progress
from parity.rates import STRUCTURAL
from parity.result import NEAREST, OURS, TORCH, Finding

__all__ = ["BUDGET", "run"]

ASSERTIONS = 2 * sparsity.ASSERTIONS + haar.CHECKS * len(haar_draws.sources())
BUDGET = Budget(STRUCTURAL, ASSERTIONS)


def run(seed: int, progress: Progress = SILENT) -> list[Finding]:
    """Make all structural checks."""
    found = equality.run(seed, progress)
    parts: tuple[Callable[[int], Iterable[Finding]], ...] = (
        _sparse,
        _orthogonal,
        _delta_orthogonal,
        *(partial(_haar, *source) for source in haar_draws.sources()),
    )
    for part in progress.track(parts, "structural: sparse, orthogonal"):
        found += part(seed)
    return found


def _sparse(seed: int) -> list[Finding]:
    cases = sparsity.cases()
    drawn = draw(cases, Case.ours, seed), [sparsity.draw_torch(case, seed) for case in cases]
    many = sparsity.many_ours(seed), sparsity.many_torch(seed)
    found = []
    for subject, weights, matrices in zip((OURS, TORCH), drawn, many, strict=True):
        counted = map(sparsity.count_mismatch, cases, weights)
        checks = sparsity.position_checks(matrices, BUDGET.each)
        found.append(
            Finding(
                "sparse",
                "structural",
                subject,
                (*map(str, cases), "many small matrices"),
                tuple(filter(None, counted)),
                sum(case.size for case in cases) + matrices.size,
                checks,
                notices=next(c.notices for c in checks if c.name == "values variance"),
            )
        )
    reason = nearest(cases[0]).difference
    return [*found, Finding("sparse", "structural", NEAREST, reason=reason)]


def _orthogonal(seed: int) -> list[Finding]:
    cases = orthogonality.cases()
    ours = map(orthogonality.part_of, cases, draw(cases, Case.ours, seed))
    theirs = (
        orthogonality.of_torch(case, seed)
        for case in cases
        if case.dtype not in ("float16", "bfloat16")
    )
    shared = [case for case in table() if case.initializer == "orthogonal"]
    return [
        _gathered("orthogonal", OURS, [*ours, *orthogonality.packed(seed)]),
        _gathered("orthogonal", TORCH, theirs),
        *_nearest(shared, orthogonality.part_of, seed),
    ]


def _delta_orthogonal(seed: int) -> list[Finding]:
    cases, contract = delta_orthogonality.CASES, delta_orthogonality.contract
    ours = map(contract, cases, draw(cases, Case.ours, seed))
    # jax's takes Flax's layout only.
    shared = [case for case in cases if case.layout == "...IO"]
    return [_gathered("delta_orthogonal", OURS, ours), *_nearest(shared, contract, seed)]


def _nearest(
    cases: list[Case], part_of: Callable[[Case, Drawn], Part], seed: int
) -> Iterator[Finding]:
    """One finding a case, because each has its own reason to depart from torch."""
    others = [nearest(case) for case in cases]
    drawn = draw(cases, lambda case: nearest(case).make(), seed)
    for case, other, array in zip(cases, others, drawn, strict=True):
        part = part_of(case, array)
        yield _gathered(case.initializer, NEAREST, [part], other.name, other.difference)


def _gathered(
    initializer: str, subject: str, parts: Iterable[Part], name: str = "", reason: str = ""
) -> Finding:
    parts = tuple(parts)
    checks = tuple(part.check for part in parts if part.check is not None)
    return Finding(
        initializer,
        "structural",
        subject,
        tuple(part.case for part in parts),
        tuple(part.error for part in parts if part.error),
        sum(part.samples for part in parts),
        checks,
        max((check.notices for check in checks), default=None),
        name,
        reason,
    )


def _haar(initializer: str, subject: str, text: str, seed: int) -> list[Finding]:
    matrices = haar_draws.sources()[initializer, subject, text](seed)
    checks: tuple[Check, ...] = haar.haar_checks(matrices, BUDGET.each)
    name = initializer if subject == NEAREST else ""
    size = matrices.size
    return [Finding(initializer, "structural", subject, (text,), (), size, checks, name=name)]
