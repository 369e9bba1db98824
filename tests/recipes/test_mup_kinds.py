"""The factors of muP for every kind of layer, by the roles that its parameters have."""

import math

import pytest

import fanwise as fw
from fanwise.distributions import TruncatedNormal
from fanwise.recipes import mup, mup_learning_rates
from tests.recipes.laws import laws
from tests.recipes.scaling import everywhere, layer, spread

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
