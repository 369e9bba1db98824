"""Bad arguments are refused when a recipe is made: argument, value, what is allowed, way out."""

import jax
import numpy as np
import pytest

import fanwise as fw
from fanwise.recipes import bert, dcgan, gpt2, mup, mup_learning_rates, resnet, vit

PATTERN = r"must be a regular expression of (the )?paths"

BAD = {
    "resnet: True is no pattern": (
        lambda: resnet(zero_init_residual=True),
        TypeError,
        rf"resnet: zero_init_residual {PATTERN}.*got True.*bn2.*bn3",
    ),
    "resnet: False is none either": (
        lambda: resnet(zero_init_residual=False),
        TypeError,
        "got False",
    ),
    "resnet: no string": (lambda: resnet(3), TypeError, rf"{PATTERN}.*got 3 of type int"),
    "resnet: no expression": (lambda: resnet("bn[2"), ValueError, rf"{PATTERN}.*got 'bn\[2'"),
    "dcgan: negative": (
        lambda: dcgan(-0.02),
        ValueError,
        "dcgan: std must be .*at least 0.*-0.02",
    ),
    "dcgan: no number": (lambda: dcgan("0.02"), TypeError, r"dcgan: std must be .*got '0.02'"),
    "dcgan: NaN": (lambda: dcgan(float("nan")), ValueError, "dcgan: std must be .*nan"),
    "gpt2: no layers": (lambda: gpt2(0), ValueError, "gpt2: num_layers must be a positive .*got 0"),
    "gpt2: half a layer": (lambda: gpt2(1.5), TypeError, "gpt2: num_layers .*got 1.5"),
    "gpt2: True layers": (lambda: gpt2(True), TypeError, "gpt2: num_layers .*got True"),
    "gpt2: no pattern": (lambda: gpt2(2, ["c_proj"]), TypeError, rf"gpt2: residual {PATTERN}"),
    "gpt2: infinite": (lambda: gpt2(2, std=float("inf")), ValueError, "gpt2: std must be .*inf"),
    "bert: negative": (lambda: bert(-1), ValueError, "bert: std must be .*got -1"),
    "bert: no mapping": (lambda: bert(padding=0), TypeError, "bert: padding must be a mapping"),
    "bert: no expression": (
        lambda: bert(padding={"(": 0}),
        ValueError,
        rf"bert: padding {PATTERN}",
    ),
    "bert: no row": (
        lambda: bert(padding={"x": None}),
        TypeError,
        r"bert: padding\['x'\] must be the number of a row, got None",
    ),
    "bert: True is no row": (lambda: bert(padding={"x": True}), TypeError, "got True"),
    "vit: zero": (lambda: vit(0), ValueError, "vit: std must be .*greater than 0.*got 0"),
    "vit: negative": (lambda: vit(token_std=-1), ValueError, "vit: token_std must be .*got -1"),
    "vit: tokens": (lambda: vit(tokens=1), TypeError, rf"vit: tokens {PATTERN}"),
    "vit: positions": (lambda: vit(positions="*"), ValueError, rf"vit: positions {PATTERN}"),
    "mup: a model in place of its layers": (
        lambda: mup(fw.torch_default),
        TypeError,
        r"mup: base must be the layers of the base model.*fanwise.linen.layers",
    ),
    "mup: paths": (lambda: mup(["fc"]), TypeError, "mup: base must be the layers .*got 'fc'"),
    "mup: table": (lambda: mup([], table=4), ValueError, "mup: table must be 8 or 3.*got 4"),
    "mup: True is no table": (lambda: mup([], table=True), ValueError, "got True"),
    "mup: readout": (lambda: mup([], zero_readout=True), TypeError, rf"zero_readout {PATTERN}"),
    "mup_learning_rates: table": (
        lambda: mup_learning_rates([], table="8"),
        ValueError,
        "mup_learning_rates: table must be 8 or 3.*got '8'",
    ),
    "mup_learning_rates: optimizer": (
        lambda: mup_learning_rates([], optimizer="Adam"),
        ValueError,
        r"optimizer must be one of 'adam', 'sgd', got 'Adam'; did you mean 'adam'\?",
    ),
    "mup_learning_rates: base": (lambda: mup_learning_rates(3), TypeError, "got 3 of type int"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    make, error, message = BAD[name]
    with pytest.raises(error, match=message):
        make()


def test_numbers_of_numpy_are_taken():
    sizes, shapes = {"in_features": 4, "out_features": 2}, {"weight": (2, 4)}
    layer = fw.Layer("c_proj", "Linear", sizes, shapes)
    ours = gpt2(np.int64(8), std=np.float32(0.5))(layer)
    assert ours == gpt2(8, std=0.5)(layer) == {"weight": fw.normal(std=0.125)}


@pytest.mark.parametrize("row", [40, -41])
def test_a_row_that_is_not_there(row):
    rule = bert(padding={"words": row})
    sizes = {"num_embeddings": 40, "embedding_dim": 4}
    with pytest.raises(ValueError, match=rf"words: row {row} was to be zero.*-40 to 39"):
        rule(fw.Layer("words", "Embedding", sizes, {"weight": (40, 4)}))


def test_zeros_are_for_norms_alone():
    rule = resnet(r".*/conv2")
    sizes = {"in_channels": 4, "out_channels": 4, "kernel_size": 3}
    layer = fw.Layer("block/conv2", "Conv2d", sizes, {"weight": (4, 4, 3, 3)})
    with pytest.raises(ValueError, match=r"resnet: zero_init_residual.*neither a BatchNorm nor"):
        rule(layer)


@pytest.mark.parametrize(
    "rule",
    [resnet(), fw.recipes.vgg(), dcgan(), gpt2(2), bert(), mup([])],
    ids=["resnet", "vgg", "dcgan", "gpt2", "bert", "mup"],
)
def test_what_is_of_no_kind_is_left_alone(rule):
    layer = fw.Layer("", None, parameters={"cls_token": (1, 1, 8)})
    if rule.__qualname__.startswith("mup"):
        rule = mup([layer])
    assert not rule(layer)


@pytest.mark.parametrize("rule", [resnet(), fw.recipes.vgg(), dcgan(), gpt2(2), bert(), vit()])
@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("Linear", {"in_features": 4, "out_features": 2, "bias": False}),
        ("Conv1d", {"in_channels": 4, "out_channels": 2, "kernel_size": 3, "bias": False}),
        ("ConvTranspose3d", {"in_channels": 4, "out_channels": 2, "kernel_size": 3, "bias": False}),
        ("BatchNorm", {"num_features": 4, "affine": False}),
        ("GroupNorm", {"num_groups": 2, "num_channels": 4, "affine": False}),
        ("LayerNorm", {"normalized_shape": 4, "bias": False}),
        ("LayerNorm", {"normalized_shape": 4, "elementwise_affine": False}),
        ("MultiheadAttention", {"embed_dim": 4, "bias": False, "add_bias_kv": True}),
        ("LSTM", {"input_size": 3, "hidden_size": 4}),
        ("PReLU", {}),
        ("weight_norm(Conv2d)", {"in_channels": 4, "out_channels": 2, "kernel_size": 3}),
    ],
    ids=str,
)
def test_layers_without_some_parameters_and_of_other_kinds(rule, kind, sizes, key):
    """Each parameter that is there gets a law, none that is not is named, and all can be drawn."""
    known = fw.layers.kind_of(kind)
    layer = fw.Layer("layer", kind, sizes, known.shapes(**sizes), known.buffers(**sizes))
    answer = fw.rules.answer_of(rule, layer)
    assert set(answer) == set(layer.shapes)
    if kind in ("LSTM", "PReLU", "weight_norm(Conv2d)"):
        assert answer == fw.torch_default(layer)
    for name, value in answer.items():
        if isinstance(value, fw.Initializer):
            drawn = value.distribution(layer.shapes[name], "OI...").sample(key, layer.shapes[name])
            assert isinstance(drawn, jax.Array)
