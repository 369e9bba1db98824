"""All that may explain a region that differs, each with what it would make Flax draw."""

from collections.abc import Iterator, Sequence
from typing import Any

from fanwise.distributions import (
    Constant,
    ScalarDistribution,
    Triangular,
    Uniform,
)
from fanwise.frameworks.flax_defaults import name_of_default
from fanwise.porting.checking.arguments import argument, axes, other_scale
from fanwise.porting.checking.causes import Cause, Evidence, Explanation, Hypothesis, explain
from fanwise.porting.checking.depth import common_factor, depth_scale
from fanwise.porting.checking.fans import packed_fan, transposed_fan
from fanwise.porting.checking.known import same_law
from fanwise.porting.checking.laws import brief, scaled
from fanwise.rules import torch_default

__all__ = ["explained"]


def explained(evidence: Sequence[Evidence]) -> list[Explanation]:
    """Name a cause for each region that differs.

    Args:
        evidence: all of them, since some causes show in several parameters only.
    """
    shared = common_factor(evidence)
    proposed = [[*_of_one(own), *common] for own, common in zip(evidence, shared, strict=True)]
    return explain(evidence, proposed)


def _of_one(evidence: Evidence) -> Iterator[Hypothesis]:
    law = evidence.law
    yield from _default(evidence)
    is_drawn = isinstance(law, ScalarDistribution) and evidence.sample is not None
    if is_drawn and not any(line.startswith("orthogonality") for line in evidence.lines):
        assert isinstance(law, ScalarDistribution)
        yield from _of_law(evidence, law)
    yield from _structure(evidence)
    yield from _torch_default(evidence)


def _of_law(evidence: Evidence, law: ScalarDistribution) -> Iterator[Hypothesis]:
    yield from packed_fan(evidence, law)
    yield from transposed_fan(evidence, law)
    yield from argument(evidence, law)
    yield from depth_scale(evidence, law)
    yield from axes(evidence, law)
    yield from other_scale(evidence, law)
    yield from _one_of_two(evidence, law)


def _default(evidence: Evidence) -> Iterator[Hypothesis]:
    """Flax's own, where torch has something that is built otherwise."""
    if not evidence.is_default or evidence.default is None:
        return
    if _is_both_orthogonal(evidence):
        return  # what differs is how it is put together
    name = name_of_default(evidence.default)
    words = f"Flax's own default is left in place, {name}, where torch has {evidence.value}"
    yield Hypothesis(Cause.FRAMEWORK_DEFAULT, None, words, 1, "flax", name)


def _is_both_orthogonal(evidence: Evidence) -> bool:
    lines = [line for line in evidence.lines if line.startswith("orthogonality")]
    return any(": none in torch" not in line for line in lines)


def _structure(evidence: Evidence) -> Iterator[Hypothesis]:
    law, found = evidence.law, evidence.found
    if evidence.lines:
        words = "; ".join(evidence.lines)
        # The interval [0, x) has a sign as well, and says more.
        tier = 3 if all(line.startswith("sign") for line in evidence.lines) else 1
        yield Hypothesis(Cause.STRUCTURE, None, words, tier, words)
    if isinstance(law, Constant):
        if isinstance(found.distribution, Constant):
            words = f"torch fills with {law.value:.6g}, Flax with {found}: a value of its own"
            yield Hypothesis(Cause.DEPTH_SCALE, None, words, 3, "constant")
        else:
            words = f"torch fills with {law.value:.6g}, Flax draws: {found}"
            yield Hypothesis(Cause.STRUCTURE, None, words, 3, "constant")


def _one_of_two(evidence: Evidence, law: ScalarDistribution) -> Iterator[Hypothesis]:
    """One draw where torch adds two biases."""
    if evidence.part.is_sum and isinstance(law, Triangular):
        words = f"torch adds two biases here, {brief(law)}, and Flax draws one of them"
        one = Uniform(law.low / 2, law.high / 2)
        yield Hypothesis(Cause.STRUCTURE, one, words, 2, "one of two")
        yield Hypothesis(Cause.STRUCTURE, scaled(one, 2), words, 2, "one of two")


def _torch_default(evidence: Evidence) -> Iterator[Hypothesis]:
    """torch's own default, which the author of the port did not look for."""
    default = torch_default(evidence.part.pair.flax) or {}
    own: list[Any] = [default.get(name) for name in evidence.part.parameters]
    recorded = evidence.law
    if evidence.part.is_sum or recorded is None:
        return
    if len(own) == 1 and same_law(recorded, own[0]):
        words = (
            f"torch's constructor leaves its own default in place, {brief(recorded)}, which the "
            f"port does not have: {evidence.found}"
        )
        yield Hypothesis(Cause.FRAMEWORK_DEFAULT, None, words, 4, "torch")
