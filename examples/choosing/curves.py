"""The picture of training: the loss over the steps, one line a rule."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from examples.choosing.family import Family
from examples.choosing.study import Runs
from fanwise.signal.plot_style import Style, styles_for

__all__ = ["draw", "shrink"]

_WINDOW = 9
# The ratio of losses from which they are drawn on a logarithmic scale.
_WIDE = 30


def draw(runs: Sequence[Runs], family: Family, path: Path) -> None:
    """Write it as PNG: median over the seeds, and a band from the smallest to the largest.

    The steps' batches differ, so that the loss is a mean over the nine steps around each.
    """
    optimizers = list(dict.fromkeys(own.optimizer for own in runs))
    figure = Figure(figsize=(3.4 + 4.4 * len(optimizers), 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(optimizers), sharey=True, squeeze=False)[0]
    styles = styles_for(dict.fromkeys(own.rule for own in runs))
    for axes, optimizer in zip(panels, optimizers, strict=True):
        for own in runs:
            if own.optimizer == optimizer:
                _line(axes, own, styles[own.rule])
        axes.set_xlabel(f"step of {optimizer}, each rule at its best rate")
        axes.grid(True, which="major", alpha=0.3)
    limits = [axes.dataLim.intervaly for axes in panels]
    low, high = min(limit[0] for limit in limits), max(limit[1] for limit in limits)
    is_wide = high > _WIDE * low
    if is_wide:
        panels[0].set_yscale("log")
    scale = " (log scale)" if is_wide else ""
    panels[0].set_ylabel(f"training loss:\n{family.measure}{scale}")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    seeds = len(runs[0].runs)
    figure.suptitle(f"{family.title}: training\n(median and range over {seeds} seeds)")
    figure.savefig(path, dpi=110)


def _line(axes: Axes, own: Runs, style: Style) -> None:
    losses = np.stack([_smoothed(run.losses) for run in own.runs])
    steps = np.arange(losses.shape[1]) + 1 + (len(own.runs[0].losses) - losses.shape[1]) // 2
    # A seed that diverged is at infinity, and its line ends there.
    losses = np.where(np.isfinite(losses), losses, np.inf)
    middle, low, high = np.median(losses, axis=0), losses.min(axis=0), losses.max(axis=0)
    axes.plot(
        steps,
        np.where(np.isfinite(middle), middle, np.nan),
        color=style.color,
        linewidth=max(1.6, 0.6 * style.width),
        label=own.rule,
    )
    high = np.where(np.isfinite(high), high, np.nan)
    axes.fill_between(steps, low, high, color=style.color, alpha=0.15, linewidth=0)


def _smoothed(losses: np.ndarray) -> np.ndarray:
    window = min(_WINDOW, len(losses))
    return np.convolve(losses, np.full(window, 1 / window), mode="valid")


def shrink(path: Path) -> None:
    """Write a picture again with a palette of 160 colours, a quarter of its size."""
    with Image.open(path) as picture:
        reduced = picture.convert("RGB").quantize(160, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)
