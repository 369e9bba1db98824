"""From torch to JAX: match two models' layers, and carry weights or initialization across."""

from fanwise.porting.check import check
from fanwise.porting.checking import Cause, Fault, Report
from fanwise.porting.correspondence import Correspondence, Pair
from fanwise.porting.initialize import init
from fanwise.porting.match import match
from fanwise.porting.state_dict import state_dict
from fanwise.porting.weights import weights
from fanwise.recording import Recipe

__all__ = [
    "Cause",
    "Correspondence",
    "Fault",
    "Pair",
    "Recipe",
    "Report",
    "check",
    "init",
    "match",
    "state_dict",
    "weights",
]
