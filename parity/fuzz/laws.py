"""Starts of a model against the laws that were recorded, and against other starts."""

import math
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from fanwise.distributions import (
    Constant,
    Distribution,
    Orthogonal,
    ScalarDistribution,
    Sparse,
    Uniform,
)
from fanwise.testing import check_samples, ks_two_sample
from parity.fuzz.sampled import Array, Sampled, fixed, links, repeats

__all__ = ["Laws", "law_lines", "pattern_lines", "pooled_lines"]

Laws = Mapping[str, Distribution | None]
"""The law of an element by name; None where elements have different ones, or one with no name."""

_ROUNDING = 1e-5
"""Relative: of values that are computed alike in torch and in JAX, in another order."""


def law_lines(sampled: Sampled, laws: Laws, rate: float) -> Iterator[str]:
    """A line for each array that does not follow its law.

    Args:
        sampled: starts of a model.
        laws: of its arrays.
        rate: of false alarms, for each array.
    """
    for name, array in sampled.items():
        law = laws.get(name)
        if isinstance(law, Constant):
            if not _close(array, np.full_like(array, law.value)).all():
                yield f"{name}: {law} has {array.reshape(-1)[:3]}"
        elif isinstance(law, ScalarDistribution):
            checks = check_samples(_snapped(array, law), law, false_alarm=rate)
            failed = [check for check in checks if not check.passed]
            if failed:
                yield f"{name}: {law} fails {', '.join(check.name for check in failed)}"
            if law.std > 0 and fixed(array).any():
                yield f"{name}: {law} has {int(fixed(array).sum())} fixed elements"
        elif isinstance(law, Orthogonal):
            if _skew(array, law) > 1e-4:
                yield f"{name}: {law} is not orthogonal"
        elif isinstance(law, Sparse):
            zeros = (array == 0).sum(1)
            wanted = law.zeros_per_input(array.shape[1])
            if (zeros < wanted).any() or (zeros.mean() > wanted + 0.5):
                yield f"{name}: {law} has {zeros.mean():g} zeros in a column, not {wanted}"


def _snapped(array: Array, law: ScalarDistribution) -> Array:
    """Values beyond an end by no more than float32 arithmetic after the draw are at the end."""
    low, high = law.support
    room = 4 * 2.0**-23 * max(abs(end) for end in (low, high, law.mean) if math.isfinite(end))
    array = np.where((array < low) & (array >= low - room), np.float32(low), array)
    return np.where((array > high) & (array <= high + room), np.float32(high), array)


def _skew(array: Array, law: Orthogonal) -> float:
    """How far W W' or W'W is from gain^2 times one, relative."""
    matrices = array.reshape(*array.shape[:2], -1).astype(np.float64)
    if matrices.shape[1] > matrices.shape[2]:
        matrices = matrices.transpose(0, 2, 1)
    gram = matrices @ matrices.transpose(0, 2, 1)
    wanted = law.gain**2 * np.eye(gram.shape[1])
    return float(abs(gram - wanted).max() / max(law.gain**2, 1e-30))


def pooled_lines(sampled: Sampled, laws: Laws, rate: float) -> Iterator[str]:
    """All independent random elements together, each through its own law: uniform on [0, 1)."""
    levels = [
        law.cdf(sampled[name].astype(np.float64)).reshape(-1)
        for name, law in laws.items()
        if isinstance(law, ScalarDistribution) and not isinstance(law, Constant) and law.std > 0
    ]
    if not levels:
        return
    values = np.clip(np.concatenate(levels), 0.0, math.nextafter(1.0, 0.0))
    checks = check_samples(values, Uniform(0.0, 1.0), false_alarm=rate)
    failed = [check.name for check in checks if not check.passed and check.name != "outliers"]
    if failed:
        yield f"all parameters together: {', '.join(failed)}"


def pattern_lines(
    theirs: Sampled, ours: Sampled, laws: Laws, rate: float, scattered: Collection[str] = ()
) -> Iterator[str]:
    """A line for each array that is not as torch's, whatever its law.

    What is the same in all starts is the same on both sides; what follows from another array does
    on both, with the same factor; and what has no one law has the same on both.

    Args:
        theirs: starts of torch's model.
        ours: starts of the twin, by the same names.
        laws: of the arrays.
        rate: of false alarms, for each array without a law.
        scattered: names of arrays in which the places of equal elements are random.
    """
    for name, array in theirs.items():
        mine = ours[name]
        if name in scattered:
            if repeats(array).min() != repeats(mine).min():
                yield f"{name}: {repeats(mine).min()} equal values, not {repeats(array).min()}"
            continue
        still = fixed(array)
        if not (still == fixed(mine)).all():
            yield f"{name}: {int(fixed(mine).sum())} fixed elements, not {int(still.sum())}"
        elif not _close(mine[:, still], array[:, still][:1]).all():
            yield f"{name}: fixed elements differ"
        elif laws.get(name) is None and array.dtype.kind == "f" and not still.all():
            check = ks_two_sample(array[:, ~still], mine[:, ~still], rate)
            if not check.passed:
                yield f"{name}: starts otherwise than torch's, {check}"
    linked = {(link.one, link.other): link.slope for link in links(theirs)}
    mine_linked = {(link.one, link.other): link.slope for link in links(ours)}
    for one, other in linked.keys() ^ mine_linked.keys():
        where = "torch alone" if (one, other) in linked else "the twin alone"
        yield f"{one} follows from {other} in {where}"
    for pair in linked.keys() & mine_linked.keys():
        if not math.isclose(linked[pair], mine_linked[pair], rel_tol=1e-3):
            yield f"{pair[0]} is {mine_linked[pair]:g} of {pair[1]}, not {linked[pair]:g}"


def _close(one: Array, other: Array) -> Array:
    return abs(one - other) <= _ROUNDING * np.maximum(1e-3, abs(other))
