"""Traces made of given figures, in decades: no model is run."""

import math

from fanwise.signal.trace_result import LayerSignal, Trace

__all__ = ["DECADE", "chain", "trace_of"]

DECADE = math.log(10.0)


def _log(decades):
    return decades * DECADE


def trace_of(forward, backward=None, *, layers=None, **of_all):
    """A trace of layers whose second moments are 10 to the given powers.

    ``layers`` holds further fields of single layers by their position; nan counts as values that
    are not finite.
    """
    backward = [0.0] * len(forward) if backward is None else backward
    signals = []
    for index, (moment, gradient) in enumerate(zip(forward, backward, strict=True)):
        fields = {
            "path": f"layer_{index}",
            "source": "Dense",
            "kind": "Linear",
            "shape": (32, 64),
            "log_second_moment": _log(moment),
            "finite": 0.5 if math.isnan(moment) else 1.0,
            "log_gradient": _log(gradient),
            "gradient_finite": 0.5 if math.isnan(gradient) else 1.0,
            "before": index - 1 if index else None,
            **of_all,
            **(layers or {}).get(index, {}),
        }
        signals.append(LayerSignal(**fields))
    return Trace(tuple(signals), (), 0.0, signals[-1].log_second_moment if signals else 0.0)


def chain(depth, slope, backward_slope=0.0, *, start=0.0, wobble=0.0, **options):
    """A chain whose signal changes by ``slope`` decades a layer, and its gradient likewise."""
    forward = [start + slope * index + wobble * (-1) ** index for index in range(depth)]
    backward = [backward_slope * (depth - 1 - index) for index in range(depth)]
    return trace_of(forward, backward, **options)
