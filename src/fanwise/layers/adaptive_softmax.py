"""AdaptiveLogSoftmaxWithLoss: Linear layers, a head and two in a row for each cluster."""

from collections.abc import Sequence
from typing import Any

from fanwise.layers.kind import Kind, Shapes, Values
from fanwise.layers.linear import weight_and_bias

__all__ = ["KINDS"]


def _shapes(
    in_features: int,
    n_classes: int,
    cutoffs: Sequence[int],
    div_value: float = 4.0,
    head_bias: bool = False,
    **_: Any,
) -> Shapes:
    ends = [*cutoffs, n_classes]
    head = ends[0] + len(ends) - 1
    shapes: Shapes = {"head.weight": (head, in_features)}
    if head_bias:
        shapes["head.bias"] = (head,)
    for index in range(len(ends) - 1):
        width = int(in_features // (div_value ** (index + 1)))
        shapes[f"tail.{index}.0.weight"] = (width, in_features)
        shapes[f"tail.{index}.1.weight"] = (ends[index + 1] - ends[index], width)
    return shapes


def _default(**hyperparameters: Any) -> Values:
    values: Values = {}
    shapes = _shapes(**hyperparameters)
    for layer in dict.fromkeys(name.rpartition(".")[0] for name in shapes):
        own = {
            name: shapes[f"{layer}.{name}"]
            for name in ("weight", "bias")
            if f"{layer}.{name}" in shapes
        }
        values |= {f"{layer}.{name}": value for name, value in weight_and_bias(own).items()}
    return values


KINDS = (Kind("AdaptiveLogSoftmaxWithLoss", _shapes, _default),)
