"""Equinox's recurrent cells in torch's terms: torch's gates, but one bias for two."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from fanwise.frameworks.claims import Claim
from fanwise.layers import Piece

__all__ = ["gru_cell", "lstm_cell"]

Pieces: TypeAlias = dict[tuple[str, ...], tuple[Piece, ...]]

_WEIGHTS = ("weight_ih", "weight_hh")


def lstm_cell(module: Any) -> Claim:
    """One bias, which is the sum of torch's two."""
    pieces: Pieces = {(name,): (Piece(name),) for name in _WEIGHTS}
    pieces[("bias",)] = (Piece("bias_ih"), Piece("bias_hh"))
    return Claim("LSTMCell", _sizes(module), pieces)


def gru_cell(module: Any) -> Claim:
    """Of the new gate both of torch's biases are kept; of the others their sum."""
    size = module.hidden_size
    pieces: Pieces = {(name,): (Piece(name),) for name in _WEIGHTS}
    bias = []
    for gate in range(3):
        at = ((gate * size, (gate + 1) * size),)
        bias.append(Piece("bias_ih", part=(gate, 3), at=at))
        if gate < 2:
            bias.append(Piece("bias_hh", part=(gate, 3), at=at))
    pieces[("bias",)] = tuple(bias)
    pieces[("bias_n",)] = (Piece("bias_hh", part=(2, 3)),)
    return Claim("GRUCell", _sizes(module), pieces)


def _sizes(module: Any) -> Mapping[str, Any]:
    return {
        "input_size": module.input_size,
        "hidden_size": module.hidden_size,
        "bias": module.use_bias,
    }
