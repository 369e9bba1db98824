"""PReLU, the one activation with a parameter: a slope of 0.25."""

from typing import Any

from fanwise.distributions import Constant
from fanwise.layers.kind import Kind, Shapes, Values

__all__ = ["KINDS"]


def _prelu(num_parameters: int = 1, **_: Any) -> Shapes:
    return {"weight": (num_parameters,)}


def _default(init: float = 0.25, **_: Any) -> Values:
    return {"weight": Constant(init)}


KINDS = (Kind("PReLU", _prelu, _default),)
