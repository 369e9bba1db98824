"""From torch to JAX: match two models' layers, and carry weights or initialization across."""

from fanwise.porting.correspondence import Correspondence, Pair
from fanwise.porting.state_dict import state_dict
from fanwise.porting.weights import weights

__all__ = ["Correspondence", "Pair", "state_dict", "weights"]
