"""A report as text: what differs first, what agrees in few lines."""

import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from fanwise.porting.checking.report import Fault, Report, Row

__all__ = ["rendered"]

# Of the names that share a line because they are filled alike.
_NAMED = 3


@dataclass(frozen=True)
class _Line:
    """Rows that are shown as one."""

    name: str
    count: int
    expected: str
    found: str
    default: str
    verdict: str


def rendered(report: Report, width: int) -> str:
    """The table, the explanations, the rule and the notes."""
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, highlight=False, emoji=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("parameter", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    for title in ("torch", "Flax", "Flax's default"):
        table.add_column(title, overflow="fold")
    table.add_column("verdict", overflow="fold")
    different = _differing([row for row in report.rows if not row.passed])
    alike = _agreeing([row for row in report.rows if row.passed])
    for line in different:
        _add(table, line, width)
    if different and alike:
        table.add_section()
    for line in alike:
        _add(table, line, width)
    console.print(table, markup=False)
    # The edge is empty on every side.
    lines = [line.removeprefix(" ").rstrip() for line in out.getvalue().splitlines()]
    while lines and not lines[0]:
        del lines[0]
    while lines and not lines[-1]:
        del lines[-1]
    lines += ["", *textwrap.wrap(_summary(report), width)]
    for number, (names, words) in enumerate(_explanations(report.faults), 1):
        lines += ["", *_paragraph(f"{number}. {names}", width), *_paragraph(f"   {words}", width)]
    if report.rule:
        lines += ["", "This mends it:", "", *report.rule.splitlines()]
    for note in report.notes:
        lines += ["", *_paragraph(f"Note: {note}", width)]
    return "\n".join(lines) + "\n"


def _add(table: Table, line: _Line, width: int) -> None:
    count = f"×{line.count}" if line.count > 1 else ""
    limit = max(24, width * 3 // 8)
    name = "\n".join(part for own in line.name.split("\n") for part in _broken(own, limit))
    table.add_row(name, count, line.expected, line.found, line.default, line.verdict)


def _broken(name: str, width: int) -> list[str]:
    """A long name in several lines, broken behind dots."""
    lines = [""]
    for part in re.findall(r"[^.]*\.?", name):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("  ")
        lines[-1] += part
    return [line.rstrip() for line in lines]


def _paragraph(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="   ")


def _name(row: Row) -> str:
    """Both names where two tensors are added, the second without what they have in common."""
    first, *others = row.torch
    outer = first.rpartition(".")[0]
    return " + ".join([first, *(name.removeprefix(f"{outer}.") for name in others)])


def _pattern(row: Row) -> str:
    return re.sub(r"\d+", "*", _name(row))


def _grouped(rows: Sequence[Row], alike: Sequence[tuple[object, ...]]) -> list[list[Row]]:
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row, key in zip(rows, alike, strict=True):
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def _shared_name(rows: Sequence[Row]) -> str:
    return _name(rows[0]) if len(rows) == 1 else _pattern(rows[0])


def _differing(rows: Sequence[Row]) -> list[_Line]:
    keys = [(_pattern(row), row.expected, row.cause, _without_digits(row.found)) for row in rows]
    lines = []
    for group in _grouped(rows, keys):
        row = group[0]
        lines.append(
            _Line(
                _shared_name(group),
                len(group),
                row.expected,
                row.found,
                row.default,
                f"DIFFERS: {row.cause}",
            )
        )
    return lines


def _agreeing(rows: Sequence[Row]) -> list[_Line]:
    random = [row for row in rows if not row.is_filled]
    lines = []
    for group in _grouped(random, [(_pattern(row), row.expected, row.verdict) for row in random]):
        row = group[0]
        worst = max(each.notices for each in group)
        verdict = "exact" if row.verdict == "exact" else f"agrees, ±{worst:.1%}"
        same = {each.default for each in group} == {row.default}
        lines.append(
            _Line(
                _shared_name(group),
                len(group),
                row.expected,
                "the same",
                row.default if same else "",
                verdict,
            )
        )
    filled = [row for row in rows if row.is_filled]
    for group in _grouped(filled, [(row.expected, row.default) for row in filled]):
        names = [_shared_name(own) for own in _grouped(group, [(_pattern(row),) for row in group])]
        name = ",\n".join([*names[:_NAMED], *(["..."] if len(names) > _NAMED else [])])
        row = group[0]
        lines.append(_Line(name, len(group), row.expected, "the same", row.default, "exact"))
    return lines


def _without_digits(text: str) -> str:
    """Estimated numbers differ a little from one tensor to the next."""
    return re.sub(r"[-+.e\d]+", "0", text) if text.startswith("about") else text


def _summary(report: Report) -> str:
    differing = sum(not row.passed for row in report.rows)
    text = f"{len(report.rows) - differing} of {len(report.rows)} tensors agree"
    text += f", {differing} differ." if differing else "."
    random = [row for row in report.rows if row.verdict == "agrees" and row.notices]
    if random:
        worst = max(random, key=lambda row: row.notices)
        text += (
            f" False alarms: {report.false_alarm:g} for all together. ± is the deviation of the "
            f"std that is noticed; at worst {worst.notices:.1%}, of {_name(worst)}, from "
            f"{worst.values} values."
        )
    return text


def _explanations(faults: Sequence[Fault]) -> list[tuple[str, str]]:
    """Each explanation once, with the names that it is for; figures are those of the first."""
    groups: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        words = re.sub(r"[-+.e\d]+", "0", fault.explanation)
        groups.setdefault((str(fault.cause), words), []).append(fault)
    found = []
    for (cause, _), members in groups.items():
        names = [" + ".join(fault.torch) for fault in members]
        shown = ", ".join(names[:_NAMED])
        shown += f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        found.append((f"{cause}: {shown}", members[0].explanation))
    return found
