"""torch's operations as expressions: each name of ATen that may stand between draws.

An in-place operation is the pure one of the same name, and so is one with ``out=``. What is not
listed cannot be expressed, and makes what it computes unknown.
"""

from typing import Any

from fanwise.frameworks import torch_record_arithmetic, torch_record_shapes
from fanwise.frameworks.torch_record_calls import Operands, Rule, Shape

__all__ = ["OVERWRITES", "RULES", "expressed"]

OVERWRITES = frozenset({"copy", "fill", "zero", "eye", "arange", "linspace"})
"""In-place operations after which nothing is left of what was there."""

RULES: dict[str, Rule] = {**torch_record_arithmetic.RULES, **torch_record_shapes.RULES}
"""By name, without the underscore of in-place operations."""


def expressed(name: str, operands: Operands, shape: Shape, dtype: str) -> Any:
    """The result of an operation; None if it cannot be expressed."""
    rule = RULES.get(name)
    return None if rule is None else rule(operands, shape, dtype)
