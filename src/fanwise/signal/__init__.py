"""How a signal travels through a model: measured forward and backward, with theory beside it."""

from fanwise.signal.trace import trace
from fanwise.signal.trace_result import LayerSignal, Trace

__all__ = ["LayerSignal", "Trace", "trace"]
