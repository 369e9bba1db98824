"""One region of a Flax array against what torch asks for there."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fanwise.distributions import Constant, Distribution, ScalarDistribution, Uniform
from fanwise.porting.checking.describe import Description, describe, distance
from fanwise.porting.checking.structure import fixed_places
from fanwise.testing import Check, Sample, bounds_check, check_samples, ks_two_sample, sample_of

__all__ = ["Comparison", "compare", "compare_samples", "fits", "free_values"]

Array = npt.NDArray[Any]

# How far a sample may be from a law that explains it. Nothing is asserted with these: a verdict
# has its false-alarm rate, and a cause is named after that.
_DISTANCE = 2.5
_ROUNDING = 2e-3
_MASS = 25


@dataclass(frozen=True)
class Comparison:
    """What came of comparing a region.

    Args:
        checks: the statistical ones, and the exact one of constants.
        sample: the values that were compared; None where nothing in Flax is random.
        found: what Flax draws, in words.
        lines: departures that no law of one element shows.
    """

    checks: tuple[Check, ...]
    sample: Sample | None
    found: Description
    lines: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether everything agrees."""
        return not self.lines and all(check.passed for check in self.checks)

    @property
    def notices(self) -> float:
        """The smallest deviation of the std that would have been noticed, relative; else 0."""
        found = [check.notices for check in self.checks if check.name == "variance"]
        return found[0] if found else 0.0


def free_values(draws: Array, samples: int) -> Sample | None:
    """Values of several draws that are random, about ``samples`` of them.

    Args:
        draws: shape (keys, ...).
        samples: if there are more, every so manieth is taken, at a step without a common
            divisor with the number of values, so that no row is left out.

    Returns:
        None if nothing is random.
    """
    fixed = fixed_places(draws)
    if fixed.all():
        return None
    flat = draws.reshape(-1) if not fixed.any() else draws[:, ~fixed].reshape(-1)
    if flat.size > samples:
        step = round(flat.size * (math.sqrt(5) - 1) / 2)
        while math.gcd(step, flat.size) > 1:
            step += 1
        flat = flat[np.arange(samples, dtype=np.int64) * step % flat.size]
    return sample_of(flat)


def compare(draws: Array, law: Distribution, samples: int, false_alarm: float) -> Comparison:
    """Hold draws of a region against a law of one element.

    Args:
        draws: shape (keys, ...).
        law: a scalar Distribution, or a Constant, which is compared exactly.
        samples: about how many values to take.
        false_alarm: of all checks together.
    """
    sample = free_values(draws, samples)
    if sample is None:
        found = describe(sample_of(draws[0]))
        whole = sample_of(draws[0])
    else:
        found, whole = describe(sample), sample
    if isinstance(law, Constant):
        every = sample_of(draws)
        value: Any = law.value
        return Comparison((bounds_check(every, (value, value)),), sample, describe(every))
    assert isinstance(law, ScalarDistribution)
    checks = _checked(whole, law, false_alarm)
    lines: tuple[str, ...] = ()
    if sample is None and law.std > 0:
        lines = ("fixed values: none in torch, every value is the same for every key in Flax",)
    return Comparison(checks, sample, found, lines)


def _checked(sample: Sample, law: ScalarDistribution, false_alarm: float) -> tuple[Check, ...]:
    """In 16 bits values that round to the upper end may stay there, or be put to the lower one."""
    checks = check_samples(sample, law, false_alarm=false_alarm)
    is_bounded = isinstance(law, Uniform) and law.low < law.high
    if sample.dtype.itemsize >= 4 or not is_bounded or all(check.passed for check in checks):
        return checks
    other = check_samples(sample, law, false_alarm=false_alarm, half_open=True)
    return other if all(check.passed for check in other) else checks


def compare_samples(
    flax: Array, torch: Array, samples: int, false_alarm: float, aspects: Mapping[str, str]
) -> Comparison:
    """Hold draws of a region against draws of torch's side, where no law of an element is known.

    Args:
        flax: shape (keys, ...).
        torch: the same region of torch's, with as many keys or others.
        samples: about how many values to take.
        false_alarm: of the comparison of the random values.
        aspects: what is already known to differ; fixed values are not compared then.
    """
    ours, theirs = free_values(flax, samples), free_values(torch, samples)
    found = describe(ours or sample_of(flax[0]))
    if ours is None or theirs is None:
        if ours is None and theirs is None:
            return Comparison((_fixed_check(flax[0], torch[0]),), None, found)
        where = ("torch", "Flax") if theirs is None else ("Flax", "torch")
        line = f"fixed values: all in {where[0]}, drawn in {where[1]}"
        return Comparison((), ours, found, () if aspects else (line,))
    checks = [ks_two_sample(_float32(ours), _float32(theirs), false_alarm, slack=2.0**-16)]
    fixed = fixed_places(flax) & fixed_places(torch)
    if fixed.any() and not aspects:
        checks.append(_fixed_check(flax[0][fixed], torch[0][fixed]))
    return Comparison(tuple(checks), ours, found)


def _fixed_check(flax: Array, torch: Array) -> Check:
    """Count values that differ by more than their rounding."""
    ours, theirs = flax.astype(np.float64), torch.astype(np.float64)
    exact = flax.dtype.itemsize >= 4
    close = np.isclose(ours, theirs, rtol=2e-6 if exact else 1e-2, atol=1e-30, equal_nan=False)
    count = int(np.count_nonzero(~close))
    return Check("fixed values", float(count), 0.0, 0.0, 1.0, ours.size, "values", 0.0)


def _float32(sample: Sample) -> Sample:
    if sample.dtype == np.float32:
        return sample
    counts = 1 if sample.counts is None else sample.counts
    return sample_of(np.repeat(sample.values, counts).astype(np.float32))


def fits(sample: Sample, found: Description, law: ScalarDistribution) -> bool:
    """Whether a law may be what a sample is drawn from: its size, its shape and its ends.

    Args:
        sample: the values.
        found: what :func:`describe` says of them.
        law: the law.
    """
    if not sample.finite or not law.std > 0:
        return False
    mean = law.mean
    square = found.rms**2 - 2 * mean * found.mean + mean**2
    if abs(math.sqrt(max(square, 0.0)) / law.std - 1) > 4 / math.sqrt(2 * sample.n) + _ROUNDING:
        return False
    low, high = float(sample.values[0]), float(sample.values[-1])
    slack = 1e-3 * law.std
    if low < law.support[0] - slack or high > law.support[1] + slack:
        return False
    beyond: Any = law.cdf(np.asarray([low, high]))
    if max(float(beyond[0]), float(1 - beyond[1])) > _MASS / sample.n:
        return False
    return distance(sample, law) < _DISTANCE / math.sqrt(sample.n) + _ROUNDING
