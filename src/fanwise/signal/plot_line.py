"""The line of one rule in a plot, with its spread, its markers and theory."""

import math
from collections.abc import Sequence
from typing import Any

from fanwise.signal.plot_style import Style
from fanwise.signal.profile import DECADE, Point

__all__ = ["DASHES", "SIZE", "draw_line"]

# Markers on a line are at most this many, so that they can be told apart.
_MARKERS = 30

SIZE = 6.5
"""Of a marker."""

DASHES = (0, (4, 3))
"""Of theory's line."""

# Hollow markers of so many layers would fill the panel at a size of 1.
_CROWD = 400.0

# How far apart the lines of the first and the last rule stand where there are few layers, in
# layers.
_DODGE = 0.24


def draw_line(
    axes: Any, points: Sequence[Point], hollow: Sequence[bool], style: Style, index: int, count: int
) -> None:
    """Draw a rule's line through the layers that hand on their scale, and its markers.

    Args:
        axes: where x is the number of a layer and y a power of ten.
        points: of the layers.
        hollow: whether each layer's output goes into a normalization.
        style: of the rule.
        index: the rule's position among all rules.
        count: how many rules there are.
    """
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
    _theory(axes, points, xs, through, style)
    look = {"linestyle": "none", "marker": style.marker, "color": style.color, "zorder": 4}
    marked = [at for at in through if at % step == index % step or _is_alone(mean, through, at)]
    full = {"markersize": SIZE, "markeredgecolor": "white", "markeredgewidth": 0.5}
    axes.plot(of(xs, marked), of(mean, marked), **look, **full)
    normalized = [at for at in range(len(points)) if hollow[at]]
    x = of(xs, normalized)
    axes.vlines(x, of(low, normalized), of(high, normalized), style.color, alpha=0.4)
    size = min(SIZE, _CROWD / max(len(points), 1))
    empty = {"markersize": size, "markerfacecolor": "white", "markeredgewidth": 1.2}
    axes.plot(x, of(mean, normalized), **look, **empty)


def _theory(
    axes: Any, points: Sequence[Point], xs: Sequence[float], through: Sequence[int], style: Style
) -> None:
    """Dashes along the line, and a short stroke where no line goes."""
    expected = [point.expected / DECADE for point in points]
    x, y = [xs[at] for at in through], [expected[at] for at in through]
    axes.plot(x, y, color=style.dark, linewidth=1.1, linestyle=DASHES, zorder=3)
    on_line = {at for at in through if not _is_alone(expected, through, at)}
    alone = [at for at in range(len(points)) if at not in on_line]
    x, y = [xs[at] for at in alone], [expected[at] for at in alone]
    stroke = {"marker": "_", "markersize": 9.0, "markeredgewidth": 1.1, "linestyle": "none"}
    axes.plot(x, y, color=style.dark, zorder=5, **stroke)


def _is_alone(mean: Sequence[float], through: Sequence[int], at: int) -> bool:
    """Whether no line leads to a layer, so that only a marker shows it."""
    place = through.index(at)
    neighbours = [*through[max(place - 1, 0) : place], *through[place + 1 : place + 2]]
    return not any(math.isfinite(mean[other]) for other in neighbours)


def _decades(log: float, point: Point) -> float:
    """Where a point is drawn; nan, that is nowhere, if it has a mark at the edge instead."""
    is_drawn = math.isfinite(log) and not point.broken
    return log / DECADE if is_drawn else math.nan
