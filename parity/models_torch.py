"""Whole models in torch, small: every layer by its own constructor, with torch's defaults.

They are never run; linen's and nnx's twins have the same names.
"""

from torch import nn

__all__ = ["dcgan", "gpt2", "resnet", "tagger", "unet", "vit"]


def _tree(**children: nn.Module) -> nn.Module:
    return nn.ModuleDict(children)


def _conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Module:
    return nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)


def resnet() -> nn.Module:
    """ResNet-18 with 4, 8, 12 and 16 channels: two basic blocks in each of four stages."""

    def block(inputs: int, outputs: int) -> nn.Module:
        made = _tree(
            conv1=_conv(inputs, outputs, 3),
            bn1=nn.BatchNorm2d(outputs),
            conv2=_conv(outputs, outputs, 3),
            bn2=nn.BatchNorm2d(outputs),
        )
        if inputs != outputs:
            made.add_module("shortcut_conv", _conv(inputs, outputs, 1, 2))
            made.add_module("shortcut_bn", nn.BatchNorm2d(outputs))
        return made

    widths = (4, 4, 8, 12, 16)
    blocks = {
        f"layer{stage}_{index}": block(widths[stage - 1 + index], widths[stage])
        for stage in (1, 2, 3, 4)
        for index in (0, 1)
    }
    return _tree(conv1=_conv(3, 4, 7, 2), bn1=nn.BatchNorm2d(4), **blocks, fc=nn.Linear(16, 10))


def gpt2() -> nn.Module:
    """GPT-2 of three blocks, the projections of attention packed in one Linear."""

    def block() -> nn.Module:
        return _tree(
            ln_1=nn.LayerNorm(16),
            c_attn=nn.Linear(16, 48),
            attn_c_proj=nn.Linear(16, 16),
            ln_2=nn.LayerNorm(16),
            c_fc=nn.Linear(16, 64),
            mlp_c_proj=nn.Linear(64, 16),
        )

    blocks = {f"h_{index}": block() for index in range(3)}
    head = nn.Linear(16, 40, bias=False)
    table, positions = nn.Embedding(40, 16), nn.Embedding(12, 16)
    return _tree(wte=table, wpe=positions, **blocks, ln_f=nn.LayerNorm(16), lm_head=head)


def tagger() -> nn.Module:
    """An LSTM over words in both directions, and a tag for each."""
    lstm = nn.LSTM(10, 14, bidirectional=True, batch_first=True)
    return _tree(embed=nn.Embedding(30, 10), lstm=lstm, tag=nn.Linear(28, 5))


def dcgan() -> nn.Module:
    """DCGAN's generator: transposed convolutions without biases."""
    return _tree(
        up1=nn.ConvTranspose2d(20, 16, 4, bias=False),
        bn1=nn.BatchNorm2d(16),
        up2=nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False),
        bn2=nn.BatchNorm2d(8),
        up3=nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False),
    )


def unet() -> nn.Module:
    """A U-Net of one level: down, across, and up by a transposed convolution."""
    return _tree(
        down1=nn.Conv2d(3, 8, 3, padding=1),
        down2=nn.Conv2d(8, 16, 3, padding=1),
        up=nn.ConvTranspose2d(16, 8, 2, 2),
        join=nn.Conv2d(16, 8, 3, padding=1),
        out=nn.Conv2d(8, 2, 1),
    )


def vit() -> nn.Module:
    """A ViT of two blocks."""

    def block() -> nn.Module:
        return _tree(
            ln_1=nn.LayerNorm(12),
            attn=nn.MultiheadAttention(12, 3, batch_first=True),
            ln_2=nn.LayerNorm(12),
            fc1=nn.Linear(12, 48),
            fc2=nn.Linear(48, 12),
        )

    blocks = {f"block_{index}": block() for index in range(2)}
    return _tree(
        patch=nn.Conv2d(3, 12, 4, 4), **blocks, ln=nn.LayerNorm(12), head=nn.Linear(12, 10)
    )
