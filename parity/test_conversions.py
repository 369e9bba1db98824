"""Layers of linen and nnx start and compute as torch's; where one does not, it is noticed."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import fanwise
from fanwise.distributions import Uniform
from fanwise.frameworks import linen
from fanwise.layers import Piece, View
from fanwise.rules import chain, torch_default
from parity.conversions_compare import TOLERANCE, compare
from parity.conversions_linen import LINEN
from parity.conversions_nnx import NNX
from parity.conversions_pairs import PAIRS

BY_NAME = {str(pair): pair for pair in PAIRS}


PAIRED = [
    pytest.param(framework, pair, id=f"{framework.name}: {pair}")
    for framework in (LINEN, NNX)
    for pair in PAIRS
    if framework.has(pair)
]


def test_names_are_distinct():
    assert len(BY_NAME) == len(PAIRS)
    assert len(PAIRED) > 1.8 * len(PAIRS)


@pytest.mark.parametrize(("framework", "pair"), PAIRED)
def test_it_starts_and_computes_as_torch(framework, pair, seed):
    compared = compare(pair, framework, seed)
    assert compared.lines == ()
    assert compared.off <= TOLERANCE


def _pieces(change):
    """An error in where a layer's parameters live."""

    def spoil(layer):
        leaves = [replace(leaf, pieces=tuple(map(change, leaf.pieces))) for leaf in layer.leaves]
        return replace(layer, leaves=tuple(leaves))

    return spoil


def _gates_swapped(piece: Piece) -> Piece:
    if piece.part is None or piece.part[0] < 2:
        return piece
    return replace(piece, part=(5 - piece.part[0], 4))


def _not_flipped(piece: Piece) -> Piece:
    return replace(piece, view=View(piece.view.pattern))


def _heads_last(piece: Piece) -> Piece:
    """The features of a head before the heads."""
    if piece.view.pattern != "(n d) i -> i n d":
        return piece
    return replace(piece, view=View("(d n) i -> i n d", piece.view.sizes))


def _squares_not_transposed(piece: Piece) -> Piece:
    return replace(piece, view=View("o i -> o i"))


@pytest.mark.parametrize(
    ("pair", "change"),
    [
        ("LSTM as RNN(LSTMCell)", _gates_swapped),
        ("ConvTranspose2d as ConvTranspose, transpose_kernel=False, bias=False", _not_flipped),
        ("MultiheadAttention as MultiHeadAttention", _heads_last),
    ],
)
def test_a_wrong_place_is_noticed(pair, change, seed):
    compared = compare(BY_NAME[pair], LINEN, seed, spoil=_pieces(change))
    assert "outputs off by" in compared.lines[-1]
    assert compared.off > 100 * TOLERANCE


def _without_hidden_biases(layer):
    """One uniform for torch's two biases."""
    return {name: fanwise.zeros() for name in layer.shapes if name.startswith("bias_hh")}


def _unpacked(layer):
    return {name: Uniform(-0.5, 0.5) for name in layer.shapes if name == "in_proj_weight"}


def _fan_of_inputs(layer):
    return {"weight": fanwise.kaiming_uniform(a=5**0.5, mode="fan_out")}


def _constant_size(layer):
    return {"parametrizations.weight.original0": fanwise.ones()}


@pytest.mark.parametrize(
    ("pair", "wrong"),
    [
        ("LSTM as RNN(LSTMCell)", _without_hidden_biases),
        ("GRU as Bidirectional(GRUCell)", _without_hidden_biases),
        ("MultiheadAttention as MultiHeadAttention", _unpacked),
        ("ConvTranspose2d as ConvTranspose, transpose_kernel=False, bias=False", _fan_of_inputs),
        ("Linear as Dense", lambda layer: {"bias": fanwise.zeros()}),
        ("PReLU as PReLU", lambda layer: {"weight": fanwise.constant(0.01)}),
        ("Embedding as Embed", lambda layer: {"weight": fanwise.normal(0.0, 6**-0.5)}),
    ],
)
def test_a_wrong_start_is_noticed(pair, wrong, seed):
    compared = compare(BY_NAME[pair], LINEN, seed, chain(torch_default, wrong))
    assert compared.lines
    assert all("torch asks for" in line for line in compared.lines)
    # The conversion is right all the same.
    assert compared.off <= TOLERANCE


def test_what_is_left_to_flax_is_noticed(seed):
    def weights(layer):
        return {"weight": torch_default(layer)["weight"]}

    (line,) = compare(BY_NAME["Linear as Dense"], LINEN, seed, weights).lines
    assert "left to the framework's own init" in line


@pytest.mark.parametrize(
    "wrap",
    [
        lambda m: nn.WeightNorm(m, feature_axes=0),
        lambda m: nn.WeightNorm(m, variable_filter=None),
        lambda m: nn.WeightNorm(m, use_scale=False),
    ],
)
def test_other_weight_norms_are_no_torch_layer(wrap):
    found = linen.layers(wrap(nn.Dense(3)), jnp.zeros((1, 4)))
    assert "weight_norm(Linear)" not in {layer.kind for layer in found}


def test_a_weight_norm_starts_as_the_layer_in_it():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.relu(nn.Dense(5)(x))
            return nn.WeightNorm(nn.Dense(6), name="outer")(x)

    x = jnp.ones((2, 4))
    variables = linen.init(Net(), jax.random.key(0), x)
    inner = variables["params"]["Dense_1"]
    scale = variables["params"]["outer"]["Dense_1/kernel/scale"]
    np.testing.assert_allclose(scale, np.linalg.norm(inner["kernel"], axis=0), rtol=1e-6)
    assert abs(np.asarray(inner["kernel"])).max() <= 5**-0.5
    first = nn.relu(nn.Dense(5).apply({"params": variables["params"]["Dense_0"]}, x))
    plain = nn.Dense(6).apply({"params": inner}, first)
    np.testing.assert_allclose(Net().apply(variables, x), plain, atol=1e-6)
    # Flax's own leaves the scale at 1.
    own = Net().init(jax.random.key(0), x)["params"]["outer"]["Dense_1/kernel/scale"]
    assert (own == 1).all()
