"""Causes in a factor that is on one side only: of depth, or of the configuration."""

import math
import re
from collections.abc import Iterator, Sequence

from fanwise.distributions import ScalarDistribution
from fanwise.porting.checking.causes import Cause, Evidence, Hypothesis
from fanwise.porting.checking.laws import brief, normal_of, scaled

__all__ = ["common_factor", "depth_scale", "depths_of"]

_CONFIGURED = (0.01, 0.1, 0.2, 0.25, 0.5, 2.0, 4.0, 5.0, 10.0, 100.0)

# Two measured factors this close are one.
_CLOSE = 0.02


def depths_of(name: str, names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """For each number in a tensor's name: how many there are in its place, and which it is.

    Example:
        >>> depths_of("h.1.fc.weight", ["h.0.fc.weight", "h.1.fc.weight", "h.2.fc.weight"])
        ((3, 1),)
    """
    found = []
    for match in re.finditer(r"\d+", name):
        before = name[: match.start()]
        numbers = {
            int(digits.group())
            for other in names
            if other.startswith(before) and (digits := re.match(r"\d+", other[len(before) :]))
        }
        found.append((len(numbers), int(match.group())))
    return tuple(found)


def depth_scale(evidence: Evidence, law: ScalarDistribution) -> Iterator[Hypothesis]:
    """A factor that the residual projections have in torch and not in Flax, or the other way."""
    factors = _factors(evidence.depths)
    for base in evidence.bases:
        for factor, text in factors.items():
            if not math.isclose(law.std, base.std * factor, rel_tol=1e-6):
                continue
            if type(normal_of(law)) is not type(normal_of(base)):
                continue
            words = (
                f"torch scales this one by {text} = {factor:.4g}, to {brief(law)}; Flax draws what "
                f"other layers have, {brief(base)}"
            )
            yield Hypothesis(Cause.DEPTH_SCALE, scaled(law, 1 / factor), words, 2, text)
    for factor, text in factors.items():
        words = f"Flax scales by {text} = {factor:.4g} what torch draws from {brief(law)}"
        yield Hypothesis(Cause.DEPTH_SCALE, scaled(law, factor), words, 3, text)
        words = f"torch scales by {text} = {factor:.4g}, to {brief(law)}, and Flax does not"
        yield Hypothesis(Cause.DEPTH_SCALE, scaled(law, 1 / factor), words, 3, f"no {text}")
    for factor in _CONFIGURED:
        words = f"Flax's values are {factor:g} times torch's: a factor on one side only"
        yield Hypothesis(Cause.DEPTH_SCALE, scaled(law, factor), words, 3, f"{factor:g}")


def _factors(depths: Sequence[tuple[int, int]]) -> dict[float, str]:
    """The factors in use, by what they are called; the common ones first."""
    found: dict[float, str] = {}
    for count, index in depths:
        if count > 1:
            found.setdefault((2 * count) ** -0.5, f"1/sqrt(2 * {count} layers)")
            found.setdefault(count**-0.5, f"1/sqrt({count} layers)")
            found.setdefault(1 / count, f"1/{count} layers")
            found.setdefault((2 * count) ** -1.0, f"1/(2 * {count} layers)")
            for base in (8, 9, 12):
                found.setdefault((base * count) ** -0.25, f"({base} * {count} layers)^(-1/4)")
            number = index + 1
            found.setdefault((2 * number) ** -0.5, "1/sqrt(2 * the layer's number)")
            found.setdefault(number**-0.5, "1/sqrt(the layer's number)")
            found.setdefault(1 / number, "1/(the layer's number)")
    found.pop(1.0, None)
    return found


def common_factor(evidence: Sequence[Evidence]) -> list[list[Hypothesis]]:
    """For each region the hypothesis that it shares a factor with others that differ."""
    found: list[list[Hypothesis]] = []
    ratios = [_ratio(each) for each in evidence]
    for own, ratio in zip(evidence, ratios, strict=True):
        law = own.law
        shared = [other for other in ratios if abs(other - ratio) < _CLOSE * ratio]
        if len(shared) < 2 or not isinstance(law, ScalarDistribution):
            found.append([])
            continue
        words = f"{len(shared)} parameters are {ratio:.3g} times torch's: a factor on one side only"
        law = scaled(law, ratio)
        found.append([Hypothesis(Cause.DEPTH_SCALE, law, words, 5, f"{ratio:.1g}")])
    return found


def _ratio(evidence: Evidence) -> float:
    """Not a number where nothing is drawn on one side."""
    law = evidence.law
    if not isinstance(law, ScalarDistribution) or evidence.sample is None or law.std == 0:
        return math.nan
    return evidence.ratio if math.isfinite(evidence.ratio) else math.nan
