"""The comparison of all tensors of two models, and the report of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from fanwise.distributions import Constant, Orthogonal, ScalarDistribution
from fanwise.frameworks.flax_defaults import flax_default
from fanwise.porting.checking.causes import Evidence
from fanwise.porting.checking.compare import Comparison, compare, compare_samples, fits
from fanwise.porting.checking.depth import depths_of
from fanwise.porting.checking.expected import Expected
from fanwise.porting.checking.hypotheses import explained
from fanwise.porting.checking.known import known_law, same_law
from fanwise.porting.checking.parts import Part, Path
from fanwise.porting.checking.repeats import repeats
from fanwise.porting.checking.report import Report
from fanwise.porting.checking.reporting import reported
from fanwise.porting.checking.samples import FlaxModel, draws_of
from fanwise.porting.checking.spread import uneven
from fanwise.porting.checking.structure import departures, structure_of
from fanwise.porting.checking.subjects import Subject, fingerprints, subjects_of, whole_of
from fanwise.porting.correspondence import Correspondence
from fanwise.recording import Recipe
from fanwise.rules import Rule
from fanwise.testing import Budget
from fanwise.typing import Key

__all__ = ["run"]

Array = npt.NDArray[Any]

# A sign that so few values have may be missing from all of them.
_RARE = 0.1


@dataclass
class _Compared:
    """A subject and what came of each of its regions."""

    subject: Subject
    comparisons: dict[Part, Comparison]
    lines: list[str]
    is_exact: bool = False
    is_default: frozenset[Part] = frozenset()

    def differs(self, part: Part) -> bool:
        return not self.is_exact and (bool(self.lines) or not self.comparisons[part].passed)


def run(
    recipe: Recipe,
    correspondence: Correspondence,
    model: FlaxModel,
    key: Key,
    samples: int,
    false_alarm: float,
    rule: Rule | None,
) -> Report:
    """Compare, and name causes; see :func:`fanwise.port.check`."""
    expected = Expected(recipe, jax.random.fold_in(key, 1))
    subjects = subjects_of(correspondence)
    exact = {index for index, own in enumerate(subjects) if _is_exact(own, expected, rule)}
    drawn = [own for index, own in enumerate(subjects) if index not in exact]
    sizes = {
        part.leaf.path: int(np.prod(part.leaf.shape, dtype=np.int64))
        for own in drawn
        for part in own.parts
    }
    draws = draws_of(model, jax.random.fold_in(key, 0), sizes, samples)
    random = sum(_is_random(part, expected) for own in drawn for part in own.parts)
    each = Budget(false_alarm, max(1, random)).each
    compared = []
    for index, own in enumerate(subjects):
        if index in exact:
            compared.append(_Compared(own, {}, [], is_exact=True))
        else:
            compared.append(_compared(own, draws, expected, samples, each))
    _compare_copies(compared, draws, expected)
    found = _evidence(compared, expected)
    causes = explained([evidence for _, evidence in found])
    named = {
        (index, evidence.part): cause
        for (index, evidence), cause in zip(found, causes, strict=True)
    }
    return reported(
        [(own.subject, own.comparisons, own.is_exact) for own in compared],
        named,
        expected,
        correspondence,
        false_alarm,
    )


def _is_exact(subject: Subject, expected: Expected, rule: Rule | None) -> bool:
    """Whether Flax's side is known from the rule, and the same."""
    if rule is None or not expected.is_independent(subject.tensors):
        return False
    return all(same_law(known_law(part, rule), expected.law(part)) for part in subject.parts)


def _is_random(part: Part, expected: Expected) -> bool:
    law = expected.law(part)
    return not isinstance(law, Constant)


def _compared(
    subject: Subject,
    draws: Mapping[Path, Array],
    expected: Expected,
    samples: int,
    false_alarm: float,
) -> _Compared:
    blocks = subject.blocks(draws)
    laws = [expected.law(part) for part in subject.parts]
    if all(isinstance(law, Constant) for law in laws):
        made = {
            part: compare(block, law, samples, false_alarm)
            for part, block, law in zip(subject.parts, blocks, laws, strict=True)
            if law is not None
        }
        return _Compared(subject, made, [], is_default=_defaults(subject, draws, made))
    aspects, torch_blocks = {}, []
    is_plain = expected.is_independent(subject.tensors)
    if not is_plain:
        torch_blocks = subject.expected_blocks(expected)
        aspects = structure_of(whole_of(torch_blocks))
    ours = structure_of(whole_of(blocks))
    if all(isinstance(law, ScalarDistribution) for law in laws):
        ours = _without_sign(ours, laws)
        aspects = _without_sign(aspects, laws)
    lines = departures(aspects, ours)
    made = {}
    for index, (part, block, law) in enumerate(zip(subject.parts, blocks, laws, strict=True)):
        if law is not None and not aspects and not (is_plain is False and lines):
            made[part] = compare(block, law, samples, false_alarm / 2)
        else:
            made[part] = compare_samples(
                block, torch_blocks[index], samples, false_alarm, dict.fromkeys(lines, "")
            )
    # Where the values are wrong already, that is what has a cause.
    is_right = not lines and all(comparison.passed for comparison in made.values())
    if is_plain and is_right and isinstance(law := laws[0], ScalarDistribution):
        lines = _dependence(whole_of(blocks), law, samples, false_alarm / 2)
    return _Compared(subject, made, lines, is_default=_defaults(subject, draws, made))


def _dependence(
    draws: Array, law: ScalarDistribution, samples: int, false_alarm: float
) -> list[str]:
    """How values of the right law are put together, where torch's are independent."""
    found = {
        "copies": repeats(draws, false_alarm / 2),
        "evenness": uneven(draws, law, samples, false_alarm / 2),
    }
    return departures({}, {aspect: text for aspect, text in found.items() if text})


def _without_sign(aspects: dict[str, str], laws: Sequence[Any]) -> dict[str, str]:
    """Where torch's law has a sign itself, the comparison of laws sees it."""
    if all(min(law.cdf(0.0), 1 - law.cdf(0.0)) < _RARE for law in laws):
        return {name: text for name, text in aspects.items() if name != "sign"}
    return aspects


def _defaults(
    subject: Subject, draws: Mapping[Path, Array], made: Mapping[Part, Comparison]
) -> frozenset[Part]:
    """The regions that are as Flax draws them by itself; looked at where something differs."""
    return frozenset(part for part in subject.parts if _is_default(part, draws, made[part]))


def _is_default(part: Part, draws: Mapping[Path, Array], made: Comparison) -> bool:
    default = flax_default(part.pair.flax, part.leaf)
    sample = made.sample
    match default:
        case Constant(value):
            found: Any = made.found.distribution
            is_fill = sample is None and isinstance(found, Constant)
            return is_fill and bool(np.isclose(float(found.value.real), float(value.real)))
        case Orthogonal() if sample is not None:
            leaf = draws[part.leaf.path][:2]
            for axis, index in part.leaf.stack:
                leaf = np.take(leaf, index, axis + 1)
            return structure_of(leaf).get("orthogonality") == "orthogonal, gain 1"
        case ScalarDistribution() if sample is not None:
            return fits(sample, made.found, default)
    return False


def _compare_copies(
    compared: Sequence[_Compared], draws: Mapping[Path, Array], expected: Expected
) -> None:
    """Note parameters that are equal, or multiples, on one side only."""
    ours, theirs = {}, {}
    for index, own in enumerate(compared):
        if own.is_exact:
            continue
        part = own.subject.parts[0]
        if own.comparisons[part].sample is not None:
            array = draws[part.leaf.path][0]
            for axis, position in part.leaf.stack:
                array = np.take(array, position, axis)
            ours[index] = array
        if not expected.is_independent(own.subject.tensors):
            theirs[index] = expected.of_part(part)[0]
    torch_groups = fingerprints(theirs) + _tied(compared, expected)
    for here, there, text in (
        (fingerprints(ours), torch_groups, "{} in Flax, independent of it in torch"),
        (torch_groups, fingerprints(ours), "{} in torch, independent of it in Flax"),
    ):
        for group in here:
            first = group[0]
            for index in group[1:]:
                if index in ours and not any({first, index} <= set(other) for other in there):
                    name = " + ".join(compared[first].subject.tensors)
                    compared[index].lines.append(f"copies: {text.format(f'the draw of {name}')}")


def _tied(compared: Sequence[_Compared], expected: Expected) -> list[list[int]]:
    places: dict[Any, list[int]] = {}
    for index, own in enumerate(compared):
        places.setdefault(own.subject.place(expected), []).append(index)
    return [group for group in places.values() if len(group) > 1]


def _distinct(lines: Sequence[str]) -> tuple[str, ...]:
    """The first line of each aspect."""
    return tuple({line.partition(":")[0]: line for line in reversed(lines)}.values())[::-1]


def _evidence(compared: Sequence[_Compared], expected: Expected) -> list[tuple[int, Evidence]]:
    laws = {
        value: None
        for recorded in expected.recipe.tensors.values()
        if isinstance(value := recorded.value, ScalarDistribution)
    }
    names = list(expected.recipe.tensors)
    found = []
    for index, own in enumerate(compared):
        for part in own.subject.parts:
            if not own.differs(part):
                continue
            made = own.comparisons[part]
            evidence = Evidence(
                part,
                expected.law(part),
                expected.text(part),
                made.sample,
                made.found,
                flax_default(part.pair.flax, part.leaf),
                part in own.is_default,
                _distinct([*own.lines, *made.lines]),
                tuple(laws),
                depths_of(part.tensors[0], names),
            )
            found.append((index, evidence))
    return found
