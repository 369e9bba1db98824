"""How a signal travels through a model: measured forward and backward, with theory beside it."""

from fanwise.signal.balance import balance
from fanwise.signal.candidates import CANDIDATES
from fanwise.signal.check import check
from fanwise.signal.check_result import Check
from fanwise.signal.compare import compare
from fanwise.signal.comparison import Comparison
from fanwise.signal.trace import trace
from fanwise.signal.trace_result import LayerSignal, Trace

__all__ = [
    "CANDIDATES",
    "Check",
    "Comparison",
    "LayerSignal",
    "Trace",
    "balance",
    "check",
    "compare",
    "trace",
]
