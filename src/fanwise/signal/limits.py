"""What is allowed of a layer, and of a signal on its way through many."""

import math
from dataclasses import dataclass

from fanwise.layers import family
from fanwise.signal.trace_result import LayerSignal

__all__ = ["Limits", "has_matrix", "is_normalization"]

# The probability with which a layer may leave the limits of its factor by chance.
_CHANCE = 1e-6

_WITH_MATRIX_KINDS = ("Linear", "Conv", "ConvTranspose")
_WITH_MATRIX = (
    *("Dense", "DenseGeneral", "Conv", "ConvLocal", "ConvTranspose", "Einsum"),
    *("Linear", "LinearGeneral"),
)
_NORMALIZATIONS = ("BatchNorm", "LayerNorm", "GroupNorm", "RMSNorm", "InstanceNorm")


@dataclass(frozen=True)
class Limits:
    """Thresholds of :func:`fanwise.signal.check`, which explains them."""

    smallest: float
    largest: float
    smallest_factor: float
    largest_factor: float
    idle: float

    def factors(self, units: int) -> tuple[float, float]:
        """Logarithms of the smallest and the largest factor of a layer with so many units.

        Over the draw of independent weights, E[(W x)^2] is the weights' factor times E[x^2],
        whatever x is. If all examples are alike, as deep in a chain, what is measured varies
        around it as chi-squared of as many degrees of freedom as there are units, divided by
        their number; if they are not, by less.
        """
        from scipy import special  # scipy is there wherever jax is

        low = special.chdtri(units, 1 - _CHANCE) / units
        high = special.chdtri(units, _CHANCE) / units
        return (
            math.log(self.smallest_factor) + math.log(low),
            math.log(self.largest_factor) + math.log(high),
        )


def has_matrix(source: str, kind: str | None) -> bool:
    """Whether a layer is a matrix times its input, plus a bias at most.

    Args:
        source: the framework's class.
        kind: torch's, of the layer that it is or, as a projection of attention, belongs to. The
            size of a weight in ``weight_norm(Linear)`` and the like is not its own.
    """
    if kind is None or kind == "MultiheadAttention":
        return source in _WITH_MATRIX
    return family(kind) in _WITH_MATRIX_KINDS


def is_normalization(signal: LayerSignal) -> bool:
    """Whether a layer gives its output a scale of its own."""
    return signal.source in _NORMALIZATIONS
