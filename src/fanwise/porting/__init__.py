"""From torch to JAX: match two models' layers, and carry weights or initialization across."""

from fanwise.porting.correspondence import Correspondence, Pair

__all__ = ["Correspondence", "Pair"]
