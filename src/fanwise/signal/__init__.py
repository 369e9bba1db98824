"""How a signal travels through a model: measured forward and backward, with theory beside it."""

from fanwise.signal.candidates import CANDIDATES
from fanwise.signal.compare import compare
from fanwise.signal.comparison import Comparison
from fanwise.signal.trace import trace
from fanwise.signal.trace_result import LayerSignal, Trace

__all__ = ["CANDIDATES", "Comparison", "LayerSignal", "Trace", "compare", "trace"]
