"""What an array looks drawn from: a Distribution with estimated numbers, and words for a table."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fanwise.distributions import (
    Constant,
    Distribution,
    Normal,
    ScalarDistribution,
    Triangular,
    TruncatedNormal,
    Uniform,
)
from fanwise.porting.checking.laws import brief
from fanwise.testing import Sample

__all__ = ["Description", "describe", "distance", "estimates"]

# A truncated normal this wide cannot be told from a normal by any sample that is drawn here.
_WIDEST = 4.0

# A sign that a law has so rarely need not occur.
_RARE = 0.05


@dataclass(frozen=True)
class Description:
    """What a sample looks like.

    Args:
        text: in words.
        distribution: the Distribution that comes nearest, its numbers estimated; None where the
            values follow no law of a single element.
        mean: the sample's.
        rms: its root mean square about 0.
        low: its smallest value.
        high: its largest value.
        n: how many values there were.
    """

    text: str
    distribution: Distribution | None
    mean: float
    rms: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return self.text


def describe(sample: Sample) -> Description:
    """Say what a sample is drawn from, with the numbers estimated.

    Args:
        sample: of :func:`fanwise.testing.sample_of`.

    Returns:
        The Distribution that is nearest in Kolmogorov's distance among a uniform, a normal, a
        truncated normal and a triangular one with the mean and the std of the sample. A mean
        within the error of 0 is taken for 0.

    Example:
        >>> from fanwise.testing import sample_of
        >>> values = np.linspace(-0.25, 0.25, 10_001)
        >>> print(describe(sample_of(values)))
        about Uniform(±0.25)
        >>> print(describe(sample_of(np.zeros(8))))
        0
    """
    low, high = float(sample.values[0]), float(sample.values[-1])
    mean, rms = sample.mean_about(0.0), sample.rms_about(0.0)
    if not sample.finite:
        return Description("not finite", None, math.nan, math.nan, math.nan, math.nan, sample.n)
    if low == high:
        return Description(f"{low:.6g}", Constant(low), mean, rms, low, high, sample.n)
    nearest = min(estimates(sample), key=lambda law: distance(sample, law))
    text = f"about {brief(nearest)}"
    below = float(nearest.cdf(0.0))
    if (low >= 0 and below > _RARE) or (high <= 0 and 1 - below > _RARE):
        sign = "negative" if low >= 0 else "positive"
        text = f"never {sign}, mean {mean:.3g}, root mean square {rms:.3g}"
        return Description(text, None, mean, rms, low, high, sample.n)
    return Description(text, nearest, mean, rms, low, high, sample.n)


def distance(sample: Sample, law: ScalarDistribution) -> float:
    """Kolmogorov's distance of a sample and a law."""
    at: Any = law.cdf(sample.values)
    return float(max(np.max(sample.up_to - at), np.max(at - sample.before)))


def estimates(sample: Sample) -> list[ScalarDistribution]:
    """Laws of each family with the moments and the ends of a sample."""
    low, high = float(sample.values[0]), float(sample.values[-1])
    mean = sample.mean_about(0.0)
    std = sample.rms_about(mean)
    error = std / math.sqrt(sample.n)
    centre = 0.0 if abs(mean) < 5 * error else mean
    centre, spread = _short(centre), _short(std)
    found: list[ScalarDistribution] = [Normal(centre, spread)]
    half = _short(std * math.sqrt(3))
    if centre == 0:
        found.append(Uniform(-half, half))
    else:
        gap = 5 * (high - low) / sample.n
        start = 0.0 if 0 <= low < gap else _short(low)
        end = 0.0 if -gap < high <= 0 else _short(high)
        if start < end:
            found.append(Uniform(start, end))
    ends = _short(std * math.sqrt(6))
    found.append(Triangular(centre - ends, centre + ends))
    truncated = _truncated(centre, std, max(high - centre, centre - low))
    return found if truncated is None else [*found, truncated]


def _truncated(centre: float, std: float, bound: float) -> TruncatedNormal | None:
    """The normal cut at ``bound`` from its centre that has this std after the cut."""
    ratio = bound / std
    # Without tails it is a uniform one, with all of them a normal one.
    if not math.sqrt(3) * 1.03 < ratio < _WIDEST:
        return None
    narrow, wide = 0.05, _WIDEST
    for _ in range(40):
        cut = (narrow + wide) / 2
        if cut / TruncatedNormal(0.0, 1.0, -cut, cut).std < ratio:
            narrow = cut
        else:
            wide = cut
    bound = _short(bound)
    return TruncatedNormal(centre, _short(bound / narrow), centre - bound, centre + bound)


def _short(value: float) -> float:
    """Three digits: more would be the sample's, not the law's."""
    return float(f"{value:.3g}")
