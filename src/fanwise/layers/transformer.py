"""Transformer and its parts, composed of MultiheadAttention, Linear and LayerNorm.

The layers of TransformerEncoder and TransformerDecoder are deep copies of one layer, so that they
start equal (pytorch #72253, #86274). Transformer then draws every matrix again, xavier_uniform;
the biases of its layers stay equal.
"""

from functools import partial
from typing import Any

from fanwise.initializers import xavier_uniform
from fanwise.layers import attention, linear, normalization
from fanwise.layers.kind import Derived, Draw, Kind, Shapes, Values
from fanwise.layouts import TORCH

__all__ = ["KINDS"]

_BY_NAME = {kind.name: kind for kind in (*attention.KINDS, *linear.KINDS, *normalization.KINDS)}

# The children of a layer in order of definition, which is that of drawing and of naming.
Children = dict[str, tuple[Kind, dict[str, Any]]]


def _children(
    is_decoder: bool,
    d_model: int,
    dim_feedforward: int = 2048,
    bias: bool = True,
    **_: Any,
) -> Children:
    attend = (_BY_NAME["MultiheadAttention"], {"embed_dim": d_model, "bias": bias})
    norm = (_BY_NAME["LayerNorm"], {"normalized_shape": d_model, "bias": bias})
    up = {"in_features": d_model, "out_features": dim_feedforward, "bias": bias}
    down = {"in_features": dim_feedforward, "out_features": d_model, "bias": bias}
    children: Children = {"self_attn": attend}
    if is_decoder:
        children["multihead_attn"] = attend
    children |= {"linear1": (_BY_NAME["Linear"], up), "linear2": (_BY_NAME["Linear"], down)}
    return children | {f"norm{index + 1}": norm for index in range(3 if is_decoder else 2)}


def _layer_shapes(is_decoder: bool, **hyperparameters: Any) -> Shapes:
    return {
        f"{child}.{name}": shape
        for child, (kind, arguments) in _children(is_decoder, **hyperparameters).items()
        for name, shape in kind.shapes(**arguments).items()
    }


def _layer_default(is_decoder: bool, **hyperparameters: Any) -> Values:
    return {
        f"{child}.{name}": value
        for child, (kind, arguments) in _children(is_decoder, **hyperparameters).items()
        for name, value in kind.default(**arguments).items()
    }


def _layer_draws(is_decoder: bool, **hyperparameters: Any) -> tuple[Draw, ...]:
    return tuple(
        (f"{child}.{name}", distribution)
        for child, (kind, arguments) in _children(is_decoder, **hyperparameters).items()
        for name, distribution in kind.drawn(**arguments)
    )


def _stack_shapes(is_decoder: bool, num_layers: int, **hyperparameters: Any) -> Shapes:
    layer = _layer_shapes(is_decoder, **hyperparameters)
    shapes = {
        f"layers.{index}.{name}": shape
        for index in range(num_layers)
        for name, shape in layer.items()
    }
    return shapes | _norm_shapes(**hyperparameters)


def _norm_shapes(d_model: int, norm: bool = False, bias: bool = True, **_: Any) -> Shapes:
    """The normalization at the end of a stack, which torch's Transformer gives it."""
    if not norm:
        return {}
    made = _BY_NAME["LayerNorm"].shapes(normalized_shape=d_model, bias=bias)
    return {f"norm.{name}": shape for name, shape in made.items()}


def _stack_default(is_decoder: bool, num_layers: int, **hyperparameters: Any) -> Values:
    layer = _layer_default(is_decoder, **hyperparameters)
    values: Values = {f"layers.0.{name}": value for name, value in layer.items()}
    for index in range(1, num_layers):
        values |= {
            f"layers.{index}.{name}": Derived(
                f"equal to layers.0.{name}", _same, (f"layers.0.{name}",)
            )
            for name in layer
        }
    norm = _norm_shapes(**hyperparameters)
    arguments = {"normalized_shape": hyperparameters["d_model"]}
    at_end = _BY_NAME["LayerNorm"].default(**arguments)
    return values | {name: at_end[name.removeprefix("norm.")] for name in norm}


def _same(array: Any) -> Any:
    return array


def _stack_draws(is_decoder: bool, num_layers: int, **hyperparameters: Any) -> tuple[Draw, ...]:
    """The one layer that is copied was drawn before the stack was made: it counts as the first."""
    draws = _layer_draws(is_decoder, **hyperparameters)
    return tuple((f"layers.0.{name}", distribution) for name, distribution in draws)


def _stacks(
    num_encoder_layers: int = 6, num_decoder_layers: int = 6, **hyperparameters: Any
) -> dict[str, dict[str, Any]]:
    common = {"d_model": 512, **hyperparameters, "norm": True}
    return {
        "encoder": {"is_decoder": False, "num_layers": num_encoder_layers, **common},
        "decoder": {"is_decoder": True, "num_layers": num_decoder_layers, **common},
    }


def _transformer_shapes(**hyperparameters: Any) -> Shapes:
    return {
        f"{stack}.{name}": shape
        for stack, arguments in _stacks(**hyperparameters).items()
        for name, shape in _stack_shapes(**arguments).items()
    }


def _redrawn(shapes: Shapes) -> Values:
    xavier = xavier_uniform(layout=TORCH)
    return {name: xavier.distribution(shape) for name, shape in shapes.items() if len(shape) > 1}


def _transformer_default(**hyperparameters: Any) -> Values:
    values: Values = {}
    for stack, arguments in _stacks(**hyperparameters).items():
        for name, value in _stack_default(**arguments).items():
            if isinstance(value, Derived):
                sources = tuple(f"{stack}.{source}" for source in value.sources)
                value = Derived(f"equal to {sources[0]}", value.compute, sources)
            values[f"{stack}.{name}"] = value
    return values | _redrawn(_transformer_shapes(**hyperparameters))


def _transformer_draws(**hyperparameters: Any) -> tuple[Draw, ...]:
    draws: list[Draw] = []
    for stack, arguments in _stacks(**hyperparameters).items():
        draws += [(f"{stack}.{name}", drawn) for name, drawn in _stack_draws(**arguments)]
    again = _redrawn(_transformer_shapes(**hyperparameters))
    return (*draws, *again.items())  # type: ignore[arg-type]


def _kinds(part: str, is_decoder: bool) -> tuple[Kind, Kind]:
    return (
        Kind(
            f"Transformer{part}Layer",
            partial(_layer_shapes, is_decoder),
            partial(_layer_default, is_decoder),
            partial(_layer_draws, is_decoder),
        ),
        Kind(
            f"Transformer{part}",
            partial(_stack_shapes, is_decoder),
            partial(_stack_default, is_decoder),
            partial(_stack_draws, is_decoder),
        ),
    )


KINDS = (
    *_kinds("Encoder", is_decoder=False),
    *_kinds("Decoder", is_decoder=True),
    Kind("Transformer", _transformer_shapes, _transformer_default, _transformer_draws),
)
