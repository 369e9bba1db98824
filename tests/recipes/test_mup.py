"""muP of whole models, by the paper's tables."""

import math

import jax
import jax.numpy as jnp
import pytest

import fanwise as fw
from fanwise.distributions import Constant, Normal
from fanwise.layers import Derived
from fanwise.recipes import mup
from tests.recipes.laws import agree, laws, uniform
from tests.recipes.models import GPT2, MLP
from tests.recipes.scaling import everywhere, layer, spread

X = jax.ShapeDtypeStruct((1, 10), jnp.float32)


def mlp(width):
    return fw.linen.layers(MLP(width), X)


@pytest.mark.parametrize("table", [8, 3])
@pytest.mark.parametrize("width", [16, 64, 256, 8])
def test_mlp_from_torch_defaults(width, table):
    m = width / 16
    found = laws(mlp(width), mup(mlp(16), table=table))
    readout = 1 / 4 if table == 8 else 1 / 4 / m
    expected = {
        # From ten inputs, whatever the width.
        **dict.fromkeys(("first:weight", "first:bias"), uniform(1 / math.sqrt(10))),
        "hidden:weight": uniform(1 / math.sqrt(width)),
        "hidden:bias": uniform(1 / 4),
        "norm:weight": Constant(1.0),
        "norm:bias": Constant(0.0),
        "readout:weight": uniform(readout),
        "readout:bias": uniform(1 / 4),
    }
    assert agree(found, expected) == set()


def test_at_its_own_width_nothing_changes():
    layers = fw.linen.layers(GPT2(2), jnp.zeros((1, 6), jnp.int32))
    structured = fw.by_kind({"Linear": {"weight": fw.orthogonal()}})
    for rule in (fw.torch_default, fw.recipes.gpt2(2), structured):
        plain = {layer.path: rule(layer) for layer in layers}
        for table in (8, 3):
            same = mup(layers, rule, table=table)
            for each in layers:
                assert laws([each], same) == laws([each], lambda _, own=plain[each.path]: own)


@pytest.mark.parametrize(
    "value",
    [
        fw.kaiming_normal(),
        fw.kaiming_uniform(mode="fan_out", nonlinearity="relu"),
        fw.xavier_normal(gain=2),
        fw.xavier_uniform(),
    ],
    ids=repr,
)
def test_initializers_of_fans_are_those_of_the_base_model(value):
    """For hidden weights whose axes grow alike, muP is fan_in scaling: every base agrees."""
    target = layer("Linear", in_features=96, out_features=96, bias=False)
    own = value.distribution((96, 96), "OI...")
    for size in (96, 48, 12):
        base = layer("Linear", in_features=size, out_features=size, bias=False)
        law = mup([base], everywhere(value))(target)["weight"]
        assert spread(law) == pytest.approx(spread(own), rel=1e-12, abs=0)


def test_zero_readout():
    for width in (16, 64):
        rule = mup(mlp(16), zero_readout="readout")
        found, plain = laws(mlp(width), rule), laws(mlp(width), mup(mlp(16)))
        assert agree(found, plain) == {"readout:weight", "readout:bias"}
        assert found["readout:weight"] == found["readout:bias"] == Constant(0.0)


def test_zero_readout_refuses_what_is_none():
    rule = mup(mlp(16), zero_readout=".*")
    with pytest.raises(ValueError, match=r"zero_readout matches first.*whose output grew"):
        rule(mlp(64)[0])


def test_a_recipe_as_the_base_model():
    def gpt(width):
        return [
            layer("Embedding", "wte", num_embeddings=40, embedding_dim=width),
            layer("Linear", "c_proj", in_features=4 * width, out_features=width),
        ]

    rule = mup(gpt(16), fw.recipes.gpt2(num_layers=8))
    table, projection = (rule(each)["weight"] for each in gpt(64))
    assert table == Normal(0.0, 0.02)
    assert projection == Normal(0.0, 0.0025)


def test_depth_and_path_are_those_of_the_base_model():
    """A rule may look at everything that it sees, since paths and order are the same."""
    seen = []
    rule = mup(mlp(16), lambda layer: seen.append((layer.path, layer.index, layer.count)))
    for each in mlp(32):
        rule(each)
    assert seen == [(each.path, each.index, each.count) for each in mlp(16)]


def test_weight_norm_follows_its_scaled_direction():
    small = {"in_features": 4, "out_features": 8}
    large = {"in_features": 12, "out_features": 24}
    base, target = (layer("weight_norm(Linear)", **sizes) for sizes in (small, large))
    answer = mup([base])(target)
    direction, size = "parametrizations.weight.original1", "parametrizations.weight.original0"
    assert spread(answer[direction]) == pytest.approx(1 / math.sqrt(12), rel=1e-12)
    assert isinstance(answer[size], Derived)
    assert answer[size].sources == (direction,)
