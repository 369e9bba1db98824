"""Layers of linen and nnx start and compute as torch's; where one does not, it is noticed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from fanwise.frameworks import linen
from parity.conversions_compare import TOLERANCE, compare
from parity.conversions_linen import LINEN
from parity.conversions_nnx import NNX
from parity.conversions_pairs import PAIRS
from parity.conversions_planted import PLANTED_PAIRS

PAIRED = [
    pytest.param(framework, pair, id=f"{framework.name}: {pair}")
    for framework in (LINEN, NNX)
    for pair in PAIRS
    if framework.has(pair)
]


def test_names_are_distinct():
    assert len(set(map(str, PAIRS))) == len(PAIRS)
    assert len(PAIRED) > 1.8 * len(PAIRS)


@pytest.mark.parametrize(("framework", "pair"), PAIRED)
def test_it_starts_and_computes_as_torch(framework, pair, seed):
    compared = compare(pair, framework, seed)
    assert compared.lines == ()
    assert compared.off <= TOLERANCE


PLANTED = [
    pytest.param(framework, planted, id=f"{framework.name}: {planted.error}, {planted.pair}")
    for framework in (LINEN, NNX)
    for planted in PLANTED_PAIRS
    if framework.has(planted.pair)
]


@pytest.mark.parametrize(("framework", "planted"), PLANTED)
def test_planted_errors_are_caught_and_nothing_else_is_said(framework, planted, seed):
    compared = planted.compared(framework, seed)
    assert compared.lines
    assert all(planted.message in line for line in compared.lines)
    # An error in where a parameter lives is plain, and one in how it starts changes no output.
    is_place = planted.message == "outputs off by"
    assert compared.off > 100 * TOLERANCE if is_place else compared.off <= TOLERANCE


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
