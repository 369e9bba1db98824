"""Drift: how far apart the layers of one model are in scale, in decades."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fanwise.signal.profile import DECADE, Direction, is_broken, moment_of
from fanwise.signal.trace_result import LayerSignal, Trace

__all__ = ["Drift", "counted", "drift_of"]

# A table's scale is a choice of its own and not what a layer makes of its input.
_TABLES = {"Embed", "Embedding", "EmbeddingBag"}


@dataclass(frozen=True)
class Drift:
    """The drift of one model.

    Args:
        forward: of the layers' outputs, in decades of the second moment; inf if the signal is
            lost.
        backward: of the gradients there.
    """

    forward: float
    backward: float


def drift_of(trace: Trace) -> Drift:
    r"""How far apart the largest and the smallest second moment of a model's layers are.

    .. math:: \text{drift} = \max_l \log_{10} q_l - \min_l \log_{10} q_l

    with :math:`q_l` the second moment of layer l's output (forward) or of the gradient there
    (backward). One learning rate has to serve all layers, and one number format: what matters is
    how far they are apart, not how far they are from the input or from the loss, whose scale is
    the data's. For a chain whose layers all multiply by the same factor it is the factor's
    logarithm times the number of layers.

    Which layers count:

    - Not those whose output goes into a normalization and nowhere else. Their scale is divided
      out, forward; and backward the gradient at their output is divided by it, which the layers
      before do not see either.
    - Not the first one and not the last one. How many features an input has, and how many outputs
      a model, makes one factor each, that comes once however deep the model is; before a
      normalization the first one is divided out as well. He et al. (2015) leave out the first
      for that reason.
    - Not an embedding: its scale is its table's, not what became of a signal, and the gradient at
      its output is of that scale, or added up over what looks up the same place.

    A signal with values that are not finite, at any layer, has an infinite drift. So has one that
    is lost: an output of zeros, or a gradient of zeros at the first layer that one is taken of. A
    layer of zeros by itself does not count: blocks whose last scale starts at zero are common in
    residual networks, and the signal goes past them.

    Args:
        trace: of one model.

    Returns:
        A Drift in decades of the second moment; 2 decades are a factor of 10 in the size of the
        values. 0 where fewer than two layers count.

    Example:
        >>> layers = tuple(
        ...     LayerSignal(f"fc{i}", "Dense", "Linear", (2, 3), -i * DECADE, log_gradient=0.0)
        ...     for i in range(5)
        ... )
        >>> drift_of(Trace(layers, (), 0.0, -4.0))
        Drift(forward=2.0, backward=0.0)

    References:
        He et al. (2015), Delving deep into rectifiers, section 2.2.
    """
    return Drift(_drift(trace, "forward"), _drift(trace, "backward"))


def counted(layers: Sequence[LayerSignal]) -> list[LayerSignal]:
    """The layers whose scale counts, see :func:`drift_of`."""
    return [
        signal
        for signal in layers[1:-1]
        if not signal.is_normalized and not {signal.source, signal.kind} & _TABLES
    ]


def _drift(trace: Trace, direction: Direction) -> float:
    if any(is_broken(signal, direction) for signal in trace.layers) or _is_lost(trace, direction):
        return math.inf
    sizes = [moment_of(signal, direction) for signal in counted(trace.layers)]
    # Zeros that are gone past, and what was not measured: of integers, for example.
    logs = [size for size in sizes if math.isfinite(size)]
    return (max(logs) - min(logs)) / DECADE if logs else 0.0


def _is_lost(trace: Trace, direction: Direction) -> bool:
    if direction == "backward":
        taken = [each for each in trace.layers if not math.isnan(each.gradient_finite)]
        return [each.log_gradient for each in taken[:1]] == [-math.inf]
    moments = [signal.log_second_moment for signal in trace.layers]
    measured = [moment for moment in moments if not math.isnan(moment)]
    end = measured[-1:] if math.isnan(trace.log_output) else [trace.log_output]
    return end == [-math.inf]
