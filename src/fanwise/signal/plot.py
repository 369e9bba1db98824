"""The picture of a comparison: second moments over depth, forward and backward."""

import math
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from fanwise.signal.plot_axis import decades_axis, names_axis
from fanwise.signal.plot_style import Style, styles_for
from fanwise.signal.profile import DECADE, Direction, Point, profile
from fanwise.signal.trace_result import Trace

__all__ = ["plot"]

_SUFFIXES = (".png", ".svg", ".pdf")
_DPI = 150

_LABELS: Mapping[Direction, tuple[str, str]] = {
    "forward": ("Forward", "second moment of the output,\n$E[y^2]$ (log scale)"),
    "backward": ("Backward", "second moment of the gradient\nat the output, $E[g^2]$ (log scale)"),
}

# Markers on a line are at most this many, so that they can be told apart.
_MARKERS = 30

_SIZE = 6.5

# Hollow markers of so many layers would fill the panel at a size of 1.
_CROWD = 400.0

# How far apart the lines of the first and the last rule stand where there are few layers, in
# layers.
_DODGE = 0.24

_ZERO = "$0$"

_DASHES = (0, (4, 3))

# What a row of marks at the edge takes of the panel's height.
_ROW = 0.055


def plot(
    traces: Mapping[str, Sequence[Trace]], path: str | PathLike[str], title: str | None = None
) -> None:
    """Draw the second moments of all layers over depth.

    One panel for the outputs and one for the gradients at them, over the layers in order of
    execution. A line is the geometric mean over a rule's seeds, the band around it goes from the
    smallest to the largest. Theory, where it says something, is a thin dashed line. A layer whose
    output goes into a normalization, so that its scale is not handed on, has a hollow marker
    beside the line, which goes past it. Lines that coincide stay visible: the first is the
    widest, and each rule has markers of its own. A second moment that is zero or not finite for
    any seed has a mark at the edge of the panel, in a row of its rule.

    Args:
        traces: of each rule, one for each seed.
        path: of the picture; its suffix, ``.png``, ``.svg`` or ``.pdf``, says which.
        title: above the picture; what it shows if None.

    Raises:
        ImportError: without matplotlib.
        ValueError: for another suffix.
    """
    target = Path(path)
    if target.suffix.lower() not in _SUFFIXES:
        raise ValueError(
            f"path must end in {', '.join(_SUFFIXES)}, got {str(path)!r}; the suffix says what is "
            f"written"
        )
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ImportError(
            "plots need matplotlib, which is not installed: python -m pip install 'fanwise[report]'"
        ) from error
    names = [signal.name for signal in next(iter(traces.values()))[0].layers]
    # pyplot keeps figures and a backend for the whole process; a Figure of its own does not.
    figure = Figure(
        figsize=(min(16.0, max(9.0, 6.0 + 0.2 * len(names))), 8.0), layout="constrained"
    )
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 1, sharex=True)
    styles = styles_for(traces)
    for axes, direction in zip(panels, _LABELS, strict=True):
        _panel(axes, traces, styles, direction)
    names_axis(panels[1], names)
    _legend(figure, panels, traces, styles)
    figure.suptitle(title if title is not None else _title(traces))
    figure.savefig(target, dpi=_DPI)


def _title(traces: Mapping[str, Sequence[Trace]]) -> str:
    counts = {len(own) for own in traces.values()}
    if counts == {1}:
        return "Signal at initialization (one seed)"
    seeds = " or ".join(map(str, sorted(counts)))
    return f"Signal at initialization (geometric mean and range over {seeds} seeds)"


def _panel(
    axes: Any,
    traces: Mapping[str, Sequence[Trace]],
    styles: Mapping[str, Style],
    direction: Direction,
) -> None:
    profiles = {rule: profile(own, direction) for rule, own in traces.items()}
    title, label = _LABELS[direction]
    axes.set_title(title, loc="left", fontsize="medium")
    axes.set_ylabel(label)
    for index, (rule, points) in enumerate(profiles.items()):
        hollow = [signal.is_normalized for signal in traces[rule][0].layers]
        _line(axes, points, hollow, styles[rule], index, len(profiles))
    zero = {rule: _where(own, _is_zero) for rule, own in profiles.items()}
    broken = {rule: _where(own, _is_broken) for rule, own in profiles.items()}
    zero, broken = ({r: at for r, at in each.items() if at} for each in (zero, broken))
    logs = [
        value / DECADE
        for points in profiles.values()
        for point in points
        for value in (point.low, point.high, point.mean, point.expected)
        if math.isfinite(value)
    ]
    decades_axis(axes, logs, below=_ROW * len(zero), above=_ROW * len(broken))
    for edge, rows, mark in ((0.0, zero, _ZERO), (1.0, broken, "x")):
        for row, (rule, at) in enumerate(rows.items()):
            height = abs(edge - _ROW * (row + 0.5))
            axes.plot(
                at,
                [height] * len(at),
                linestyle="none",
                marker=mark,
                markersize=6,
                markeredgewidth=1.5 if mark == "x" else 0.5,
                color=styles[rule].color,
                transform=axes.get_xaxis_transform(),
                clip_on=False,
            )


def _line(
    axes: Any, points: Sequence[Point], hollow: Sequence[bool], style: Style, index: int, count: int
) -> None:
    """A rule's line through the layers that hand on their scale, and its markers."""
    low, mean, high = (
        [_decades(getattr(point, which), point) for point in points]
        for which in ("low", "mean", "high")
    )
    # Each rule's markers begin at another layer, so that those of lines that coincide stand side
    # by side; where there are few layers the lines themselves do.
    step = max(math.ceil(len(points) / _MARKERS), min(count, len(points) // 4), 1)
    aside = _DODGE * (index - (count - 1) / 2) / max(count - 1, 1) if step == 1 else 0.0
    xs = [at + 1 + aside for at in range(len(points))]

    def of(values: Sequence[float], places: Sequence[int]) -> list[float]:
        return [values[at] for at in places]

    through = [at for at in range(len(points)) if not hollow[at]]
    x = of(xs, through)
    axes.plot(x, of(mean, through), color=style.color, linewidth=style.width)
    band = {"color": style.color, "alpha": 0.18, "linewidth": 0, "zorder": 1}
    axes.fill_between(x, of(low, through), of(high, through), **band)
    theory = [points[at].expected / DECADE for at in through]
    axes.plot(x, theory, color=style.dark, linewidth=1.1, linestyle=_DASHES, zorder=3)
    look = {"linestyle": "none", "marker": style.marker, "color": style.color, "zorder": 4}
    marked = [at for at in through if at % step == index % step or _is_alone(mean, through, at)]
    full = {"markersize": _SIZE, "markeredgecolor": "white", "markeredgewidth": 0.5}
    axes.plot(of(xs, marked), of(mean, marked), **look, **full)
    normalized = [at for at in range(len(points)) if hollow[at]]
    x = of(xs, normalized)
    axes.vlines(x, of(low, normalized), of(high, normalized), style.color, alpha=0.4)
    size = min(_SIZE, _CROWD / len(points))
    empty = {"markersize": size, "markerfacecolor": "white", "markeredgewidth": 1.2}
    axes.plot(x, of(mean, normalized), **look, **empty)


def _is_alone(mean: Sequence[float], through: Sequence[int], at: int) -> bool:
    """Whether no line leads to a layer, so that only a marker shows it."""
    place = through.index(at)
    neighbours = [*through[max(place - 1, 0) : place], *through[place + 1 : place + 2]]
    return all(math.isnan(mean[other]) for other in neighbours)


def _decades(log: float, point: Point) -> float:
    """Where a point is drawn; nan, that is nowhere, if it has a mark at the edge instead."""
    is_drawn = math.isfinite(log) and not _is_broken(point)
    return log / DECADE if is_drawn else math.nan


def _is_zero(point: Point) -> bool:
    return point.low == -math.inf


def _is_broken(point: Point) -> bool:
    return point.broken


def _where(points: Sequence[Point], holds: Any) -> list[int]:
    return [at for at, point in enumerate(points, start=1) if holds(point)]


def _legend(
    figure: Any,
    panels: Any,
    traces: Mapping[str, Sequence[Trace]],
    styles: Mapping[str, Style],
) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [],
            [],
            color=style.color,
            linewidth=style.width,
            marker=style.marker,
            markersize=_SIZE,
            markeredgecolor="white",
            markeredgewidth=0.5,
            label=rule,
        )
        for rule, style in styles.items()
    ]
    points = [
        point
        for own in traces.values()
        for direction in _LABELS
        for point in profile(own, direction)
    ]
    grey: dict[str, Any] = {"color": "0.35", "markersize": 6}
    if any(not math.isnan(point.expected) for point in points):
        handles.append(Line2D([], [], linewidth=1, linestyle=_DASHES, label="theory", **grey))
    if any(signal.is_normalized for own in traces.values() for signal in own[0].layers):
        words = "goes into a\nnormalization"
        handles.append(
            Line2D(
                [], [], linestyle="none", marker="o", markerfacecolor="white", label=words, **grey
            )
        )
    if any(map(_is_zero, points)):
        handles.append(Line2D([], [], linestyle="none", marker=_ZERO, label="zero", **grey))
    if any(map(_is_broken, points)):
        handles.append(Line2D([], [], linestyle="none", marker="x", label="not finite", **grey))
    figure.legend(handles=handles, loc="outside right upper", frameon=False)
