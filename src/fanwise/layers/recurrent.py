"""RNN, LSTM, GRU and their cells: U(-1/sqrt(hidden_size), 1/sqrt(hidden_size)) for everything.

hidden_size it is with ``proj_size`` too. Gates are stacked along the first axis, in torch's order:
input, forget, cell, output for the LSTM; reset, update, new for the GRU.
"""

import math
from functools import partial
from typing import Any

from fanwise.distributions import Uniform
from fanwise.layers.kind import Kind, Shapes, Values

__all__ = ["GATES", "KINDS"]

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


def _layer(
    gates: int,
    input_size: int,
    hidden_size: int,
    num_layers: int = 1,
    bias: bool = True,
    bidirectional: bool = False,
    proj_size: int = 0,
    **_: Any,
) -> Shapes:
    rows, output = gates * hidden_size, proj_size or hidden_size
    directions = ("", "_reverse") if bidirectional else ("",)
    shapes: Shapes = {}
    for layer in range(num_layers):
        width = input_size if layer == 0 else len(directions) * output
        for direction in directions:
            suffix = f"_l{layer}{direction}"
            shapes[f"weight_ih{suffix}"] = (rows, width)
            shapes[f"weight_hh{suffix}"] = (rows, output)
            if bias:
                shapes[f"bias_ih{suffix}"] = (rows,)
                shapes[f"bias_hh{suffix}"] = (rows,)
            if proj_size:
                shapes[f"weight_hr{suffix}"] = (proj_size, hidden_size)
    return shapes


def _cell(gates: int, input_size: int, hidden_size: int, bias: bool = True, **_: Any) -> Shapes:
    rows = gates * hidden_size
    shapes: Shapes = {"weight_ih": (rows, input_size), "weight_hh": (rows, hidden_size)}
    return shapes | ({"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {})


def _default(shapes: Any, gates: int, *, hidden_size: int, **hyperparameters: Any) -> Values:
    bound = 1 / math.sqrt(hidden_size)
    made: Shapes = shapes(gates, hidden_size=hidden_size, **hyperparameters)
    return {name: Uniform(-bound, bound) for name in made}


def _base(mode: str, **hyperparameters: Any) -> Shapes:
    # The mode of an RNN names its nonlinearity as well.
    return _layer(GATES[mode.partition("_")[0]], **hyperparameters)


def _base_default(mode: str, **hyperparameters: Any) -> Values:
    return _default(_layer, GATES[mode.partition("_")[0]], **hyperparameters)


def _cell_base(num_chunks: int, **hyperparameters: Any) -> Shapes:
    return _cell(num_chunks, **hyperparameters)


def _cell_base_default(num_chunks: int, **hyperparameters: Any) -> Values:
    return _default(_cell, num_chunks, **hyperparameters)


KINDS = (
    *(
        Kind(f"{name}{suffix}", partial(shapes, gates), partial(_default, shapes, gates))
        for suffix, shapes in (("", _layer), ("Cell", _cell))
        for name, gates in GATES.items()
    ),
    # The classes that these are derived from, which torch exports too.
    Kind("RNNBase", _base, _base_default),
    Kind("RNNCellBase", _cell_base, _cell_base_default),
)
