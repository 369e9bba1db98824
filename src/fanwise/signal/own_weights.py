"""The size of the arrays that each layer of a trace has itself."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fanwise.layers import Leaf
from fanwise.signal.naming import index_of
from fanwise.signal.program import Measured
from fanwise.signal.signals import Place, Places
from fanwise.signal.trace_result import LayerSignal

__all__ = ["OwnWeights", "own_weights"]


@dataclass(frozen=True)
class OwnWeights:
    """Logarithms of second moments: nan where there is no such array, inf where one is not finite.

    Args:
        matrix: of the matrices and kernels, all of their elements together.
        bias: of the arrays with one axis.
    """

    matrix: float = math.nan
    bias: float = math.nan


def own_weights(
    places: Places, measured: Measured, layers: Sequence[LayerSignal]
) -> list[OwnWeights]:
    """One for each layer of a trace.

    Args:
        places: where the layers are.
        measured: what the pass gave that the trace is of.
        layers: the trace's.
    """
    by_call: Mapping[Any, Place] = {
        (place.path, places.program.occurrences[place.output].source, place.call): place
        for place in places.every
    }
    return [_of(by_call[each.path, each.source, each.call], measured.weights) for each in layers]


def _of(place: Place, weights: Mapping[Any, Any]) -> OwnWeights:
    known = [leaf for leaf in place.leaves if leaf.path in weights]
    matrices = [leaf for leaf in known if len(leaf.shape) > 1]
    biases = [leaf for leaf in known if len(leaf.shape) == 1]
    return OwnWeights(_together(matrices, weights), _together(biases, weights))


def _together(leaves: Sequence[Leaf], weights: Mapping[Any, Any]) -> float:
    if not leaves:
        return math.nan
    logs = [float(weights[leaf.path][index_of(leaf)][0]) for leaf in leaves]
    largest = max(logs)
    if any(math.isnan(log) or log == math.inf for log in logs):
        return math.inf
    if largest == -math.inf:
        return largest
    sizes = [math.prod(leaf.shape) for leaf in leaves]
    total = sum(n * math.exp(log - largest) for n, log in zip(sizes, logs, strict=True))
    return largest + math.log(total / sum(sizes))
