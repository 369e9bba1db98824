"""muP: the factor of every parameter of every kind of layer, by the paper's tables."""

import math

import jax
import jax.numpy as jnp
import pytest

import fanwise as fw
from fanwise.distributions import Constant, Normal, TruncatedNormal, Uniform
from fanwise.layers import Derived, kind_of
from fanwise.recipes import mup, mup_learning_rates
from tests.recipes.laws import agree, laws, uniform
from tests.recipes.models import GPT2, MLP

X = jax.ShapeDtypeStruct((1, 10), jnp.float32)


def layer(kind, path="layer", **sizes):
    """A layer of torch's arguments."""
    return fw.Layer(path, kind, sizes, kind_of(kind).shapes(**sizes))


def mlp(width):
    return fw.linen.layers(MLP(width), X)


def everywhere(value):
    return lambda layer: dict.fromkeys(layer.parameters, value)


def spread(law):
    """The number that a law scales with."""
    match law:
        case Uniform(low, high):
            assert low == -high
            return high
        case Normal(mean, std):
            assert mean == 0
            return std
        case TruncatedNormal(mean, std, low, high):
            assert (mean, low) == (0, -high)
            return (std, high)
    raise AssertionError(law)


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


# Kind, its sizes in the base model and in the model, and for each parameter what its std is
# multiplied by by table 8, by table 3, and what its learning rate is multiplied by: Adam and SGD
# by table 8, Adam and SGD by table 3.
HIDDEN = (1 / math.sqrt(3), 1 / math.sqrt(3), 1 / 3, 1.0, 1 / 3, 1.0)
OUTPUT = (1.0, 1 / 3, 1.0, 3.0, 1 / 3, 1 / 3)
VECTOR = (1.0, 1.0, 1.0, 3.0, 1.0, 3.0)
FIXED = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)

KINDS = {
    "Linear, hidden": (
        "Linear",
        {"in_features": 4, "out_features": 8},
        {"in_features": 12, "out_features": 24},
        {"weight": HIDDEN, "bias": VECTOR},
    ),
    "Linear, input grew by 3 and output by 2": (
        "Linear",
        {"in_features": 4, "out_features": 8},
        {"in_features": 12, "out_features": 16},
        {
            "weight": (*HIDDEN[:3], 2 / 3, 1 / 3, 2 / 3),
            "bias": (1.0, 1.0, 1.0, 2.0, 1.0, 2.0),
        },
    ),
    "Linear, input": (
        "Linear",
        {"in_features": 4, "out_features": 8},
        {"in_features": 4, "out_features": 24},
        {"weight": VECTOR, "bias": VECTOR},
    ),
    "Linear, output": (
        "Linear",
        {"in_features": 4, "out_features": 8},
        {"in_features": 12, "out_features": 8},
        {"weight": OUTPUT, "bias": FIXED},
    ),
    "Conv2d": (
        "Conv2d",
        {"in_channels": 4, "out_channels": 8, "kernel_size": 3},
        {"in_channels": 12, "out_channels": 24, "kernel_size": 3},
        {"weight": HIDDEN, "bias": VECTOR},
    ),
    "Conv2d, each channel by itself": (
        "Conv2d",
        {"in_channels": 4, "out_channels": 4, "kernel_size": 3, "groups": 4},
        {"in_channels": 12, "out_channels": 12, "kernel_size": 3, "groups": 12},
        {"weight": VECTOR, "bias": VECTOR},
    ),
    "Conv1d, output": (
        "Conv1d",
        {"in_channels": 4, "out_channels": 3, "kernel_size": 5},
        {"in_channels": 12, "out_channels": 3, "kernel_size": 5},
        {"weight": OUTPUT, "bias": FIXED},
    ),
    # Its first axis is the input.
    "ConvTranspose2d, output": (
        "ConvTranspose2d",
        {"in_channels": 4, "out_channels": 3, "kernel_size": 2},
        {"in_channels": 12, "out_channels": 3, "kernel_size": 2},
        {"weight": OUTPUT, "bias": FIXED},
    ),
    "ConvTranspose2d, input": (
        "ConvTranspose2d",
        {"in_channels": 4, "out_channels": 8, "kernel_size": 2},
        {"in_channels": 4, "out_channels": 24, "kernel_size": 2},
        {"weight": VECTOR, "bias": VECTOR},
    ),
    "ConvTranspose2d, input grew by 3 and output by 2": (
        "ConvTranspose2d",
        {"in_channels": 4, "out_channels": 8, "kernel_size": 2},
        {"in_channels": 12, "out_channels": 16, "kernel_size": 2},
        {
            "weight": (*HIDDEN[:3], 2 / 3, 1 / 3, 2 / 3),
            "bias": (1.0, 1.0, 1.0, 2.0, 1.0, 2.0),
        },
    ),
    "Embedding": (
        "Embedding",
        {"num_embeddings": 30, "embedding_dim": 4},
        {"num_embeddings": 30, "embedding_dim": 12},
        {"weight": VECTOR},
    ),
    "LSTM": (
        "LSTM",
        {"input_size": 5, "hidden_size": 4, "proj_size": 0},
        {"input_size": 5, "hidden_size": 12, "proj_size": 0},
        {
            "weight_ih_l0": VECTOR,
            "weight_hh_l0": HIDDEN,
            "bias_ih_l0": VECTOR,
            "bias_hh_l0": VECTOR,
        },
    ),
    "MultiheadAttention": (
        "MultiheadAttention",
        {"embed_dim": 8, "add_bias_kv": True},
        {"embed_dim": 24, "add_bias_kv": True},
        {
            "in_proj_weight": HIDDEN,
            "in_proj_bias": VECTOR,
            "bias_k": VECTOR,
            "bias_v": VECTOR,
            "out_proj.weight": HIDDEN,
            "out_proj.bias": VECTOR,
        },
    ),
    "MultiheadAttention to keys of a fixed width": (
        "MultiheadAttention",
        {"embed_dim": 8, "kdim": 5, "vdim": 6, "bias": False},
        {"embed_dim": 24, "kdim": 5, "vdim": 6, "bias": False},
        {
            "q_proj_weight": HIDDEN,
            "k_proj_weight": VECTOR,
            "v_proj_weight": VECTOR,
            "out_proj.weight": HIDDEN,
        },
    ),
    "BatchNorm": (
        "BatchNorm2d",
        {"num_features": 4},
        {"num_features": 12},
        {"weight": VECTOR, "bias": VECTOR},
    ),
    # Its axes are alike: the second is no input.
    "LayerNorm of two axes": (
        "LayerNorm",
        {"normalized_shape": (5, 4)},
        {"normalized_shape": (5, 12)},
        {"weight": VECTOR, "bias": VECTOR},
    ),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    "value",
    [fw.normal(std=0.5), fw.uniform(-0.5, 0.5), fw.trunc_normal(std=0.5, a=-1, b=1)],
    ids=["normal", "uniform", "trunc_normal"],
)
def test_factor_of_the_std(name, value):
    kind, small, large, expected = KINDS[name]
    base, target = layer(kind, **small), layer(kind, **large)
    assert set(expected) == set(target.parameters)
    for column, table in enumerate((8, 3)):
        found = laws([target], mup([base], everywhere(value), table=table))
        for parameter, factors in expected.items():
            law, plain = found[f"layer:{parameter}"], value.distribution((2, 2))
            scale = factors[column]
            assert type(law) is type(plain)
            if isinstance(law, TruncatedNormal):
                assert spread(law) == pytest.approx((0.5 * scale, scale), rel=1e-12, abs=0)
            else:
                assert spread(law) == pytest.approx(0.5 * scale, rel=1e-12, abs=0)


@pytest.mark.parametrize("name", KINDS)
def test_factor_of_the_learning_rate(name):
    kind, small, large, expected = KINDS[name]
    base, target = layer(kind, **small), layer(kind, **large)
    columns = [("adam", 8), ("sgd", 8), ("adam", 3), ("sgd", 3)]
    for column, (optimizer, table) in enumerate(columns, start=2):
        rates = mup_learning_rates([base], optimizer=optimizer, table=table)
        assert rates(target) == {
            parameter: pytest.approx(factors[column], rel=1e-12, abs=0)
            for parameter, factors in expected.items()
        }
        assert set(rates(base).values()) == {1.0}


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


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (fw.normal(1.0, 0.02), "symmetric about 0"),
        (fw.uniform(0, 1), "symmetric about 0"),
        (fw.trunc_normal(a=-1, b=2), "symmetric about 0"),
        (fw.ones(), "symmetric about 0"),
        (fw.orthogonal(), "cannot be scaled"),
        (fw.eye(), "cannot be scaled"),
        (fw.sparse(0.5), "cannot be scaled"),
        (lambda key, shape, dtype: None, "of type function"),
    ],
)
def test_what_cannot_be_scaled_is_refused(value, message):
    base = layer("Linear", in_features=4, out_features=4, bias=False)
    target = layer("Linear", in_features=8, out_features=8, bias=False)
    with pytest.raises(ValueError, match=rf"mup: weight of 'layer'.*{message}"):
        mup([base], everywhere(value))(target)
    mup([base], everywhere(value))(base)


def test_a_mean_may_stay_where_the_factor_is_1():
    base, target = (layer("BatchNorm2d", num_features=width) for width in (4, 8))
    rule = mup([base], fw.recipes.dcgan())
    assert rule(target)["weight"] == Normal(1.0, 0.02)


def test_structured_laws_are_refused_where_one_axis_grew():
    base = layer("Linear", in_features=4, out_features=4, bias=False)
    target = layer("Linear", in_features=4, out_features=8, bias=False)
    with pytest.raises(ValueError, match="cannot be scaled"):
        mup([base], everywhere(fw.orthogonal()))(target)


def test_two_axes_of_which_nobody_knows_the_input():
    base = fw.Layer("", None, parameters={"matrix": (4, 4)})
    target = fw.Layer("", None, parameters={"matrix": (8, 8)})
    assert mup([base])(target) == {}
    with pytest.raises(ValueError, match="which of them is its input is not known"):
        mup([base], everywhere(fw.normal()))(target)
    one = fw.Layer("", None, parameters={"matrix": (4, 8)})
    assert mup([base], everywhere(fw.normal()))(one) == {"matrix": Normal(0.0, 1.0)}


def test_more_than_two_axes():
    base = layer("Bilinear", in1_features=2, in2_features=2, out_features=2)
    target = layer("Bilinear", in1_features=4, in2_features=4, out_features=4)
    with pytest.raises(ValueError, match="grew along 3 axes"):
        mup([base])(target)


def test_a_base_model_that_is_another():
    target = layer("Linear", in_features=8, out_features=8)
    others = {
        "no layer 'layer'": layer("Linear", "other", in_features=4, out_features=4),
        "of one kind": layer("Bilinear", in1_features=4, in2_features=4, out_features=4),
        "the same parameters": layer("Linear", in_features=4, out_features=4, bias=False),
    }
    for message, base in others.items():
        with pytest.raises(ValueError, match=message):
            mup([base])(target)
        with pytest.raises(ValueError, match=message):
            mup_learning_rates([base])(target)
    with pytest.raises(ValueError, match=r"no layer 'layer'.*It has none"):
        mup([])(target)


def test_axes_must_be_as_many():
    base = fw.Layer("", None, parameters={"matrix": (4,)})
    target = fw.Layer("", None, parameters={"matrix": (4, 4)})
    with pytest.raises(ValueError, match="as many axes"):
        mup([base], everywhere(fw.normal()))(target)
