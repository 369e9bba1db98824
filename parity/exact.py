"""Exact checks: the numbers that torch hands to its sampler are those of our Distribution.

For every case torch's own function runs and its request is recorded; our Distribution is asked
for in torch's layout, in Flax's, and in Flax's reading of a transposed convolution, both from an
initializer built for that layout and from one that is told the layout later. Nothing is sampled,
so that hundreds of shapes of any size cost seconds.
"""

from collections.abc import Iterable

from parity import gains, layer_defaults, refusals
from parity.arrays import LAYOUTS, shape_in
from parity.cases import INITIALIZERS, Case, kernel_cases, table
from parity.progress import SILENT, Progress
from parity.random_cases import random_cases
from parity.request import RELATIVE, of_case, our_request
from parity.result import Finding

__all__ = ["EMPTY", "cases_of", "mismatches", "run"]

# What torch does with nothing differs: kaiming warns, xavier computes its scale all the same.
EMPTY = tuple(
    Case(name, shape, label="no elements")
    for name in ("uniform", "normal", "xavier_uniform", "kaiming_uniform", "kaiming_normal")
    for shape in ((0, 3), (3, 0), (4, 0, 3))
)

# Their values are compared bit by bit elsewhere, and their functions request nothing.
_WITHOUT_NUMBERS = ("eye", "dirac")


def cases_of(initializer: str, seed: int) -> tuple[Case, ...]:
    """Return all cases of an initializer that have numbers to compare."""
    cases = (*table(), *kernel_cases(), *EMPTY, *random_cases(seed))
    return tuple(
        case
        for case in cases
        if case.initializer == initializer and initializer not in _WITHOUT_NUMBERS
    )


def mismatches(case: Case) -> list[str]:
    """Return a line for each layout in which our Distribution is not what torch asked for."""
    theirs = of_case(case)
    lines = []
    for layout in LAYOUTS:
        shape = shape_in(layout, case.shape)
        built, told = case.ours(layout), case.ours("OI...")
        for ours in (
            our_request(lambda built=built, shape=shape: built.distribution(shape)),
            our_request(lambda told=told, shape=shape, to=layout: told.distribution(shape, to)),
        ):
            if not theirs.agrees(ours):
                lines.append(f"{case}: torch asks for {theirs}, we for {ours} in {layout}")
    return lines


def run(seed: int, progress: Progress = SILENT) -> list[Finding]:
    """Compare every case, the gains, the refusals and the defaults of torch's layers."""
    found: list[Finding] = []
    for initializer in progress.track(INITIALIZERS, "exact: arguments"):
        cases = cases_of(initializer, seed)
        lines = [line for case in cases for line in mismatches(case)]
        found.append(_finding(initializer, map(str, cases), lines))
    for kind in progress.track((gains, refusals, layer_defaults), "exact: gains, refusals, layers"):
        for initializer, (cases, lines) in kind.compare().items():
            found.append(_finding(initializer, cases, lines))
    return found


def _finding(initializer: str, cases: Iterable[str], lines: Iterable[str]) -> Finding:
    return Finding(
        initializer, "exact", cases=tuple(cases), mismatches=tuple(lines), notices=RELATIVE
    )
