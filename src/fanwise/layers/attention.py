"""MultiheadAttention: xavier_uniform for what projects in, the Linear's own default for out.

With one width for query, key and value the three projections are one packed weight (3E, E),
whose fan_out is 3E: U(-b, b) with b = sqrt(6 / 4E), smaller than for each by itself.
"""

import math
from typing import Any

from fanwise.distributions import Constant, Uniform
from fanwise.initializers import xavier_normal, xavier_uniform
from fanwise.layers.kind import Draw, Kind, Shapes, Values
from fanwise.layouts import TORCH

__all__ = ["KINDS"]


def _shapes(
    embed_dim: int,
    bias: bool = True,
    add_bias_kv: bool = False,
    kdim: int | None = None,
    vdim: int | None = None,
    **_: Any,
) -> Shapes:
    widths = (embed_dim, kdim or embed_dim, vdim or embed_dim)
    shapes: Shapes = {}
    if widths == (embed_dim,) * 3:
        shapes["in_proj_weight"] = (3 * embed_dim, embed_dim)
    else:
        for name, width in zip("qkv", widths, strict=True):
            shapes[f"{name}_proj_weight"] = (embed_dim, width)
    if bias:
        shapes["in_proj_bias"] = (3 * embed_dim,)
    if add_bias_kv:
        shapes |= {"bias_k": (1, 1, embed_dim), "bias_v": (1, 1, embed_dim)}
    shapes["out_proj.weight"] = (embed_dim, embed_dim)
    if bias:
        shapes["out_proj.bias"] = (embed_dim,)
    return shapes


def _default(**hyperparameters: Any) -> Values:
    return {name: _value(name, shape) for name, shape in _shapes(**hyperparameters).items()}


def _value(name: str, shape: tuple[int, ...]) -> Any:
    if name in ("bias_k", "bias_v"):
        return xavier_normal(layout=TORCH).distribution(shape)
    if name == "out_proj.weight":
        return _linear(shape[1])
    if name.endswith("bias"):
        return Constant(0.0)
    return xavier_uniform(layout=TORCH).distribution(shape)


def _linear(fan_in: int) -> Uniform:
    bound = 1 / math.sqrt(fan_in)
    return Uniform(-bound, bound)


def _draws(**hyperparameters: Any) -> tuple[Draw, ...]:
    """The output projection draws itself, its bias too, before that is set to zero."""
    values = _default(**hyperparameters)
    fan_in = hyperparameters["embed_dim"]
    draws: list[Draw] = [("out_proj.weight", _linear(fan_in))]
    if "out_proj.bias" in values:
        draws.append(("out_proj.bias", _linear(fan_in)))
    for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
        if name in values:
            draws.append((name, _value(name, _shapes(**hyperparameters)[name])))
    for name in ("bias_k", "bias_v"):
        if name in values:
            draws.append((name, _value(name, _shapes(**hyperparameters)[name])))
    return tuple(draws)


KINDS = (Kind("MultiheadAttention", _shapes, _default, _draws),)
