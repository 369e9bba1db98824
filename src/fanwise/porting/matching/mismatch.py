"""What is said when two models do not match: both sides, why, and the line that would settle it."""

from collections.abc import Mapping, Sequence

from fanwise.porting.matching.assign import Assignment
from fanwise.porting.matching.candidates import Fit, fit, same_form
from fanwise.porting.matching.items import untied
from fanwise.porting.matching.names import names_of
from fanwise.porting.matching.similarity import similarity
from fanwise.porting.matching.split import Item
from fanwise.porting.matching.suggest import Targets, entries, line
from fanwise.porting.table import described, rendered

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
    for row in sorted(found.unclear):
        column = found.pairs[row][0]
        others = [torch[other].dotted for other in sorted(found.unclear[row])]
        why = f"or {', '.join(others[:3])}{' ...' if len(others) > 3 else ''}?"
        rows.append((*_shown(torch[row]), *_shown(flax[column], "/"), why))
        proposed[torch[row].dotted] = (flax[column].name,)
    packed = _packed([torch[row] for row in no_counterpart], [flax[c] for c in left_over])
    proposed |= packed
    reasons = _reasons([torch[row] for row in no_counterpart], [flax[c] for c in left_over], flax)
    for row in no_counterpart:
        parts = packed.get(torch[row].dotted) or ()
        if parts:
            rows.append((*_shown(torch[row]), "\n".join(parts), "", "packed in torch"))
            left_over = [column for column in left_over if flax[column].name not in parts]
        else:
            rows.append((*_shown(torch[row]), "", "", reasons.get(torch[row].name, "")))
    ties: dict[str, Targets] = {}
    for column in left_over:
        item = flax[column]
        again = untied(tied, item.layer)
        if again:
            best = max(again, key=lambda own: _likeness(own, item))
            ties[best.dotted] = (item.name,)
            rows.append(("", "", *_shown(item, "/"), f"{best.dotted} is another layer's in torch"))
        else:
            rows.append(("", "", *_shown(item, "/"), reasons.get(f"flax:{item.name}", "")))
    counts = [
        (len(found.unclear), "cannot be told from others of equal kind and shape"),
        (len(no_counterpart), "of torch's have no counterpart in Flax"),
        (len(flax) - len(taken), "of Flax's have no counterpart in torch"),
    ]
    text = "; ".join(f"{count} {words}" for count, words in counts if count)
    shown = rows[:_SHOWN]
    lines = [
        f"the layers of the two models do not match: {text}",
        rendered(("torch", "", "Flax", "", "why"), shown),
    ]
    if len(rows) > len(shown):
        lines.append(f"... and {len(rows) - len(shown)} more")
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
    lines = []
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


def _likeness(one: Item, other: Item) -> float:
    ours, theirs = names_of([(one.name, "")]), names_of([(other.name, "")])
    return similarity(ours[0], theirs[0])


def _packed(torch: Sequence[Item], flax: Sequence[Item]) -> dict[str, Targets]:
    """Linears that are as wide as several of the other side's together, those of one block."""
    blocks: dict[str, list[Item]] = {}
    for item in flax:
        if item.layer.kind == "Linear":
            blocks.setdefault(item.name.rpartition("/")[0], []).append(item)
    found: dict[str, Targets] = {}
    for item in torch:
        if item.layer.kind != "Linear":
            continue
        outputs, inputs = item.layer.shapes["weight"]
        fitting = [
            block
            for name, block in blocks.items()
            if sum(part.layer.shapes["weight"][0] for part in block) == outputs
            and all(part.layer.shapes["weight"][1] == inputs for part in block)
            and len(block) > 1
        ]
        if fitting:
            best = max(fitting, key=lambda block: _likeness(item, block[0]))
            found[item.dotted] = tuple(part.name for part in sorted(best, key=_projection))
            blocks = {name: block for name, block in blocks.items() if block is not best}
    return found


def _projection(item: Item) -> int:
    """Queries before keys before values, as everybody packs them; else the order as it is."""
    words = names_of([(item.name.rpartition("/")[2], "")])[0].words
    return next((n for n, word in enumerate(("query", "key", "value")) if word in words), 3)


def _reasons(torch: Sequence[Item], left: Sequence[Item], flax: Sequence[Item]) -> dict[str, str]:
    """For each layer that is left the one that it looks most like, and why it is not that."""
    found: dict[str, str] = {}
    for item in torch:
        others = [other for other in left if same_form(item.layer.kind, other.layer.kind)] or left
        if not others:
            continue
        best = max(others, key=lambda other: _likeness(item, other))
        how = fit(item.layer, best.layer)
        if not isinstance(how, Fit):
            found[item.name] = f"not {best.name}: {how}"
            found.setdefault(f"flax:{best.name}", f"not {item.dotted}: {how}")
    return found
