"""The comparison of the recipes, and that it notices what is wrong and where."""

import math
import re
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import init

import fanwise as fw
from fanwise import recipes
from fanwise.rules import by_kind, by_path, chain
from parity import recipes_networks as networks
from parity import recipes_published as published
from parity.recipes_exact import CASES, compare, differing
from parity.recipes_layers import layers_of
from parity.recipes_mup import PERCEPTRON
from parity.recipes_recorded import asked
from parity.request import Request

BY_NAME = {str(case): case for case in CASES}


def test_every_recipe_agrees():
    found = compare()
    assert set(found) == set(recipes.__all__) - {"mup_learning_rates"}
    for recipe, (cases, lines) in found.items():
        assert lines == [], recipe
        assert len(cases) == len(set(cases)) >= 20, recipe


def base(network, width=16):
    return layers_of(network.build(width))


def conv(**kwargs):
    kaiming = fw.kaiming_normal(**{"mode": "fan_out", "nonlinearity": "relu"} | kwargs)
    return by_kind({"Conv": {"weight": kaiming}})


def scaled_by_output(layer):
    """muP with the factor of the output, where it is the input that counts."""
    if layer.path != "3":
        return None
    return {"weight": fw.uniform(-0.25 / math.sqrt(8), 0.25 / math.sqrt(8))}


def weights_of_002(layer):
    """0.02 for all weights, whatever the width."""
    matrices = (name for name, shape in layer.parameters.items() if len(shape) > 1)
    return dict.fromkeys(matrices, fw.normal(std=0.02))


RESNET, NEXT = "resnet: BasicBlock", "resnet: ResNeXt"
ZERO = "resnet: Bottleneck, zero_init_residual"
GPT, PACKED = "gpt2: 3 layers, attention linear", "gpt2: 3 layers, attention packed"
VIT, BERT = "vit: attention linear", "bert: padding_idx"
DEEP = "mup: perceptron, 16 to 64, table 8, torch default"
STD = "mup: transformer, 16 to 64, table 8, std 0.02"
TABLE_3 = "mup: perceptron, 16 to 64, table 3, torch default"

# What is wrong: the case, the rule, and the parameters that it gets wrong, no more and no fewer.
PLANTED = {
    "fan_in for fan_out": (
        RESNET,
        chain(recipes.resnet(), conv(mode="fan_in")),
        # A convolution of as many inputs as outputs has one fan.
        r"conv1\.weight|layer1\.0\.(conv1|downsample\.0)\.weight",
    ),
    "the gain of another activation": (
        RESNET,
        chain(recipes.resnet(), conv(nonlinearity="linear")),
        r".*(conv\d|downsample\.0)\.weight",
    ),
    "fan_out divided by the groups": (
        NEXT,
        chain(
            recipes.resnet(),
            by_path({r".*/conv2": {"weight": fw.normal(std=math.sqrt(2 / (8 * 9 / 4)))}}),
        ),
        r".*\.conv2\.weight",
    ),
    "a Linear drawn like a convolution": (
        RESNET,
        chain(recipes.resnet(), by_kind({"Linear": {"weight": fw.kaiming_normal()}})),
        r"fc\.weight",
    ),
    "a Linear without its default bias": (
        RESNET,
        chain(recipes.resnet(), by_kind({"Linear": {"bias": fw.zeros()}})),
        r"fc\.bias",
    ),
    "zeros in another norm": (
        ZERO,
        recipes.resnet(r".*/bn2"),
        r"layer1\.\d\.bn[23]\.weight",
    ),
    "zeros in the shortcut too": (
        ZERO,
        recipes.resnet(r".*/(bn3|downsample/1)"),
        r"layer1\.0\.downsample\.1\.weight",
    ),
    "no zeros": (ZERO, recipes.resnet(), r"layer1\.\d\.bn3\.weight"),
    "VGG's Linear with DCGAN's std": (
        "vgg: with BatchNorm",
        chain(recipes.vgg(), by_kind({"Linear": {"weight": fw.normal(std=0.02)}})),
        r"classifier\.\d\.weight",
    ),
    "VGG's convolutions with torch's bias": (
        "vgg: without BatchNorm",
        chain(
            recipes.vgg(),
            by_kind({"Conv": lambda layer: {"bias": fw.torch_default(layer)["bias"]}}),
        ),
        r"features\.\d\.bias",
    ),
    "DCGAN's norms about 0": (
        "dcgan: generator",
        chain(recipes.dcgan(), by_kind({"BatchNorm": {"weight": fw.normal(std=0.02)}})),
        r"main\.[13]\.weight",
    ),
    "DCGAN's std of norms for convolutions": (
        "dcgan: generator",
        recipes.dcgan(std=0.021),
        r"main\.\d\.weight",
    ),
    "DCGAN without transposed convolutions": (
        "dcgan: generator",
        chain(recipes.dcgan(), by_kind({"ConvTranspose": fw.torch_default})),
        r"main\.[024]\.weight",
    ),
    "DCGAN's convolutions with a bias of zero": (
        "dcgan: discriminator with biases",
        chain(recipes.dcgan(), by_kind({"Conv": {"bias": fw.zeros()}})),
        r"main\.[013]\.bias",
    ),
    "no scale by depth": (GPT, recipes.gpt2(3, residual=None), r".*\.c_proj\.weight"),
    "one residual for each block": (
        GPT,
        chain(
            recipes.gpt2(3),
            by_path({r".*/c_proj": {"weight": fw.normal(std=0.02 / math.sqrt(3))}}),
        ),
        r".*\.c_proj\.weight",
    ),
    "the scale in the MLP alone": (
        GPT,
        recipes.gpt2(3, residual=r".*/mlp/c_proj"),
        r".*\.attn\.c_proj\.weight",
    ),
    "the scale of the wrong matrix": (
        GPT,
        recipes.gpt2(3, residual=r".*/c_(proj|fc)"),
        r".*\.c_fc\.weight",
    ),
    "another depth": (PACKED, recipes.gpt2(4), r".*\.(c_proj|out_proj)\.weight"),
    "attention's output as torch draws it": (
        PACKED,
        chain(
            recipes.gpt2(3),
            by_kind(
                {
                    "MultiheadAttention": lambda layer: {
                        "out_proj.weight": fw.torch_default(layer)["out_proj.weight"]
                    }
                }
            ),
        ),
        r".*\.out_proj\.weight",
    ),
    "positions with the std of the first code": (
        GPT,
        chain(recipes.gpt2(3), by_path({"wpe": {"weight": fw.normal(std=0.01)}})),
        r"wpe\.weight",
    ),
    "the padded row not zero": (
        BERT,
        chain(recipes.bert(), by_kind({"Embedding": {"weight": fw.normal(std=0.02)}})),
        r"embeddings\.word_embeddings\.weight",
    ),
    "another row zero": (
        BERT,
        recipes.bert(padding={r".*word_embeddings": 1}),
        r"embeddings\.word_embeddings\.weight",
    ),
    "truncated at two std, as Google's": (
        BERT,
        chain(
            recipes.bert(),
            by_kind({"Linear": {"weight": fw.trunc_normal(std=0.02, a=-0.04, b=0.04)}}),
        ),
        r".*(query|key|value|dense|decoder)\.weight",
    ),
    "bounds in std": (
        VIT,
        chain(
            recipes.vit(),
            by_kind({"Linear": {"weight": fw.trunc_normal(std=0.02, a=-0.04, b=0.04)}}),
        ),
        r".*(qkv|attn\.proj|fc\d|head)\.weight",
    ),
    "not truncated": (
        VIT,
        chain(recipes.vit(), by_kind({"Linear": {"weight": fw.normal(std=0.02)}})),
        r".*(qkv|attn\.proj|fc\d|head)\.weight",
    ),
    "the std of tokens for positions": (
        VIT,
        recipes.vit(tokens=None, positions=r"(cls|reg)_token|pos_embed"),
        r"(cls|reg)_token",
    ),
    "a parameter that nobody speaks of": (
        VIT,
        recipes.vit(tokens=r"(cls|reg)_token|layer_scale"),
        r"layer_scale",
    ),
    "patches drawn like a Linear": (
        VIT,
        chain(
            recipes.vit(),
            by_kind({"Conv": {"weight": fw.trunc_normal(std=0.02), "bias": fw.zeros()}}),
        ),
        r"patch_embed\.proj\.(weight|bias)",
    ),
    "muP's other table": (DEEP, recipes.mup(base(PERCEPTRON), table=3), r"4\.weight"),
    "muP's other table, the other way": (TABLE_3, recipes.mup(base(PERCEPTRON)), r"4\.weight"),
    "torch's default in place of muP": (DEEP, fw.torch_default, r"4\.weight|[134]\.bias"),
    "the base model of another width": (
        DEEP,
        recipes.mup(base(PERCEPTRON, 8)),
        # Hidden weights are U(-1/sqrt(fan_in), 1/sqrt(fan_in)) from every base.
        r"4\.weight|[134]\.bias",
    ),
    "the factor of the output": (
        DEEP,
        chain(recipes.mup(base(PERCEPTRON)), scaled_by_output),
        r"3\.weight",
    ),
    "hidden weights not scaled": (
        STD,
        chain(fw.torch_default, weights_of_002),
        r"(up|down)\.weight|attention\.(in_proj_|out_proj\.)weight|(up|down)\.bias",
    ),
}


@pytest.mark.parametrize("error", PLANTED)
def test_a_planted_error_is_noticed_where_it_is(error):
    name, rule, wrong = PLANTED[error]
    case = BY_NAME[name]
    compared, found = differing(case, rule)
    expected = {path for path in compared if re.fullmatch(wrong, path)}
    assert expected
    assert set(found) == expected
    assert differing(case)[1] == {}


def test_the_last_request_stands():
    def build():
        layer = nn.Linear(4, 2)
        init.normal_(layer.weight, 0, 3)
        init.normal_(layer.weight, 0, 5)
        return layer

    _, found = asked(build)
    assert found["weight"].whole == Request("normal", (0, 5))
    assert found["bias"].whole.agrees(Request("uniform", (-0.5, 0.5)))


def test_a_row_is_told_from_the_table():
    def build(first):
        table = nn.Embedding(5, 3)
        init.zeros_(table.weight[2])
        if not first:
            init.normal_(table.weight)
        return table

    rows = {2: Request("constant", (0.0,))}
    assert asked(partial(build, True))[1]["weight"].rows == rows
    assert asked(partial(build, False))[1]["weight"].rows == {}


def test_a_truncated_normal_is_told_from_a_normal():
    def build():
        layer = nn.Linear(4, 2)
        init.trunc_normal_(layer.weight, std=0.5, a=-1, b=1)
        init.normal_(layer.bias, std=0.5)
        return layer

    _, found = asked(build)
    assert found["weight"].whole == Request("truncated normal", (0.0, 0.5, -1.0, 1.0))
    assert found["bias"].whole == Request("normal", (0.0, 0.5))


def test_what_is_not_understood_is_refused():
    def build(change):
        layer = nn.Linear(4, 2)
        with torch.no_grad():
            change(layer.weight)
        return layer

    for change in (lambda w: w.mul_(2), lambda w: w[:, 1].zero_(), lambda w: w[:1].zero_()):
        with pytest.raises(ValueError, match="weight"):
            asked(partial(build, change))


def test_networks_have_parameters_that_nobody_fills():
    _, found = asked(lambda: published.vit(networks.vit()))
    assert found["layer_scale"].whole == Request("nothing")
    assert found["cls_token"].whole == Request("normal", (0.0, 1e-6))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_tables_3_and_8_are_one_function_trained_alike(optimizer):
    """A factor moved from the multiplier into the weight moves the learning rate as the paper says.

    Table 8 multiplies the readout by 1/m. Taking that into the weights divides their std by m,
    their rate by m for Adam and by m**2 for SGD, and changes nothing else.
    """
    network, m = PERCEPTRON, 4.0
    layers = layers_of(network.build(64))
    rates = {
        own: fw.recipes.mup_learning_rates(base(network), optimizer=optimizer, table=own)
        for own in (3, 8)
    }
    for layer in layers:
        ratio = {name: rates[8](layer)[name] / rates[3](layer)[name] for name in layer.parameters}
        moved = {"adam": m, "sgd": m**2}[optimizer] if layer.path == "4" else 1.0
        assert ratio == {name: moved if name == "weight" else 1.0 for name in ratio}
    stds = [fw.recipes.mup(base(network), table=own)(layers[-1])["weight"].std for own in (3, 8)]
    assert math.isclose(stds[1] / stds[0], m, rel_tol=1e-12)
