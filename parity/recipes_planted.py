"""Errors planted in the recipes, and the parameters that each of them gets wrong."""

import math

import torch

import fanwise as fw
from fanwise import recipes
from fanwise.rules import by_kind, by_path, chain
from parity.recipes_layers import layers_of
from parity.recipes_mup import PERCEPTRON

__all__ = ["PLANTED", "base"]


def base(network, width=16):
    with torch.device("meta"):
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
