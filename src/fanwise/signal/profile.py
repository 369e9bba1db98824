"""The size of a signal layer by layer, over several seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fanwise.signal.trace_result import LayerSignal, Trace

__all__ = ["DECADE", "Direction", "Point", "is_broken", "moment_of", "profile"]

Direction: TypeAlias = Literal["forward", "backward"]

DECADE = math.log(10.0)
"""A factor of ten, as a natural logarithm."""


@dataclass(frozen=True)
class Point:
    """The second moment at one layer over all seeds, as natural logarithms.

    Args:
        mean: the mean of the logarithms, which is the logarithm of the geometric mean; -inf if
            the signal is zero for any seed.
        low: the smallest.
        high: the largest.
        expected: what theory expects; nan where it says nothing.
        broken: whether there is an element that is not finite, for any seed.
    """

    mean: float
    low: float
    high: float
    expected: float
    broken: bool

    @property
    def is_zero(self) -> bool:
        """Whether the signal is zero for any seed."""
        return self.low == -math.inf


def moment_of(signal: LayerSignal, direction: Direction) -> float:
    """The logarithm of the second moment: of the output, or of the gradient there."""
    return signal.log_second_moment if direction == "forward" else signal.log_gradient


def is_broken(signal: LayerSignal, direction: Direction) -> bool:
    """Whether an element is not finite, or their second moment is not.

    A layer that did not run, or that no gradient is taken of, has no elements.
    """
    share = signal.finite if direction == "forward" else signal.gradient_finite
    return share < 1.0 or moment_of(signal, direction) == math.inf


def profile(traces: Sequence[Trace], direction: Direction) -> tuple[Point, ...]:
    """A Point for each layer.

    Args:
        traces: one for each seed, all with the same layers.
        direction: ``"forward"`` or ``"backward"``.

    Example:
        >>> one = LayerSignal("fc", "Dense", "Linear", (2, 3), log_second_moment=0.0)
        >>> other = LayerSignal("fc", "Dense", "Linear", (2, 3), log_second_moment=1.0)
        >>> traces = [Trace((each,), (), 0.0, 0.0) for each in (one, other)]
        >>> profile(traces, "forward")[0].mean
        0.5
    """
    layers = zip(*(trace.layers for trace in traces), strict=True)
    return tuple(_point(signals, direction) for signals in layers)


def _point(signals: Sequence[LayerSignal], direction: Direction) -> Point:
    moments = [moment_of(signal, direction) for signal in signals]
    expected = [
        signal.log_expected if direction == "forward" else signal.log_expected_gradient
        for signal in signals
    ]
    broken = any(is_broken(signal, direction) for signal in signals)
    has_nan = any(math.isnan(moment) for moment in moments)
    return Point(
        # sum(), since fsum() raises where inf and -inf meet.
        mean=sum(moments) / len(moments),
        low=math.nan if has_nan else min(moments),
        high=math.nan if has_nan else max(moments),
        expected=sum(expected) / len(expected),
        broken=broken,
    )
