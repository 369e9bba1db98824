"""A trace, and a comparison of several rules, as tables of plain text."""

import math
from collections.abc import Mapping, Sequence

from fanwise.signal.profile import DECADE, Direction, Point, is_broken, moment_of, profile
from fanwise.signal.trace_result import LayerSignal, Trace
from fanwise.text_table import rendered

__all__ = ["comparison_table", "scientific", "table_of"]

_WIDTH = 120
_LONGEST_NAME = 36
_GAP = 2
# Decades between which numbers are written without an exponent: from 0.01, with room for what
# logarithms lose of it, to what is rounded to 1000.
_PLAIN = (-2 - 1e-9, math.log10(999.5))
# Of float32 sums, relative to the root of the second moment, as a logarithm.
_ROUNDING = 14.0
_WHAT: Mapping[Direction, str] = {
    "forward": "second moment of each layer's output",
    "backward": "second moment of the gradient at each layer's output",
}
_TITLES = (
    *("#", "layer", "kind", "shape", "mean", "E[y²]", "theory", "ratio", "kurt", "rank"),
    *("idle", "E[g²]", "theory", "E[g_w²]"),
)
_NORMALIZED = "* the output goes into a normalization, which divides its scale out"


def scientific(log: float) -> str:
    """A positive number, given as its natural logarithm, in as few characters as tell it.

    Example:
        >>> [scientific(math.log(x)) for x in (1.0, 0.5, 123.4, 1e-5)]
        ['1.00', '0.500', '123', '1.0e-5']
        >>> scientific(1000.0), scientific(-math.inf), scientific(math.nan)
        ('2.0e434', '0', '-')
    """
    if math.isnan(log):
        return "-"
    if math.isinf(log):
        return "0" if log < 0 else "inf"
    decades = log / DECADE
    if _PLAIN[0] <= decades < _PLAIN[1]:
        return f"{math.exp(log):#.3g}".rstrip(".")
    exponent = math.floor(decades)
    mantissa = f"{10 ** (decades - exponent):.1f}"
    if mantissa == "10.0":
        mantissa, exponent = "1.0", exponent + 1
    return f"{mantissa}e{exponent}"


def table_of(trace: Trace, width: int | None = None) -> str:
    """What was measured of each layer, in order of execution.

    Columns: E[y²], the second moment of the output; theory's, where it says something; the ratio
    to the layer before; the kurtosis; the effective rank of the outputs over the batch; idle, the
    share of elements at which the activation behind has no slope, and of units that have none for
    any input; E[g²] and E[g_w²], the second moments of the gradient at the output and at the
    weights.

    Args:
        trace: of one model.
        width: of the table at most; None is the terminal's, up to 120.

    Raises:
        ImportError: without rich.
    """
    rows = [_row(number, signal) for number, signal in enumerate(trace.layers, start=1)]
    kept = [
        column
        for column in range(len(_TITLES))
        if column < 4 or any(row[column] != "-" for row in rows)
    ]
    shown = rendered(
        [_TITLES[column] for column in kept],
        [[row[column] for column in kept] for row in rows],
        width,
        whole=_TITLES[2:],
        right=("#", *_TITLES[4:]),
    )
    ends = f"input E[x²] {scientific(trace.log_input)}, output {scientific(trace.log_output)}"
    lines = [shown, "", ends]
    if any(signal.is_normalized for signal in trace.layers):
        lines.append(_NORMALIZED)
    return "\n".join(lines)


def _row(number: int, signal: LayerSignal) -> list[str]:
    return [
        str(number),
        _name(signal),
        signal.kind or signal.source,
        "x".join(map(str, signal.shape)) or "scalar",
        _mean(signal),
        _moment(signal, "forward"),
        scientific(signal.log_expected),
        scientific(signal.log_ratio),
        _plain(signal.kurtosis),
        _plain(signal.effective_rank),
        _idle(signal),
        _moment(signal, "backward"),
        scientific(signal.log_expected_gradient),
        scientific(signal.log_weight_gradient),
    ]


def _name(signal: LayerSignal) -> str:
    return signal.name + ("*" if signal.is_normalized else "")


def _moment(signal: LayerSignal, direction: Direction) -> str:
    moment = moment_of(signal, direction)
    return "NaN" if math.isnan(moment) and is_broken(signal, direction) else scientific(moment)


def _mean(signal: LayerSignal) -> str:
    """The mean; 0 where it is nothing but rounding."""
    if signal.mean != 0 and math.log(abs(signal.mean)) < signal.log_second_moment / 2 - _ROUNDING:
        return "0"
    return _plain(signal.mean)


def _plain(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.2g}" if abs(value) < 1e4 else f"{value:.0e}"


def _idle(signal: LayerSignal) -> str:
    """Of the elements, and of the units."""
    if math.isnan(signal.idle):
        return "-"
    return f"{_percent(signal.idle)}/{_percent(signal.idle_units)}"


def _percent(share: float) -> str:
    if math.isnan(share):
        return "-"
    # No rounding to none or to all where it is neither.
    percent = min(max(round(100 * share), 1), 99) if 0 < share < 1 else round(100 * share)
    return f"{percent}%"


def comparison_table(traces: Mapping[str, Sequence[Trace]], width: int | None = None) -> str:
    """Two tables, forward and backward: a row for each layer and a column for each rule.

    Rules that do not fit beside the others come below, in a table of their own.

    Args:
        traces: of each rule, one for each seed.
        width: of a table at most; None is 120.

    Raises:
        ImportError: without rich.
    """
    first = next(iter(traces.values()))[0]
    parts = []
    for direction, what in _WHAT.items():
        profiles = {rule: profile(own, direction) for rule, own in traces.items()}
        has_theory = any(not math.isnan(p.expected) for own in profiles.values() for p in own)
        note = ", measured/theory" if has_theory else ""
        parts.append(f"{direction}: {what}{note}")
        parts += _tables(first.layers, profiles, width or _WIDTH)
    return "\n\n".join([*parts, *_notes(traces, first)])


def _tables(
    layers: Sequence[LayerSignal], profiles: Mapping[str, Sequence[Point]], width: int
) -> list[str]:
    names = [_name(signal) for signal in layers]
    numbers = len(str(len(layers)))
    longest = min(max(map(len, [*names, "layer"])), _LONGEST_NAME)
    cells = {rule: [_cell(point) for point in own] for rule, own in profiles.items()}
    groups: list[list[str]] = []
    left = 0
    for rule, own in cells.items():
        needed = _GAP + max(len(rule), *map(len, own), 0)
        if not groups or needed > left:
            groups.append([])
            left = width - numbers - _GAP - longest
        groups[-1].append(rule)
        left -= needed
    return [
        rendered(
            ["#", "layer", *group],
            [
                [str(index + 1), name, *(cells[rule][index] for rule in group)]
                for index, name in enumerate(names)
            ],
            width,
            whole=["#", *group],
            right=["#", *group],
        )
        for group in groups
    ]


def _cell(point: Point) -> str:
    measured = "NaN" if math.isnan(point.mean) and point.broken else scientific(point.mean)
    return measured if math.isnan(point.expected) else f"{measured}/{scientific(point.expected)}"


def _notes(traces: Mapping[str, Sequence[Trace]], first: Trace) -> list[str]:
    seeds = {len(own) for own in traces.values()}
    count = " or ".join(map(str, sorted(seeds)))
    lines = [] if seeds == {1} else [f"geometric means over {count} seeds"]
    if lines and (spread := _widest(traces)):
        lines[0] += f"; {spread}"
    if any(signal.is_normalized for signal in first.layers):
        lines.append(_NORMALIZED)
    return ["\n".join(lines)] if lines else []


def _widest(traces: Mapping[str, Sequence[Trace]]) -> str:
    """Where the seeds differ most."""
    widest, text = 0.0, ""
    for rule, own in traces.items():
        for point, signal in zip(profile(own, "forward"), own[0].layers, strict=True):
            spread = point.high - point.low
            if math.isfinite(spread) and spread > widest:
                widest = spread
                text = (
                    f"they differ most, by a factor of {scientific(spread)} forward, with {rule} "
                    f"at {signal.name}"
                )
    return text
