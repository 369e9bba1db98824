"""The picture of a comparison: second moments over depth, forward and backward."""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from fanwise.signal.plot_axis import decades_axis, names_axis, verbatim
from fanwise.signal.plot_line import DASHES, SIZE, draw_line
from fanwise.signal.plot_style import Style, styles_for
from fanwise.signal.profile import DECADE, Direction, Point, profile
from fanwise.signal.trace_result import Trace

__all__ = ["figure_of", "plot"]

_SUFFIXES = (".png", ".svg", ".pdf")
_DPI = 150

_LABELS: Mapping[Direction, tuple[str, str]] = {
    "forward": ("Forward", "second moment of the output,\n$E[y^2]$ (log scale)"),
    "backward": ("Backward", "second moment of the gradient\nat the output, $E[g^2]$ (log scale)"),
}

_ZERO = "$0$"

# Characters in a line of the legend.
_LEGEND = 24

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
    figure_of(traces, title).savefig(target, dpi=_DPI)


def figure_of(traces: Mapping[str, Sequence[Trace]], title: str | None = None) -> Any:
    """The picture as a ``matplotlib.figure.Figure``, see :func:`plot`.

    Raises:
        ImportError: without matplotlib.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ImportError(
            "plots need matplotlib, which is not installed: python -m pip install 'fanwise[report]'"
        ) from error
    names = [signal.name for signal in next(iter(traces.values()))[0].layers]
    width = min(16.0, max(9.0, 6.0 + 0.2 * len(names)))
    # pyplot keeps figures and a backend for the whole process; a Figure of its own does not.
    figure = Figure(figsize=(width, 8.0), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 1, sharex=True)
    styles = styles_for(traces)
    for axes, direction in zip(panels, _LABELS, strict=True):
        _panel(axes, traces, styles, direction)
    names_axis(panels[1], names)
    _legend(figure, traces, styles)
    figure.suptitle(title if title is not None else _title(traces))
    return figure


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
        draw_line(axes, points, hollow, styles[rule], index, len(profiles))
    zero = _where(profiles, lambda point: point.is_zero)
    broken = _where(profiles, lambda point: point.broken)
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


def _where(
    profiles: Mapping[str, Sequence[Point]], holds: Callable[[Point], bool]
) -> dict[str, list[int]]:
    """The numbers of the layers of each rule of which something holds, if there are any."""
    found = {
        rule: [number for number, point in enumerate(points, start=1) if holds(point)]
        for rule, points in profiles.items()
    }
    return {rule: numbers for rule, numbers in found.items() if numbers}


def _legend(
    figure: Any,
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
            markersize=SIZE,
            markeredgecolor="white",
            markeredgewidth=0.5,
            label=_lines_of(rule),
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
        handles.append(Line2D([], [], linewidth=1, linestyle=DASHES, label="theory", **grey))
    if any(signal.is_normalized for own in traces.values() for signal in own[0].layers):
        words = "goes into a\nnormalization"
        handles.append(
            Line2D(
                [], [], linestyle="none", marker="o", markerfacecolor="white", label=words, **grey
            )
        )
    if any(point.is_zero for point in points):
        handles.append(Line2D([], [], linestyle="none", marker=_ZERO, label="zero", **grey))
    if any(point.broken for point in points):
        handles.append(Line2D([], [], linestyle="none", marker="x", label="not finite", **grey))
    # With the labels given apart: matplotlib drops those that begin with an underscore.
    labels = [handle.get_label() for handle in handles]
    figure.legend(handles, labels, loc="outside right upper", frameon=False)


def _lines_of(rule: str) -> str:
    """A rule's name in lines that leave room for the panels."""
    return verbatim(textwrap.fill(rule, _LEGEND) or " ")
