"""Statistical checks: samples of ours and of torch against the cdf, and against one another.

Each case is drawn with as many keys as it takes to notice, with a miss rate under 1e-6, a scale
off by 1 % and a truncated normal in place of a normal. The values of all keys are held against
the Distribution's cdf, mean, variance and ends; the weights against one another: neighbours along
every axis, halves, keys, repeated rows. torch's own samples go through the same checks, as a
control, and the two sides' samples are compared directly. jax's nearest function is examined as
ours is, for the reader.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from fanwise.distributions import Normal, ScalarDistribution, Uniform
from fanwise.testing import (
    Budget,
    Check,
    check_independence,
    check_keys,
    check_samples,
    correlation_check,
    ks_two_sample,
    sample_of,
    sample_size,
)
from parity.cases import SCALAR, Case, table
from parity.many import Initializer, Weights, cropped, of_jax, of_torch, thinned
from parity.nearest import nearest
from parity.progress import SILENT, Progress
from parity.rates import STATISTICAL
from parity.result import NEAREST, OURS, TORCH, Finding
from parity.workers import workers

__all__ = ["EACH", "Plan", "checks_of", "examine", "plan", "random_cases_of_table", "run"]

# Upper bound of what ``checks_of`` asserts about one side of a case: values, neighbours, keys and
# halves of the real and the imaginary part, and the correlation of the two; and the comparison of
# the sides, of both parts.
_PER_SIDE = 9
_PER_CASE = 2 * _PER_SIDE + 2

# More values than this are thinned out: they would show no more than the case has to show.
_MOST_VALUES = 2**21
# Correlations are examined over this many values: 2 % of correlation is noticed.
_MOST_WEIGHTS = 2**19


def random_cases_of_table() -> tuple[Case, ...]:
    """The table's cases whose elements are independent draws of one law, constants left out."""
    return tuple(
        case
        for case in table()
        if case.initializer in SCALAR and case.initializer not in ("constant", "ones", "zeros")
    )


EACH = Budget(STATISTICAL, _PER_CASE * len(random_cases_of_table())).each
"""False-alarm rate of each group of checks."""


@dataclass(frozen=True)
class Plan:
    """How a case is examined.

    Args:
        law: what a value, or each part of a complex value, is drawn from.
        half_open: whether the upper end is excluded and wrapped to the lower one.
        weights: how many weights are drawn.
    """

    law: ScalarDistribution
    half_open: bool
    weights: int


def plan(case: Case) -> Plan:
    """Return the law of a case and the number of weights that show what they have to show."""
    law = case.ours().distribution(case.our_shape)
    assert isinstance(law, ScalarDistribution)
    if isinstance(law, Normal) and case.dtype == "complex64":
        # E|z|^2 is std^2, shared equally by the real and the imaginary part.
        law = Normal(law.mean, law.std / 2**0.5)
    half_open = isinstance(law, Uniform)
    dtype = "float32" if case.dtype == "complex64" else case.dtype
    needed = sample_size(law, EACH, dtype=dtype, half_open=half_open)
    return Plan(law, half_open, max(2, -(-needed // case.size)))


def checks_of(weights: Weights, examined: Plan) -> tuple[Check, ...]:
    """Hold weights against their law and against one another."""
    law, half_open = examined.law, examined.half_open
    if not np.iscomplexobj(weights):
        few = cropped(weights, _MOST_WEIGHTS)
        return (
            *check_samples(
                thinned(weights, _MOST_VALUES), law, false_alarm=EACH, half_open=half_open
            ),
            *check_independence(few, law, false_alarm=EACH, half_open=half_open),
            *check_keys(few, law, false_alarm=EACH, half_open=half_open),
            *_halves(few, examined),
        )
    few = cropped(weights, _MOST_WEIGHTS)
    return (
        *checks_of(weights.real, examined),
        *checks_of(weights.imag, examined),
        correlation_check(
            few.real, few.imag, law, EACH, half_open=half_open, name="real and imaginary part"
        ),
    )


def _halves(weights: Weights, examined: Plan) -> Iterable[Check]:
    """Correlate the two halves of the weights along each axis, element by element."""
    axes = [axis for axis in range(1, weights.ndim) if weights.shape[axis] > 1]
    for axis in axes:
        half = weights.shape[axis] // 2
        first, second = np.split(weights.take(range(2 * half), axis), 2, axis)
        yield correlation_check(
            first,
            second,
            examined.law,
            EACH / len(axes),
            half_open=examined.half_open,
            name=f"halves of axis {axis - 1}",
        )


def compared(ours: Weights, theirs: Weights) -> tuple[Check, ...]:
    """Compare the values of two sides by the two-sample Kolmogorov-Smirnov distance."""
    if np.iscomplexobj(ours):
        return (*compared(ours.real, theirs.real), *compared(ours.imag, theirs.imag))
    samples = (sample_of(thinned(side, _MOST_VALUES)) for side in (ours, theirs))
    return (ks_two_sample(*samples, EACH),)


def run(seed: int, progress: Progress = SILENT) -> list[Finding]:
    """Examine every random case of the table, on all cores."""
    numbers = range(len(random_cases_of_table()))
    found: list[Finding] = []
    with workers() as pool:
        results = pool.map(partial(examine, seed=seed), numbers)
        for _ in progress.track(numbers, "statistical"):
            found += next(results)
    return found


def examine(number: int, seed: int) -> list[Finding]:
    """Examine one of the table's random cases: ours, torch's, and jax's nearest."""
    cases = random_cases_of_table()
    case = cases[number]
    how, name = plan(case), f"statistical {case}"
    found = list(_examined(case, how, seed, name))
    # Of cases that differ by their shape alone, one tells the reader about jax.
    alike = [c for c in cases[:number] if _call(c) == _call(case)]
    if not alike:
        found.append(_of_nearest(case, how, seed, name))
    return found


def _call(case: Case) -> tuple[object, ...]:
    return case.initializer, dict(case.kwargs), case.dtype


def _examined(case: Case, how: Plan, seed: int, name: str) -> Iterable[Finding]:
    ours = of_jax(case, case.ours(), how.weights, seed, name)
    theirs = of_torch(case, how.weights, seed, name)
    mine = checks_of(ours, how)
    noticed = max(check.notices for check in mine if check.name == "variance")
    yield Finding(
        case.initializer,
        "statistical",
        OURS,
        (str(case),),
        samples=ours.size,
        checks=(*mine, *compared(ours, theirs)),
        notices=noticed,
    )
    yield Finding(
        case.initializer,
        "statistical",
        TORCH,
        (str(case),),
        samples=theirs.size,
        checks=checks_of(theirs, how),
        notices=noticed,
    )


def _of_nearest(case: Case, how: Plan, seed: int, name: str) -> Finding:
    other = nearest(case)
    if other.make is None:
        return Finding(case.initializer, "statistical", NEAREST, reason=other.difference)
    mismatches: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    try:
        initializer: Initializer = other.make()
        weights = of_jax(case, initializer, how.weights, seed, name)
    except (TypeError, ValueError, NotImplementedError) as error:
        mismatches = (f"{case}: raises {error!r}",)
    else:
        checks = checks_of(weights, how)
    return Finding(
        case.initializer,
        "statistical",
        NEAREST,
        (str(case),),
        mismatches,
        checks=checks,
        name=other.name,
        reason=other.difference,
    )
