"""How a signal travels through a model: measured forward and backward, with theory beside it.

``trace`` measures one start of a model, ``compare`` several rules and seeds and recommends one,
``check`` is for test suites and ``balance`` scales weights until every layer's output has unit
variance. ``mean_field`` and ``critical_sigma_w`` say how deep a signal reaches in theory.
"""

from fanwise.signal.balance import balance
from fanwise.signal.candidates import CANDIDATES
from fanwise.signal.check import check
from fanwise.signal.check_result import Check
from fanwise.signal.compare import compare
from fanwise.signal.comparison import Comparison
from fanwise.signal.critical_line import critical_sigma_w
from fanwise.signal.mean_field import MeanField, mean_field
from fanwise.signal.recommend import Recommendation
from fanwise.signal.trace import trace
from fanwise.signal.trace_result import LayerSignal, Trace

__all__ = [
    "CANDIDATES",
    "Check",
    "Comparison",
    "LayerSignal",
    "MeanField",
    "Recommendation",
    "Trace",
    "balance",
    "check",
    "compare",
    "critical_sigma_w",
    "mean_field",
    "trace",
]
