"""Pairs of recurrent layers, cells and attention."""

from typing import Any

import torch
from flax import linen, nnx
from torch import nn

from parity.conversions_pair import Pair, first_output

__all__ = ["PAIRS"]

_CELLS: tuple[tuple[str, str], ...] = (
    ("LSTM", "LSTMCell"),
    ("LSTM", "OptimizedLSTMCell"),
    ("GRU", "GRUCell"),
    ("RNN", "SimpleCell"),
)


def _layers(kind: str, name: str) -> list[Pair]:
    layer: Any = getattr(nn, kind)
    cell: Any = getattr(linen, name)
    nnx_cell: Any = getattr(nnx, name)
    sequence = ((3, 6, 5),)
    return [
        Pair(
            kind,
            f"RNN({name})",
            lambda: layer(5, 7, batch_first=True),
            lambda: linen.RNN(cell(7)),
            sequence,
            first_output,
            lambda rngs: nnx.RNN(nnx_cell(5, 7, rngs=rngs), rngs=rngs),
        ),
        Pair(
            kind,
            f"Bidirectional({name})",
            lambda: layer(5, 7, batch_first=True, bidirectional=True),
            lambda: linen.Bidirectional(linen.RNN(cell(7)), linen.RNN(cell(7))),
            sequence,
            first_output,
            lambda rngs: nnx.Bidirectional(
                nnx.RNN(nnx_cell(5, 7, rngs=rngs), rngs=rngs),
                nnx.RNN(nnx_cell(5, 7, rngs=rngs), rngs=rngs),
                rngs=rngs,
            ),
        ),
    ]


class _Step(linen.Module):
    """linen's carry of an LSTM is (c, h), here made of c alone."""

    cell: linen.Module

    @linen.compact
    def __call__(self, c: Any, x: Any) -> Any:
        return self.cell((c, linen.tanh(c)), x)


class _NnxStep(nnx.Module):
    def __init__(self, cell: Any) -> None:
        self.cell = cell

    def __call__(self, c: Any, x: Any) -> Any:
        return self.cell((c, nnx.tanh(c)), x)


def _lstm_step(module: nn.Module, c: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    output: torch.Tensor = module(x, (torch.tanh(c), c))[0]
    return output


def _step(module: nn.Module, h: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    output: torch.Tensor = module(x, h)
    return output


def _cell(kind: str, name: str) -> Pair:
    """One step from a state that is given."""
    layer: Any = getattr(nn, f"{kind}Cell")
    cell: Any = getattr(linen, name)
    nnx_cell: Any = getattr(nnx, name)
    is_lstm = kind == "LSTM"
    return Pair(
        f"{kind}Cell",
        name,
        lambda: layer(5, 7),
        lambda: _Step(cell(7)) if is_lstm else cell(7),
        ((3, 7), (3, 5)),
        _lstm_step if is_lstm else _step,
        lambda rngs: _NnxStep(nnx_cell(5, 7, rngs=rngs)) if is_lstm else nnx_cell(5, 7, rngs=rngs),
        lambda result: result[1],
    )


def _attention(label: str, widths: tuple[int, int, int], bias: bool) -> Pair:
    query, key, value = widths
    ours: dict[str, Any] = {"qkv_features": 12, "out_features": 12, "use_bias": bias}
    return Pair(
        "MultiheadAttention",
        f"MultiHeadAttention{label}",
        lambda: nn.MultiheadAttention(12, 3, bias=bias, kdim=key, vdim=value, batch_first=True),
        lambda: linen.MultiHeadDotProductAttention(3, **ours),
        ((2, 4, query), (2, 6, key), (2, 6, value)),
        first_output,
        # One width for keys and values is all that nnx has.
        None
        if key != value
        else lambda rngs: nnx.MultiHeadAttention(
            3, query, **ours, in_kv_features=key, decode=False, rngs=rngs
        ),
    )


PAIRS: tuple[Pair, ...] = (
    *(pair for kind, name in _CELLS for pair in _layers(kind, name)),
    *(_cell(kind, name) for kind, name in _CELLS),
    _attention("", (12, 12, 12), True),
    _attention(", no bias", (12, 12, 12), False),
    _attention(", three widths", (12, 5, 8), True),
    _attention(", two widths", (12, 5, 5), True),
)
