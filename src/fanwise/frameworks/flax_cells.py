"""Flax's recurrent cells in torch's terms, linen's and nnx's alike.

Where torch adds two biases Flax has one: it starts as the sum of both. The gates of torch stand
one below the other in one matrix; Flax mostly has a matrix for each.
"""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from fanwise.frameworks.claims import Claim
from fanwise.layers import Piece, View

__all__ = ["CELLS", "UNKNOWN_CELLS", "cell_claim"]

Names: TypeAlias = tuple[str, ...]
Shapes: TypeAlias = Mapping[Names, tuple[int, ...]]

_TRANSPOSED = View("o i -> i o")

# A bias of a gate in Flax: which of torch's it is the sum of.
_BOTH, _INPUT, _HIDDEN = ("ih", "hh"), ("ih",), ("hh",)

# For each cell torch's class, and for each array by the name of its layer the matrix, the gate
# (None for all of them) and the biases that are added in its bias.
Gate = tuple[str, tuple[int, int] | None, tuple[str, ...]]
CELLS: Mapping[str, tuple[str, Mapping[str, Gate]]] = {
    "LSTMCell": (
        "LSTM",
        {f"i{gate}": ("ih", (index, 4), ()) for index, gate in enumerate(("i", "f", "g", "o"))}
        # nnx: "if" is a keyword.
        | {"if_": ("ih", (1, 4), ())}
        | {f"h{gate}": ("hh", (index, 4), _BOTH) for index, gate in enumerate("ifgo")},
    ),
    "OptimizedLSTMCell": (
        "LSTM",
        {f"i{gate}": ("ih", (index, 4), ()) for index, gate in enumerate(("i", "f", "g", "o"))}
        | {f"h{gate}": ("hh", (index, 4), _BOTH) for index, gate in enumerate("ifgo")}
        | {"dense_i": ("ih", None, ()), "dense_h": ("hh", None, _BOTH)},
    ),
    "GRUCell": (
        "GRU",
        {
            "ir": ("ih", (0, 3), _BOTH),
            "iz": ("ih", (1, 3), _BOTH),
            "in": ("ih", (2, 3), _INPUT),
            "hr": ("hh", (0, 3), ()),
            "hz": ("hh", (1, 3), ()),
            "hn": ("hh", (2, 3), _HIDDEN),
            "dense_i": ("ih", None, ()),
            "dense_h": ("hh", None, ()),
        },
    ),
    "SimpleCell": (
        "RNN",
        {
            "i": ("ih", None, _BOTH),
            "h": ("hh", None, ()),
            "dense_i": ("ih", None, _BOTH),
            "dense_h": ("hh", None, ()),
        },
    ),
}

# Of which torch has none, though they are made of layers that it has.
UNKNOWN_CELLS = ("MGUCell", "ConvLSTMCell")


def cell_claim(cell: str, shapes: Shapes, suffix: str = "", prefix: Names = ()) -> Claim | None:
    """What a cell is in torch; None for cells that torch does not have.

    Args:
        cell: Flax's class.
        shapes: of its arrays.
        suffix: of torch's names: ``"_l0"`` for the layer of an LSTM, nothing for an LSTMCell.
        prefix: put before the names of the arrays.
    """
    if cell not in CELLS:
        return None
    kind, gates = CELLS[cell]
    pieces: dict[Names, tuple[Piece, ...]] = {}
    lost: tuple[str, ...] = ()
    for (layer, array), shape in shapes.items():
        matrix, part, biases = gates[layer]
        if array == "kernel":
            own: tuple[Piece, ...] = (Piece(f"weight_{matrix}{suffix}", _TRANSPOSED, part),)
        elif biases:
            own = tuple(Piece(f"bias_{name}{suffix}", part=part) for name in biases)
        else:
            own = tuple(_fused_gru_bias(shape[0], suffix))
            lost = (f"bias_hh{suffix}, its last third",)
        pieces[(*prefix, layer, array)] = own
    sizes = {
        "input_size": _rows(shapes, gates, "ih"),
        "hidden_size": _rows(shapes, gates, "hh"),
        "bias": any(array == "bias" for _, array in shapes),
    }
    return Claim(kind if suffix else f"{kind}Cell", sizes, pieces, lost)


def _rows(shapes: Shapes, gates: Mapping[str, Gate], matrix: str) -> int:
    return next(
        shape[0]
        for (layer, array), shape in shapes.items()
        if array == "kernel" and gates[layer][0] == matrix
    )


def _fused_gru_bias(size: int, suffix: str) -> Iterator[Piece]:
    """nnx's GRUCell has no place for the hidden bias of the new gate (flax #5594)."""
    third = size // 3
    for gate in range(3):
        at = ((gate * third, (gate + 1) * third),)
        yield Piece(f"bias_ih{suffix}", part=(gate, 3), at=at)
        if gate < 2:
            yield Piece(f"bias_hh{suffix}", part=(gate, 3), at=at)
