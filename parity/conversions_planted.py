"""Planted errors in layers of Flax: in where parameters live, and in what they start as."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import fanwise
from fanwise.distributions import Uniform
from fanwise.layers import Layer, Piece, View
from fanwise.rules import Answer, Rule, chain, torch_default
from parity.conversions_compare import Compared, Framework, compare
from parity.conversions_pair import Pair
from parity.conversions_pairs import PAIRS

__all__ = ["PLANTED_PAIRS", "PlantedPair"]

_BY_NAME = {str(pair): pair for pair in PAIRS}


def _same(layer: Layer) -> Layer:
    return layer


@dataclass(frozen=True)
class PlantedPair:
    """One error.

    Args:
        error: what is wrong, in a few words.
        pair: where it is planted.
        message: in the line that must be reported.
        rule: in place of torch's defaults.
        spoil: of what is known of the layer.
    """

    error: str
    pair: Pair
    message: str
    rule: Rule = torch_default
    spoil: Callable[[Layer], Layer] = _same

    def compared(self, framework: Framework, seed: int) -> Compared:
        """The comparison with the error in it."""
        return compare(self.pair, framework, seed, self.rule, self.spoil)

    def is_caught(self, framework: Framework, seed: int) -> bool:
        """Whether it is reported, in the words that it should be."""
        return any(self.message in line for line in self.compared(framework, seed).lines)


def _start(error: str, pair: str, wrong: Rule) -> PlantedPair:
    return PlantedPair(error, _BY_NAME[pair], "torch asks for", chain(torch_default, wrong))


def _place(error: str, pair: str, change: Callable[[Piece], Piece]) -> PlantedPair:
    def spoil(layer: Layer) -> Layer:
        leaves = [replace(leaf, pieces=tuple(map(change, leaf.pieces))) for leaf in layer.leaves]
        return replace(layer, leaves=tuple(leaves))

    return PlantedPair(error, _BY_NAME[pair], "outputs off by", spoil=spoil)


def _only(error: str, pair: str, *names: str) -> PlantedPair:
    """A rule that leaves the rest to Flax."""

    def rule(layer: Layer) -> Answer:
        values = torch_default(layer) or {}
        return {name: values[name] for name in names}

    return PlantedPair(error, _BY_NAME[pair], "left to the framework's own init", rule)


def _gates_swapped(piece: Piece) -> Piece:
    if piece.part is None or piece.part[0] < 2:
        return piece
    return replace(piece, part=(5 - piece.part[0], 4))


def _not_flipped(piece: Piece) -> Piece:
    return replace(piece, view=View(piece.view.pattern))


def _heads_last(piece: Piece) -> Piece:
    if piece.view.pattern != "(n d) i -> i n d":
        return piece
    return replace(piece, view=View("(d n) i -> i n d", piece.view.sizes))


def _without_hidden_biases(layer: Layer) -> Answer:
    return {name: fanwise.zeros() for name in layer.shapes if name.startswith("bias_hh")}


def _unpacked(layer: Layer) -> Answer:
    return {"in_proj_weight": Uniform(-0.5, 0.5)}


_TRANSPOSED = "ConvTranspose2d as ConvTranspose, transpose_kernel=False, stride=2, padding=1"
_ATTENTION = "MultiheadAttention as MultiHeadAttention"

PLANTED_PAIRS = (
    _start(
        "biases of zero, as Flax has them",
        "Linear as Dense",
        lambda layer: {"bias": fanwise.zeros()},
    ),
    _only("the bias left to Flax", "Linear as Dense", "weight"),
    _start(
        "Flax's embedding",
        "Embedding as Embed",
        lambda layer: {"weight": fanwise.normal(0.0, 6**-0.5)},
    ),
    _start("Flax's slope", "PReLU as PReLU", lambda layer: {"weight": fanwise.constant(0.01)}),
    _start(
        "lecun_normal, as Flax has it",
        "Conv2d as Conv",
        lambda layer: {"weight": fanwise.lecun_normal()},
    ),
    _start(
        "the fans swapped",
        _TRANSPOSED,
        lambda layer: {"weight": fanwise.kaiming_uniform(a=5**0.5, mode="fan_out")},
    ),
    _place("the field not reversed", _TRANSPOSED, _not_flipped),
    _start("one uniform for two biases", "LSTM as RNN(LSTMCell)", _without_hidden_biases),
    _place("gates g and o swapped", "LSTM as RNN(LSTMCell)", _gates_swapped),
    _start("one uniform for two biases", "GRU as Bidirectional(GRUCell)", _without_hidden_biases),
    _start("one uniform for two biases", "RNN as RNN(SimpleCell)", _without_hidden_biases),
    _start("the fan of one projection", _ATTENTION, _unpacked),
    _place("the heads within the features", _ATTENTION, _heads_last),
    _only("running statistics left to Flax", "BatchNorm as BatchNorm, 2d", "weight", "bias"),
    _start(
        "a scale of zero",
        "LayerNorm as LayerNorm",
        lambda layer: {"weight": fanwise.zeros()},
    ),
)
