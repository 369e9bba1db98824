"""The picture: time per element against elements, and the models side by side."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.results import Results

__all__ = ["draw"]

_DISTRIBUTIONS = ("uniform", "normal", "trunc_normal", "orthogonal")

# One colour a framework, fanwise the one that stands out; the same framework's other ways differ
# by their lines and shades.
_STYLES: dict[str, dict[str, Any]] = {
    "fanwise": {"color": "#c0392b", "marker": "o"},
    "fanwise jit": {"color": "#c0392b", "marker": "o", "linestyle": "--", "markerfacecolor": "w"},
    "jax": {"color": "#2c6fbb", "marker": "s"},
    "jax jit": {"color": "#2c6fbb", "marker": "s", "linestyle": "--", "markerfacecolor": "w"},
    "torch": {"color": "#7a7a7a", "marker": "^"},
}
_BARS = {
    "fanwise": "#c0392b",
    "fanwise default": "#d4695d",
    "fanwise from linen": "#e08a80",
    "linen jit": "#2c6fbb",
    "linen eager": "#7fabdb",
    "nnx eager": "#b9d2ee",
    "torch": "#7a7a7a",
    "torch default": "#b5b5b5",
}


def draw(results: Results, path: Path) -> None:
    """Write the picture as PNG."""
    figure = plt.figure(figsize=(13, 9), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1.1))
    panels = above.subplots(1, len(_DISTRIBUTIONS), sharey=False)
    for axes, distribution in zip(panels, _DISTRIBUTIONS, strict=True):
        _kernels(results, distribution, axes)
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        above.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    above.suptitle("Drawing one float32 kernel, warm (band: quartiles)")
    networks = results.values("network", part="models") or [None]
    panels = below.subplots(1, len(networks), squeeze=False)[0]
    for axes, network in zip(panels, networks, strict=True):
        if network is not None:
            _bars(results, network, axes)
    below.suptitle("Making all parameters of a model (line: quartiles)")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _kernels(results: Results, distribution: str, axes: Axes) -> None:
    labels = {
        "part": "kernels",
        "quantity": "warm seconds",
        "distribution": distribution,
        "dtype": "float32",
    }
    for name, style in _STYLES.items():
        # Batches are left out: their time is not one of their number of elements.
        points = sorted(
            (found.labels["elements"], found.spread)
            for found in results.where(**labels, contestant=name)
            if len(found.labels["shape"]) == 2
        )
        if not points:
            continue
        elements = np.array([count for count, _ in points])
        nanoseconds = [
            1e9 * np.array([getattr(spread, which) for _, spread in points]) / elements
            for which in ("lower", "median", "upper")
        ]
        axes.plot(elements, nanoseconds[1], label=name, markersize=4, linewidth=1.4, **style)
        axes.fill_between(
            elements, nanoseconds[0], nanoseconds[2], color=style["color"], alpha=0.15, linewidth=0
        )
    axes.set(
        xscale="log",
        yscale="log",
        title=distribution,
        xlabel="elements",
        ylabel="time per element [ns]",
    )
    axes.grid(True, which="major", alpha=0.3)


def _bars(results: Results, network: str, axes: Axes) -> None:
    """Cold and warm bars of every contestant, the shortest times readable from the numbers."""
    names = results.values("contestant", part="models", network=network)
    height = 0.38
    for index, name in enumerate(names):
        for offset, when, alpha in ((-height / 2, "cold", 1.0), (height / 2, "warm", 0.45)):
            found = results.find(
                part="models", network=network, contestant=name, quantity=f"{when} seconds"
            )
            if found is None:
                continue
            spread = found.spread
            axes.barh(
                index + offset,
                spread.median,
                height,
                color=_BARS.get(name, "k"),
                alpha=alpha,
                xerr=[[spread.median - spread.lower], [spread.upper - spread.median]],
                error_kw={"linewidth": 0.8},
            )
            axes.text(
                spread.upper,
                index + offset,
                f"  {spread.median:.2f} {when}",
                va="center",
                fontsize=7.5,
            )
    elements = results.values("elements", part="models", network=network)[0]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.35)
    axes.set(xlabel="time [s]", title=f"{network}, {elements / 1e6:.3g} million elements")
    axes.grid(True, axis="x", alpha=0.3)
