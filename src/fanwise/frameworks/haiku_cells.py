"""Haiku's recurrent cores in torch's terms: where torch's gates and biases are in their arrays.

Where torch adds two biases Haiku mostly has one: it starts as the sum of both.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from fanwise.frameworks.claims import Claim
from fanwise.layers import Piece, View

__all__ = ["gru", "lstm", "vanilla_rnn"]

Names: TypeAlias = tuple[str, ...]
Shapes: TypeAlias = Mapping[Names, tuple[int, ...]]
Pieces: TypeAlias = dict[Names, tuple[Piece, ...]]

_TRANSPOSED = View("o i -> i o")


def lstm(module: Any, shapes: Shapes) -> Claim:
    """One matrix over input and state, its gates in the order input, cell, forget, output."""
    hidden = module.hidden_size
    rows, _ = shapes["linear", "w"]
    width = rows - hidden
    weights, biases = [], []
    for gate, position in enumerate((0, 2, 1, 3)):
        columns = (position * hidden, (position + 1) * hidden)
        part = (gate, 4)
        weights.append(Piece("weight_ih", _TRANSPOSED, part, ((0, width), columns)))
        weights.append(Piece("weight_hh", _TRANSPOSED, part, ((width, rows), columns)))
        biases.append(Piece("bias_ih", part=part, at=(columns,)))
        biases.append(Piece("bias_hh", part=part, at=(columns,)))
    sizes = {"input_size": width, "hidden_size": hidden, "bias": True}
    pieces: Pieces = {("linear", "w"): tuple(weights), ("linear", "b"): tuple(biases)}
    lost = ("a forget gate to which nothing is added: Haiku adds 1 to its bias when it runs",)
    return Claim("LSTMCell", sizes, pieces, lost)


def gru(module: Any, shapes: Shapes) -> Claim:
    """Gates in the order update, reset, new."""
    hidden = module.hidden_size
    inputs, hiddens, biases = [], [], []
    for gate, position in enumerate((1, 0, 2)):
        columns = (position * hidden, (position + 1) * hidden)
        part = (gate, 3)
        inputs.append(Piece("weight_ih", _TRANSPOSED, part, ((0, shapes[("w_i",)][0]), columns)))
        hiddens.append(Piece("weight_hh", _TRANSPOSED, part, ((0, hidden), columns)))
        biases.append(Piece("bias_ih", part=part, at=(columns,)))
        if gate < 2:
            biases.append(Piece("bias_hh", part=part, at=(columns,)))
    sizes = {"input_size": shapes[("w_i",)][0], "hidden_size": hidden, "bias": True}
    pieces: Pieces = {
        ("w_i",): tuple(inputs),
        ("w_h",): tuple(hiddens),
        ("b",): tuple(biases),
    }
    lost = (
        "bias_hh, its last third",
        "a reset after the product with weight_hh: Haiku resets the state before it",
        "an update gate that keeps the old state: Haiku's keeps the new one",
    )
    return Claim("GRUCell", sizes, pieces, lost)


def vanilla_rnn(module: Any, shapes: Shapes) -> Claim:
    """torch's with nonlinearity="relu"; with one bias it is the sum of torch's two."""
    pieces: Pieces = {
        ("linear", "w"): (Piece("weight_ih", _TRANSPOSED),),
        ("linear_1", "w"): (Piece("weight_hh", _TRANSPOSED),),
    }
    if ("linear_1", "b") in shapes:
        pieces["linear", "b"] = (Piece("bias_ih"),)
        pieces["linear_1", "b"] = (Piece("bias_hh"),)
    else:
        pieces["linear", "b"] = (Piece("bias_ih"), Piece("bias_hh"))
    width, hidden = shapes["linear", "w"]
    sizes = {"input_size": width, "hidden_size": hidden, "bias": True}
    return Claim("RNNCell", sizes, pieces)
