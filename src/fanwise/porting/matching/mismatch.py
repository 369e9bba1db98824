"""What is said when two models do not match: both sides, why, and the line that would settle it."""

from collections.abc import Mapping, Sequence

from fanwise.porting.matching.assign import Assignment
from fanwise.porting.matching.candidates import Fit, fit, same_form
from fanwise.porting.matching.items import untied
from fanwise.porting.matching.packing import likeness, packed
from fanwise.porting.matching.split import Item
from fanwise.porting.matching.suggest import Targets, entries, line
from fanwise.porting.table import WHOLE, described
from fanwise.text_table import rendered

__all__ = ["explain"]

_SHOWN = 40


def explain(
    torch: Sequence[Item],
    flax: Sequence[Item],
    found: Assignment,
    left: Sequence[int],
    tied: Sequence[Item],
) -> str:
    """The message of the error.

    Args:
        torch: torch's layers.
        flax: the other model's.
        found: what was assigned.
        left: positions in torch that need no counterpart.
        tied: layers of torch that are another one.
    """
    taken = {column for column, _ in found.pairs.values()}
    known = {*found.pairs, *left}
    no_counterpart = [row for row in range(len(torch)) if row not in known]
    left_over = [column for column in range(len(flax)) if column not in taken]
    rows: list[tuple[str, str, str, str, str]] = []
    proposed: dict[str, Targets] = {}
    dealt = packed(torch, flax, found, left)
    told = {path for paths in dealt.values() for path in paths or ()}
    unclear = {*found.unclear, *found.free}
    open_ends = {
        row
        for row in unclear.difference(dealt)
        if row in found.free or flax[found.pairs[row][0]].name in told
    }
    for row in sorted(unclear):
        column = found.pairs[row][0]
        others = [torch[other].dotted for other in sorted(found.unclear.get(row, ()))]
        may_be = {flax[each].name: None for each in (column, *found.free.get(row, ()))}
        free = (name for name in may_be if name not in told)
        (target,) = dealt.get(row) or (next(free, flax[column].name),)
        others += [name for name in may_be if name != target]
        why = f"or {', '.join(others[:3])}{' ...' if len(others) > 3 else ''}?"
        shown = next(item for item in flax if item.name == target)
        rows.append((*_shown(torch[row]), *_shown(shown, "/"), why))
        # What others would get as well would not settle it.
        if row in dealt or open_ends.isdisjoint({row, *found.unclear.get(row, ())}):
            proposed[torch[row].dotted] = (target,)
    reasons = _reasons([torch[row] for row in no_counterpart], [flax[c] for c in left_over], flax)
    for row in no_counterpart:
        if parts := dealt.get(row):
            proposed[torch[row].dotted] = parts
            rows.append((*_shown(torch[row]), "\n".join(parts), "", "packed in torch"))
        else:
            rows.append((*_shown(torch[row]), "", "", reasons.get(torch[row].name, "")))
    left_over = [column for column in left_over if flax[column].name not in told]
    ties: dict[str, Targets] = {}
    for column in left_over:
        item = flax[column]
        again = untied(tied, item.layer)
        if again:
            best = max(again, key=lambda own: likeness(own, item))
            ties[best.dotted] = (item.name,)
            rows.append(("", "", *_shown(item, "/"), f"{best.dotted} is another layer's in torch"))
        else:
            rows.append(("", "", *_shown(item, "/"), reasons.get(f"flax:{item.name}", "")))
    counts = [
        (len(unclear), "cannot be told from others of equal kind and shape"),
        (len(no_counterpart), "of torch's have no counterpart in Flax"),
        (len(flax) - len(taken), "of Flax's have no counterpart in torch"),
    ]
    text = "; ".join(f"{count} {words}" for count, words in counts if count)
    listed = rows[:_SHOWN]
    lines = [
        f"the layers of the two models do not match: {text}",
        rendered(("torch", "", "Flax", "", "why"), listed, whole=WHOLE, extra="port"),
    ]
    if len(rows) > len(listed):
        lines.append(f"... and {len(rows) - len(listed)} more")
    proposed = {item.dotted: proposed[item.dotted] for item in torch if item.dotted in proposed}
    lines += _advice(torch, flax, found, proposed, ties)
    return "\n".join(lines)


def _advice(
    torch: Sequence[Item],
    flax: Sequence[Item],
    found: Assignment,
    proposed: Mapping[str, Targets],
    ties: Mapping[str, Targets],
) -> list[str]:
    known: dict[str, Targets] = {item.dotted: None for item in torch}
    known |= {torch[row].dotted: (flax[column].name,) for row, (column, _) in found.pairs.items()}
    lines = [
        f"linen numbers layers as they are constructed, and these run in another order: "
        f"{', '.join(group[:3])}{' ...' if len(group) > 3 else ''}"
        for group in found.contrary[:3]
    ]
    if proposed:
        lines += [
            "State which is which; if they stand in the same order:",
            _line(proposed, known),
        ]
    if ties:
        lines += [
            "torch ties these, and Flax has arrays of their own, which training would move apart: "
            "tie them in Flax too (Embed.attend), or give both the same values:",
            _line(ties, known),
        ]
    return lines


def _line(wanted: Mapping[str, Targets], known: Mapping[str, Targets]) -> str:
    return line(entries(wanted, known))


def _shown(item: Item, separator: str = ".") -> tuple[str, str]:
    return item.name.replace("/", separator) or ".", described(item.layer)


def _reasons(torch: Sequence[Item], left: Sequence[Item], flax: Sequence[Item]) -> dict[str, str]:
    """For each layer that is left the one that it looks most like, and why it is not that."""
    found: dict[str, str] = {}
    for item in torch:
        others = [other for other in left if same_form(item.layer.kind, other.layer.kind)] or left
        if not others:
            continue
        best = max(others, key=lambda other: likeness(item, other))
        how = fit(item.layer, best.layer)
        if not isinstance(how, Fit):
            found[item.name] = f"not {best.name}: {how}"
            found.setdefault(f"flax:{best.name}", f"not {item.dotted}: {how}")
    return found
