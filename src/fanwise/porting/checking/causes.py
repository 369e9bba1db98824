"""Why a port starts differently: six causes, and which of them explains a parameter.

Each cause says what it would make Flax draw for that very layer. Those whose prediction the sample
follows are kept; of them the one is chosen that explains most parameters of the model at once,
the more specific ones first. Where none does, that is said.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fanwise.distributions import Distribution, ScalarDistribution
from fanwise.porting.checking.compare import fits
from fanwise.porting.checking.describe import Description
from fanwise.porting.checking.parts import Part
from fanwise.testing import Sample

__all__ = ["Cause", "Evidence", "Explanation", "Hypothesis", "explain"]


# A normal that is drawn in float32 and rounded has thousands of different values in 16 bits.
_COARSE = 2048


class Cause(StrEnum):
    """What a parameter that starts differently comes from."""

    PACKED_FAN = "packed fan"
    """The fan of a packed matrix on one side, of its parts on the other."""
    TRANSPOSED_FAN = "transposed fan"
    """Inputs counted as outputs, as for a transposed convolution."""
    FRAMEWORK_DEFAULT = "framework default"
    """A layer that the port's own code does not reach."""
    DEPTH_SCALE = "depth scale"
    """A factor of depth, or of the configuration, on one side only."""
    ARGUMENT = "argument"
    """An argument that means something else in JAX."""
    STRUCTURE = "structure"
    """The same size of values, put together differently."""
    UNKNOWN = "unknown"
    """None of these explains it."""


@dataclass(frozen=True)
class Evidence:
    """A region that differs.

    Args:
        part: the region.
        law: what torch draws an element from, where that is one law.
        value: torch's, for tables.
        sample: of what Flax draws; None where Flax draws nothing.
        found: that in words.
        default: what Flax would draw by itself.
        is_default: whether it does.
        lines: in what the arrays differ beside the law of an element.
        bases: the laws that torch's model has elsewhere.
        depths: the numbers of layers in the stacks that the parameter is in, with its position.
    """

    part: Part
    law: Distribution | None
    value: str
    sample: Sample | None
    found: Description
    default: Distribution | None = None
    is_default: bool = False
    lines: tuple[str, ...] = ()
    bases: tuple[ScalarDistribution, ...] = ()
    depths: tuple[tuple[int, int], ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """torch's, of the whole parameter."""
        return tuple(self.part.pair.flax.shapes[self.part.pieces[0].name])

    @property
    def ratio(self) -> float:
        """Flax's root mean square by torch's."""
        law = self.law
        if law is None or (isinstance(law, Distribution) and not hasattr(law, "std")):
            return float("nan")
        known: Any = law
        size = float((known.std**2 + known.mean**2) ** 0.5)
        return self.found.rms / size if size else float("inf")


@dataclass(frozen=True)
class Hypothesis:
    """A cause and what it makes Flax draw.

    Args:
        cause: which.
        law: what Flax then draws; None where that is known to be so already.
        words: why, in a sentence.
        tier: how much the prediction says: 1 most. Lower tiers are asked first.
        key: hypotheses of the same cause and key are one for all parameters.
        found: what Flax draws, in words, where ``law`` does not say it.
    """

    cause: Cause
    law: ScalarDistribution | None
    words: str
    tier: int = 2
    key: str = ""
    found: str = ""


@dataclass(frozen=True)
class Explanation:
    """The cause that was found.

    Args:
        cause: which.
        words: why.
        law: what Flax draws, where the cause tells it.
        found: the same in words, where it has no law.
    """

    cause: Cause
    words: str
    law: Distribution | None = None
    found: str = ""


def explain(
    evidence: Sequence[Evidence], proposed: Sequence[Iterable[Hypothesis]]
) -> list[Explanation]:
    """Choose a cause for each region that differs.

    Args:
        evidence: the regions.
        proposed: the hypotheses for each, whose laws have not been compared yet.

    Returns:
        As many explanations; of the cause UNKNOWN where no hypothesis fits.
    """
    fitting = [
        [each for each in hypotheses if each.law is None or _fits(own, each.law)]
        for own, hypotheses in zip(evidence, proposed, strict=True)
    ]
    chosen: dict[int, Hypothesis] = {}
    for tier in sorted({each.tier for own in fitting for each in own}):
        open_ones = {
            index: [each for each in own if each.tier == tier]
            for index, own in enumerate(fitting)
            if index not in chosen
        }
        chosen |= _cover(open_ones)
    return [_explanation(own, chosen.get(index)) for index, own in enumerate(evidence)]


def _cover(fitting: Mapping[int, list[Hypothesis]]) -> dict[int, Hypothesis]:
    """The hypothesis that fits most parameters, then the one that fits most of the rest."""
    chosen: dict[int, Hypothesis] = {}
    while True:
        counts: dict[tuple[Cause, str], int] = {}
        for index, own in fitting.items():
            if index not in chosen:
                for name in dict.fromkeys((each.cause, each.key) for each in own):
                    counts[name] = counts.get(name, 0) + 1
        if not counts:
            return chosen
        best = max(counts, key=counts.__getitem__)  # the first proposed, of equals
        for index, own in fitting.items():
            if index not in chosen:
                named = [each for each in own if (each.cause, each.key) == best]
                if named:
                    chosen[index] = named[0]


def _fits(evidence: Evidence, law: ScalarDistribution) -> bool:
    return evidence.sample is not None and fits(evidence.sample, evidence.found, law)


def _explanation(evidence: Evidence, chosen: Hypothesis | None) -> Explanation:
    if chosen is not None:
        return Explanation(chosen.cause, chosen.words, chosen.law, chosen.found)
    found = evidence.found
    figures = f"mean {found.mean:.3g}, root mean square {found.rms:.3g}"
    if evidence.ratio == evidence.ratio and evidence.ratio not in (0.0, float("inf")):
        figures += f" ({evidence.ratio:.3g} of torch's)"
    sample = evidence.sample
    if sample is not None and sample.counts is not None and sample.values.size < _COARSE:
        figures += (
            f", only {sample.values.size} different values, as jax.random draws them in "
            f"{sample.dtype.name}; draw in float32 and round"
        )
    return Explanation(
        Cause.UNKNOWN,
        f"none of the known causes predicts it: {figures}, from {found.low:.3g} to "
        f"{found.high:.3g} in {found.n} values",
    )
