"""How each rule looks in a plot."""

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Style", "styles_for"]

# Okabe and Ito (2008), told apart by the colour-blind; without the yellow, which is faint on white.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">")
_WIDEST, _THINNEST = 4.5, 1.3


@dataclass(frozen=True)
class Style:
    """Colour, marker and width of a rule's line.

    Args:
        color: of the line.
        dark: of the dashes on top of it.
        marker: matplotlib's.
        width: of the line.
    """

    color: str
    dark: tuple[float, ...]
    marker: str
    width: float


def styles_for(rules: Iterable[str]) -> dict[str, Style]:
    """A style for each rule; the first is the widest, so that it shows below one on top of it.

    Example:
        >>> [round(style.width, 1) for style in styles_for(["fan_in", "xavier"]).values()]
        [4.5, 1.3]
    """
    names = list(rules)
    styles = {}
    for index, name in enumerate(names):
        share = index / (len(names) - 1) if len(names) > 1 else 0.8
        color = _COLORS[index % len(_COLORS)]
        styles[name] = Style(
            color,
            _darker(color),
            _MARKERS[index % len(_MARKERS)],
            _WIDEST + (_THINNEST - _WIDEST) * share,
        )
    return styles


def _darker(color: str) -> tuple[float, ...]:
    """A darker shade; of black a grey, which shows on it."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return tuple(0.45 * part for part in parts) if any(parts) else (0.65, 0.65, 0.65)
