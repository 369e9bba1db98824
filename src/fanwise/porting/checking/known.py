"""Where Flax's side is known exactly, because a fanwise rule decides it."""

import dataclasses
import math
from typing import Any

from fanwise.distributions import Constant, Distribution, ScalarDistribution
from fanwise.frameworks.answers import answered
from fanwise.porting.checking.laws import normal_of
from fanwise.porting.checking.parts import Part
from fanwise.rules import Rule

__all__ = ["known_law", "same_law"]

# What float64 leaves of two ways to the same number.
_EXACT = 1e-12


def known_law(part: Part, rule: Rule) -> Distribution | None:
    """What a rule has drawn in a region, where it is one Distribution.

    Args:
        part: the region.
        rule: see :mod:`fanwise.rules`.
    """
    for slot in answered(part.pair.flax, rule).slots.get(part.leaf, []):
        if slot.at == part.at and slot.is_drawn_as_it_is:
            law: Any = slot.values[0]
            return law if isinstance(law, Distribution) else None
    return None


def same_law(one: Distribution | None, other: Distribution | None) -> bool:
    """Whether two laws are the same, their numbers to 1e-12.

    Example:
        >>> from fanwise.distributions import Normal, TruncatedNormal
        >>> same_law(Normal(0.0, 0.02), TruncatedNormal(0.0, 0.02, -2.0, 2.0))
        True
        >>> same_law(Normal(0.0, 0.02), Normal(0.0, 0.021))
        False
    """
    if isinstance(one, ScalarDistribution) and isinstance(other, ScalarDistribution):
        one, other = normal_of(one), normal_of(other)
    elif not (isinstance(one, Constant) and isinstance(other, Constant)):
        return False
    if type(one) is not type(other):
        return False
    numbers = zip(dataclasses.astuple(one), dataclasses.astuple(other), strict=True)
    return all(a == b or math.isclose(a, b, rel_tol=_EXACT) for a, b in numbers)
