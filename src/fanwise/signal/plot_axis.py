"""The axes of a plot: decades upwards, layers to the right."""

import math
from collections.abc import Sequence
from typing import Any

__all__ = ["decades_axis", "names_axis", "short_names", "verbatim"]

# The least height of a panel, in decades, so that noise does not fill it.
_LEAST = 2.0

# Names are written along the axis of at most so many layers, and cut to so many characters.
_NAMED = 30
_LONGEST = 28


def decades_axis(axes: Any, logs: Sequence[float], below: float, above: float) -> None:
    """A logarithmic scale over exponents of 10, which may be beyond what a float holds.

    Args:
        axes: whose y axis holds log10 of what is drawn.
        logs: all that is drawn.
        below: the share of the height that is kept free at the bottom.
        above: at the top.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    low, high = (min(logs), max(logs)) if logs else (-1.0, 1.0)
    lacking = max(0.0, _LEAST - (high - low)) / 2
    margin = 0.05 * max(high - low, _LEAST)
    low, high = low - lacking - margin, high + lacking + margin
    height = (high - low) / max(1.0 - below - above, 0.2)
    axes.set_ylim(low - below * height, high + above * height)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"$10^{{{round(value)}}}$"))
    if high - low < 6:
        axes.set_yticks(
            [
                whole + math.log10(digit)
                for whole in range(math.floor(low), math.ceil(high))
                for digit in range(2, 10)
            ],
            minor=True,
        )
        axes.set_ylim(low - below * height, high + above * height)
    axes.grid(axis="y", color="0.9", zorder=0)
    axes.spines[["top", "right"]].set_visible(False)


def names_axis(axes: Any, names: Sequence[str]) -> None:
    """Names of layers where there is room for them, else their numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0.5, max(len(names), 1) + 0.5)
    if len(names) <= _NAMED:
        axes.set_xticks(
            range(1, len(names) + 1),
            list(map(verbatim, short_names(names))),
            rotation=90 if sum(map(len, names)) > 60 else 0,
            fontsize="medium" if len(names) <= 15 else "small",
        )
        axes.set_xlabel("layer, in order of execution")
        return
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=15, min_n_ticks=1))
    axes.set_xlabel("number of the layer, in order of execution, as in the table")


def short_names(names: Sequence[str]) -> list[str]:
    """The names without their middle where they are long; then with their numbers before them.

    Example:
        >>> short_names(["fc"])
        ['fc']
        >>> short_names(["encoder/layers_0/attention/query_key", "encoder/layers_1/mlp"])
        ['1 encoder/layer…ion/query_key', '2 encoder/layers_1/mlp']
    """
    if all(len(name) <= _LONGEST for name in names):
        return list(names)
    half = (_LONGEST - 1) // 2
    cut = [
        name if len(name) <= _LONGEST else f"{name[:half]}…{name[len(name) - half :]}"
        for name in names
    ]
    return [f"{number} {name}" for number, name in enumerate(cut, start=1)]


def verbatim(text: str) -> str:
    """The text with its dollar signs kept from being read as mathematics."""
    return text.replace("$", r"\$")
