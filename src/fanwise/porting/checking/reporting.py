"""From compared regions and their causes to rows and faults."""

from collections.abc import Mapping, Sequence

from fanwise.distributions import Constant, Distribution
from fanwise.frameworks.flax_defaults import flax_default, name_of_default
from fanwise.porting.checking.causes import Cause, Explanation
from fanwise.porting.checking.compare import Comparison
from fanwise.porting.checking.expected import Expected
from fanwise.porting.checking.laws import brief
from fanwise.porting.checking.parts import Part
from fanwise.porting.checking.report import Fault, Report, Row
from fanwise.porting.checking.rule import Mend, mend_of, rule_code
from fanwise.porting.checking.subjects import Subject
from fanwise.porting.correspondence import Correspondence

__all__ = ["reported"]

Compared = tuple[Subject, Mapping[Part, Comparison], bool]


def reported(
    compared: Sequence[Compared],
    causes: Mapping[tuple[int, Part], Explanation],
    expected: Expected,
    correspondence: Correspondence,
    false_alarm: float,
) -> Report:
    """The report of all tensors; several layers that hold one tensor share a row.

    Args:
        compared: subjects, what came of their regions, and whether they are known exactly.
        causes: of the regions that differ, by the number of the subject.
        expected: torch's side.
        correspondence: whose layers they are.
        false_alarm: of the whole check.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, (subject, _, _) in enumerate(compared):
        groups.setdefault(subject.tensors, []).append(index)
    layers = [pair.flax for pair in correspondence.pairs]
    rows, faults, mends = [], [], []
    for tensors, members in groups.items():
        bad = [
            (index, part)
            for index in members
            for part in compared[index][0].parts
            if (index, part) in causes
        ]
        rows.append(_row(tensors, [compared[index] for index in members], bad, causes, expected))
        by_cause: dict[Cause, list[tuple[int, Part]]] = {}
        for index, part in bad:
            by_cause.setdefault(causes[index, part].cause, []).append((index, part))
        for cause, own in by_cause.items():
            explanation = causes[own[0]].words
            made = _mends(own, explanation, expected)
            mends += made
            faults.append(
                Fault(
                    tensors,
                    tuple(dict.fromkeys(str(part) for _, part in own)),
                    cause,
                    explanation,
                    rule_code(made, layers),
                    tuple(
                        str(check)
                        for index, part in own
                        for check in compared[index][1][part].checks
                        if not check.passed
                    ),
                )
            )
    rule = rule_code(mends, layers) if mends else ""
    return Report(tuple(rows), tuple(faults), rule, false_alarm, _notes(expected, correspondence))


def _mends(own: Sequence[tuple[int, Part]], explanation: str, expected: Expected) -> list[Mend]:
    parts = [part for _, part in own]
    if "copies: the draw of" in explanation and "in torch, independent" in explanation:
        return [Mend(parts[0].pair.flax, None)]
    by_layer: dict[int, list[Part]] = {}
    for part in parts:
        by_layer.setdefault(id(part.pair), []).append(part)
    return [
        mend_of(members[0].pair, [name for part in members for name in part.parameters], expected)
        for members in by_layer.values()
    ]


def _row(
    tensors: tuple[str, ...],
    members: Sequence[Compared],
    bad: Sequence[tuple[int, Part]],
    causes: Mapping[tuple[int, Part], Explanation],
    expected: Expected,
) -> Row:
    parts = [part for subject, _, _ in members for part in subject.parts]
    made = {part: each for _, comparisons, _ in members for part, each in comparisons.items()}
    shown = bad[0][1] if bad else parts[0]
    found = ""
    verdict, cause = "exact", None
    if bad:
        explanation = causes[bad[0]]
        verdict, cause = "differs", explanation.cause
        found = explanation.found or _found(made[shown], explanation.law)
    elif any(check.false_alarm > 0 for each in made.values() for check in each.checks):
        verdict = "agrees"
    default = flax_default(shown.pair.flax, shown.leaf)
    return Row(
        tensors,
        tuple(dict.fromkeys(str(part) for part in parts)),
        expected.text(shown),
        found,
        "" if default is None else name_of_default(default),
        verdict,
        max((each.notices for each in made.values()), default=0.0),
        min((check.n for each in made.values() for check in each.checks[:1]), default=0),
        cause,
        isinstance(expected.law(shown), Constant),
    )


def _found(made: Comparison, law: Distribution | None) -> str:
    return brief(law) if law is not None else str(made.found)


def _notes(expected: Expected, correspondence: Correspondence) -> tuple[str, ...]:
    notes = list(expected.recipe.notes)
    if unused := [leaf.name for layer in correspondence.unused for leaf in layer.leaves]:
        notes.append(f"Flax has no array for {', '.join(unused)}, which are not compared")
    for pair in correspondence.pairs:
        notes += [
            f"{pair.flax.path} ({pair.flax.source}) has no place for {lost} of "
            f"{pair.torch.path.replace('/', '.')}, which is not compared"
            for lost in pair.flax.lost
        ]
    return tuple(notes)
