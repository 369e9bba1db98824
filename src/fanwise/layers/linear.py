"""Linear, Bilinear and their kin: U(-1/sqrt(in), 1/sqrt(in)), weight and bias.

torch writes it as ``kaiming_uniform_(a=sqrt(5))`` for the weight.
"""

import math
from typing import Any

from fanwise.distributions import Uniform
from fanwise.initializers import bias_uniform, kaiming_uniform
from fanwise.layers.kind import Kind, Shapes, Values
from fanwise.layouts import TORCH

__all__ = ["KINDS", "weight_and_bias"]


def weight_and_bias(shapes: Shapes) -> Values:
    """torch's default for a layer of these shapes, whose fan_in is that of the weight."""
    weight = kaiming_uniform(a=math.sqrt(5), layout=TORCH).distribution(shapes["weight"])
    values: Values = {"weight": weight}
    if "bias" in shapes:
        fan_in = math.prod(shapes["weight"][1:])
        values["bias"] = bias_uniform(fan_in).distribution(shapes["bias"])
    return values


def _linear(in_features: int, out_features: int, bias: bool = True, **_: Any) -> Shapes:
    shapes = {"weight": (out_features, in_features)}
    return shapes | ({"bias": (out_features,)} if bias else {})


def _linear_default(**hyperparameters: Any) -> Values:
    return weight_and_bias(_linear(**hyperparameters))


def _bilinear(
    in1_features: int, in2_features: int, out_features: int, bias: bool = True, **_: Any
) -> Shapes:
    shapes: Shapes = {"weight": (out_features, in1_features, in2_features)}
    return shapes | ({"bias": (out_features,)} if bias else {})


def _bilinear_default(in1_features: int, **hyperparameters: Any) -> Values:
    # torch leaves the second input out of the fan.
    bound = 1 / math.sqrt(in1_features)
    shapes = _bilinear(in1_features, **hyperparameters)
    return {name: Uniform(-bound, bound) for name in shapes}


def _linear_loss(
    in_features: int,
    num_classes: int,
    out_features: tuple[int, ...] = (),
    bias: bool = False,
    **_: Any,
) -> Shapes:
    made = _linear(in_features, num_classes * math.prod(out_features), bias)
    return {f"linear.{name}": shape for name, shape in made.items()}


def _linear_loss_default(**hyperparameters: Any) -> Values:
    shapes = _linear_loss(**hyperparameters)
    own = weight_and_bias({name.removeprefix("linear."): shape for name, shape in shapes.items()})
    return {f"linear.{name}": value for name, value in own.items()}


KINDS = (
    Kind("Linear", _linear, _linear_default),
    Kind("LazyLinear", _linear, _linear_default),
    Kind("Bilinear", _bilinear, _bilinear_default),
    Kind("LinearCrossEntropyLoss", _linear_loss, _linear_loss_default),
)
