"""What is taken for Flax's default is what Flax draws, array by array, in linen and nnx."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from fanwise.distributions import Constant, Orthogonal
from fanwise.frameworks.flax_defaults import flax_default, name_of_default
from fanwise.layers import Layer, Leaf, Piece
from fanwise.porting.checking import flax_model
from fanwise.porting.checking.compare import fits
from fanwise.porting.checking.describe import describe
from fanwise.porting.checking.samples import draws_of
from fanwise.porting.checking.structure import structure_of
from fanwise.testing import sample_of

IMAGE, ROW, WORDS = jnp.zeros((2, 8, 8, 6)), jnp.zeros((2, 5, 40)), jnp.zeros((2, 5), jnp.int32)

LINEN = {
    "Dense": (linen.Dense(70), ROW),
    "DenseGeneral": (linen.DenseGeneral((7, 9), axis=(-2, -1)), ROW),
    "Conv": (linen.Conv(24, (3, 5), feature_group_count=2), IMAGE),
    "ConvTranspose": (linen.ConvTranspose(24, (3, 3)), IMAGE),
    "ConvTranspose of torch": (linen.ConvTranspose(24, (3, 3), transpose_kernel=True), IMAGE),
    "Embed": (linen.Embed(90, 48), WORDS),
    "attention": (linen.MultiHeadDotProductAttention(4, qkv_features=40), ROW),
    "LSTM": (linen.RNN(linen.LSTMCell(32)), ROW),
    "OptimizedLSTM": (linen.RNN(linen.OptimizedLSTMCell(32)), ROW),
    "GRU": (linen.RNN(linen.GRUCell(32)), ROW),
    "RNN": (linen.RNN(linen.SimpleCell(32)), ROW),
    "BatchNorm": (linen.BatchNorm(use_running_average=True), IMAGE),
    "LayerNorm": (linen.LayerNorm(), ROW),
    "GroupNorm": (linen.GroupNorm(2), IMAGE),
    "RMSNorm": (linen.RMSNorm(), ROW),
    "PReLU": (linen.PReLU(), ROW),
}
NNX = {
    "Linear": lambda rngs: nnx.Linear(40, 70, rngs=rngs),
    "LinearGeneral": lambda rngs: nnx.LinearGeneral((5, 40), (7, 9), axis=(-2, -1), rngs=rngs),
    "Conv": lambda rngs: nnx.Conv(6, 24, (3, 5), feature_group_count=2, rngs=rngs),
    "ConvTranspose": lambda rngs: nnx.ConvTranspose(6, 24, (3, 3), rngs=rngs),
    "Embed": lambda rngs: nnx.Embed(90, 48, rngs=rngs),
    "attention": lambda rngs: nnx.MultiHeadAttention(4, 40, rngs=rngs),
    "LSTM": lambda rngs: nnx.RNN(nnx.LSTMCell(40, 32, rngs=rngs)),
    "OptimizedLSTM": lambda rngs: nnx.RNN(nnx.OptimizedLSTMCell(40, 32, rngs=rngs)),
    "GRU": lambda rngs: nnx.RNN(nnx.GRUCell(40, 32, rngs=rngs)),
    "RNN": lambda rngs: nnx.RNN(nnx.SimpleCell(40, 32, rngs=rngs)),
    "BatchNorm": lambda rngs: nnx.BatchNorm(6, rngs=rngs),
    "LayerNorm": lambda rngs: nnx.LayerNorm(40, rngs=rngs),
    "RMSNorm": lambda rngs: nnx.RMSNorm(40, rngs=rngs),
    "PReLU": lambda rngs: nnx.PReLU(),
    "WeightNorm": lambda rngs: nnx.WeightNorm(nnx.Linear(40, 70, rngs=rngs), rngs=rngs),
}


def assert_defaults(model, inputs, seed):
    flax = flax_model(model, inputs, {}, None)
    leaves = [(layer, leaf) for layer in flax.layers for leaf in layer.leaves]
    sizes = {leaf.path: int(np.prod(leaf.shape)) for _, leaf in leaves}
    draws = draws_of(flax, jax.random.key(seed), sizes, 2**14)
    assert leaves
    for layer, leaf in leaves:
        default = flax_default(layer, leaf)
        values = draws[leaf.path]
        assert default is not None, leaf.path
        if isinstance(default, Constant):
            np.testing.assert_allclose(values, default.value, rtol=1e-6)
        elif isinstance(default, Orthogonal):
            assert structure_of(values) == {"orthogonality": "orthogonal, gain 1"}, leaf.path
        else:
            sample = sample_of(values)
            assert fits(sample, describe(sample), default), (leaf.path, describe(sample))


@pytest.mark.parametrize("name", LINEN)
def test_linen(name, seed):
    model, inputs = LINEN[name]
    assert_defaults(model, (inputs, inputs) if name == "attention" else (inputs,), seed)


@pytest.mark.parametrize("name", NNX)
def test_nnx(name, seed):
    assert_defaults(NNX[name], (), seed)


def test_another_fan_would_be_noticed(seed):
    """The comparison above tells a fan from one that is 8 % larger."""
    layer, leaf = next(
        (layer, leaf)
        for layer in flax_model(LINEN["Dense"][0], (ROW,), {}, None).layers
        for leaf in layer.leaves
        if leaf.name.endswith("kernel")
    )
    values = flax_default(layer, leaf).sample(jax.random.key(seed), (16384,))
    sample = sample_of(np.asarray(values))
    wider = Layer("", "Linear", {}, {"weight": (70, 43)}, leaves=(leaf,))
    assert fits(sample, describe(sample), flax_default(layer, leaf))
    assert not fits(sample, describe(sample), flax_default(wider, leaf))


def test_parameters_of_nobody_have_none():
    leaf = Leaf(("params", "table"), "table", (3, 4), "float32", (Piece("table"),))
    assert flax_default(Layer("", None, leaves=(leaf,)), leaf) is None


def test_names():
    assert name_of_default(Constant(0.0)) == "0"
    assert name_of_default(Orthogonal()) == "orthogonal"
