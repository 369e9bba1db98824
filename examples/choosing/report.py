"""What came out, in words and tables."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from examples.choosing.family import Family
from examples.choosing.study import Runs
from fanwise.signal import Comparison

__all__ = ["bounds_of", "fans_compared", "signal_and_training", "verdict"]


def signal_and_training(compared: Comparison, runs: Sequence[Runs], family: Family) -> str:
    """One row a rule, as a Markdown table: the drift of the signal, and what training reached."""
    optimizers = list(dict.fromkeys(own.optimizer for own in runs))
    seeds = len(runs[0].runs)
    titles = ["rule", "forward", "backward", "varying", "first loss"]
    titles += [
        f"after {family.steps} steps of {name}: median of {seeds} seeds (range) at the best rate"
        for name in optimizers
    ]
    rows = []
    for rule, drift in compared.recommend().drifts.items():
        own = {each.optimizer: each for each in runs if each.rule == rule}
        first = _number(own[optimizers[0]].first)
        cells = [f"{_ended(own[name])} at {own[name].rate:g}" for name in optimizers]
        varying = _share(own[optimizers[0]].varying)
        signal = [_decades(drift.forward), _decades(drift.backward), varying]
        rows.append([rule, *signal, first, *cells])
    order = [own.rule for own in runs if own.optimizer == optimizers[0]]
    rows.sort(key=lambda row: order.index(row[0]))
    return _markdown(titles, rows)


def verdict(compared: Comparison) -> str:
    """What the signal says: the first line of the recommendation."""
    return compared.recommend().text.splitlines()[0]


def fans_compared(runs: Iterable[Runs]) -> str:
    """Whether fan_in and fan_out trained differently, and which rules trained best.

    Two rules differ if all runs of one end below all runs of the other. With 4 seeds each, equal
    rules do so in 1 of 35 cases, by chance alone.
    """
    found: dict[str, dict[str, Runs]] = {}
    for own in runs:
        found.setdefault(own.optimizer, {})[own.rule] = own
    return " ".join(
        (f"With {optimizer}: " if len(found) > 1 else "") + _compared(rules)
        for optimizer, rules in found.items()
    )


def _compared(rules: Mapping[str, Runs]) -> str:
    pair = rules["fan_in"], rules["fan_out"]
    lower = _lower(*pair)
    best = min(rules.values(), key=lambda each: np.median(each.last))
    alike = [
        f"`{name}`" for name, own in rules.items() if own is not best and not _lower(own, best)
    ]
    return (
        f"{' and '.join(f'`{own.rule}` ends at {_ended(own)}' for own in pair)}, "
        + (f"`{lower}` lower with every seed" if lower else "which overlap")
        + f". The lowest median is that of `{best.rule}`; "
        + (f"ranges that overlap with its: {', '.join(alike)}." if alike else "none overlaps.")
    )


def bounds_of(bounds: Mapping[str, float], family: Family) -> str:
    """The loss in words, and what it would be without learning."""
    reached = "; ".join(f"{name} reaches {_number(value)}" for name, value in bounds.items())
    return f"The loss is the {family.measure}: {reached}."


def _lower(one: Runs, other: Runs) -> str | None:
    """The rule of which every run ends below every run of the other, if there is one."""
    if one.last[-1] < other.last[0]:
        return one.rule
    if other.last[-1] < one.last[0]:
        return other.rule
    return None


def _ended(runs: Runs) -> str:
    low, high = runs.last[0], runs.last[-1]
    return f"{_number(float(np.median(runs.last)))} ({_number(low)} to {_number(high)})"


def _number(value: float) -> str:
    return "diverged" if not np.isfinite(value) else f"{value:.3g}"


def _share(value: float) -> str:
    if np.isnan(value):
        return "-"
    return f"{100 * value:.0f} %" if value > 0.01 else f"{100 * value:.1g} %"


def _decades(value: float) -> str:
    return f"{value:.1f}" if np.isfinite(value) else "lost"


def _markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    columns = list(zip(titles, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]

    def line(cells: Iterable[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    rule = line("-" * width for width in widths)
    return "\n".join([line(titles), rule, *map(line, rows)])
