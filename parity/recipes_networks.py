"""The published networks in torch, small, under the names that their authors gave to layers.

They are never run: only their layers' names, classes and shapes matter.
"""

import torch
from torch import nn
from torch.nn import Parameter

__all__ = [
    "basic_resnet",
    "bert",
    "bottleneck_resnet",
    "discriminator",
    "generator",
    "gpt2",
    "vgg",
    "vit",
]


def _tree(**children: nn.Module) -> nn.Module:
    return nn.ModuleDict(children)


def _conv(inputs: int, outputs: int, size: int, groups: int = 1) -> nn.Module:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, groups=groups, bias=False)


def _shortcut(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(_conv(inputs, outputs, 1), nn.BatchNorm2d(outputs))


def _resnet(first: nn.Module, second: nn.Module, width: int) -> nn.Module:
    return _tree(
        conv1=_conv(3, 16, 7),
        bn1=nn.BatchNorm2d(16),
        layer1=nn.Sequential(first, second),
        fc=nn.Linear(width, 10),
    )


def basic_resnet() -> nn.Module:
    """ResNet-18's BasicBlock: two convolutions of size 3."""

    def block(inputs: int, outputs: int) -> nn.Module:
        made = _tree(
            conv1=_conv(inputs, outputs, 3),
            bn1=nn.BatchNorm2d(outputs),
            conv2=_conv(outputs, outputs, 3),
            bn2=nn.BatchNorm2d(outputs),
        )
        if inputs != outputs:
            made.add_module("downsample", _shortcut(inputs, outputs))
        return made

    return _resnet(block(16, 24), block(24, 24), 24)


def bottleneck_resnet(groups: int = 1) -> nn.Module:
    """ResNet-50's Bottleneck: sizes 1, 3, 1; grouped in the middle for ResNeXt."""

    def block(inputs: int, width: int) -> nn.Module:
        outputs = 4 * width
        made = _tree(
            conv1=_conv(inputs, width, 1),
            bn1=nn.BatchNorm2d(width),
            conv2=_conv(width, width, 3, groups),
            bn2=nn.BatchNorm2d(width),
            conv3=_conv(width, outputs, 1),
            bn3=nn.BatchNorm2d(outputs),
        )
        if inputs != outputs:
            made.add_module("downsample", _shortcut(inputs, outputs))
        return made

    return _resnet(block(16, 8), block(32, 8), 32)


def vgg(batch_norm: bool) -> nn.Module:
    """Convolutions with biases, then three Linear layers."""
    features: list[nn.Module] = []
    for inputs, outputs in ((3, 8), (8, 16), (16, 16)):
        features.append(nn.Conv2d(inputs, outputs, 3, padding=1))
        features += [nn.BatchNorm2d(outputs)] if batch_norm else []
    widths = ((16 * 4, 32), (32, 32), (32, 10))
    return _tree(
        features=nn.Sequential(*features),
        classifier=nn.Sequential(*(nn.Linear(*width) for width in widths)),
    )


def generator() -> nn.Module:
    """Transposed convolutions and BatchNorm; the last one has no norm."""
    return _tree(
        main=nn.Sequential(
            nn.ConvTranspose2d(20, 16, 4, bias=False),
            nn.BatchNorm2d(16),
            nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False),
        )
    )


def discriminator(bias: bool = False) -> nn.Module:
    """Convolutions and BatchNorm, and a Linear head, of which the tutorial says nothing."""
    return _tree(
        main=nn.Sequential(
            nn.Conv2d(3, 8, 4, 2, 1, bias=bias),
            nn.Conv2d(8, 16, 4, 2, 1, bias=bias),
            nn.BatchNorm2d(16),
            nn.Conv2d(16, 1, 4, bias=bias),
        ),
        head=nn.Linear(9, 1),
    )


def gpt2(attention: str = "linear", layers: int = 3, width: int = 16) -> nn.Module:
    """GPT-2; its attention of Linear layers, or torch's, packed or of several widths."""

    def attend() -> nn.Module:
        if attention == "linear":
            return _tree(c_attn=nn.Linear(width, 3 * width), c_proj=nn.Linear(width, width))
        widths = {} if attention == "packed" else {"kdim": width + 2, "vdim": width + 4}
        return nn.MultiheadAttention(width, 4, **widths)

    def block() -> nn.Module:
        return _tree(
            ln_1=nn.LayerNorm(width),
            attn=attend(),
            ln_2=nn.LayerNorm(width),
            mlp=_tree(c_fc=nn.Linear(width, 4 * width), c_proj=nn.Linear(4 * width, width)),
        )

    return _tree(
        wte=nn.Embedding(40, width),
        wpe=nn.Embedding(12, width),
        h=nn.ModuleList(block() for _ in range(layers)),
        ln_f=nn.LayerNorm(width),
        lm_head=nn.Linear(width, 40, bias=False),
    )


def bert(padding_idx: int | None = 0, width: int = 16) -> nn.Module:
    """BERT with a head for masked words."""

    def block() -> nn.Module:
        return _tree(
            query=nn.Linear(width, width),
            key=nn.Linear(width, width),
            value=nn.Linear(width, width),
            dense=nn.Linear(width, width),
            LayerNorm=nn.LayerNorm(width),
            torch_attention=nn.MultiheadAttention(width, 4),
        )

    return _tree(
        embeddings=_tree(
            word_embeddings=nn.Embedding(40, width, padding_idx=padding_idx),
            position_embeddings=nn.Embedding(12, width),
            token_type_embeddings=nn.Embedding(2, width),
            LayerNorm=nn.LayerNorm(width),
        ),
        layer=nn.ModuleList(block() for _ in range(2)),
        decoder=nn.Linear(width, 40),
    )


class _WithTokens(nn.Module):
    """Class, register and position embeddings, which belong to no layer, and the layers."""

    def __init__(self, width: int, **children: nn.Module) -> None:
        super().__init__()
        self.cls_token = Parameter(torch.zeros(1, 1, width))
        self.reg_token = Parameter(torch.zeros(1, 4, width))
        self.pos_embed = Parameter(torch.zeros(1, 10, width))
        self.layer_scale = Parameter(torch.zeros(width))
        for name, child in children.items():
            self.add_module(name, child)


def vit(attention: str = "linear", width: int = 16) -> nn.Module:
    """timm's vision transformer; its attention of Linear layers, or torch's."""

    def block() -> nn.Module:
        attend = (
            _tree(qkv=nn.Linear(width, 3 * width), proj=nn.Linear(width, width))
            if attention == "linear"
            else nn.MultiheadAttention(width, 4)
        )
        return _tree(
            norm1=nn.LayerNorm(width),
            attn=attend,
            norm2=nn.LayerNorm(width),
            mlp=_tree(fc1=nn.Linear(width, 4 * width), fc2=nn.Linear(4 * width, width)),
        )

    return _WithTokens(
        width,
        patch_embed=_tree(proj=nn.Conv2d(3, width, 4, 4)),
        blocks=nn.ModuleList(block() for _ in range(2)),
        norm=nn.LayerNorm(width),
        head=nn.Linear(width, 10),
    )
