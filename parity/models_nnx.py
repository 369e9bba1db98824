"""The same models in nnx, under the same names; like those of torch never run."""

from typing import Any

from flax import nnx

__all__ = ["MODELS"]


class Tree(nnx.Module):
    """Modules by name."""

    def __init__(self, **children: Any) -> None:
        for name, child in children.items():
            setattr(self, name, child)


def _conv(inputs: int, outputs: int, size: int, rngs: nnx.Rngs, bias: bool = False) -> nnx.Conv:
    return nnx.Conv(inputs, outputs, (size, size), use_bias=bias, rngs=rngs)


def _resnet(rngs: nnx.Rngs) -> nnx.Module:
    def block(inputs: int, outputs: int) -> nnx.Module:
        shortcut = {}
        if inputs != outputs:
            shortcut = {
                "shortcut_conv": _conv(inputs, outputs, 1, rngs),
                "shortcut_bn": nnx.BatchNorm(outputs, rngs=rngs),
            }
        return Tree(
            conv1=_conv(inputs, outputs, 3, rngs),
            bn1=nnx.BatchNorm(outputs, rngs=rngs),
            conv2=_conv(outputs, outputs, 3, rngs),
            bn2=nnx.BatchNorm(outputs, rngs=rngs),
            **shortcut,
        )

    widths = (4, 4, 8, 12, 16)
    blocks = {
        f"layer{stage}_{index}": block(widths[stage - 1 + index], widths[stage])
        for stage in (1, 2, 3, 4)
        for index in (0, 1)
    }
    first, norm = _conv(3, 4, 7, rngs), nnx.BatchNorm(4, rngs=rngs)
    return Tree(conv1=first, bn1=norm, **blocks, fc=nnx.Linear(16, 10, rngs=rngs))


def _gpt2(rngs: nnx.Rngs) -> nnx.Module:
    def block() -> nnx.Module:
        return Tree(
            ln_1=nnx.LayerNorm(16, rngs=rngs),
            c_attn=nnx.Linear(16, 48, rngs=rngs),
            attn_c_proj=nnx.Linear(16, 16, rngs=rngs),
            ln_2=nnx.LayerNorm(16, rngs=rngs),
            c_fc=nnx.Linear(16, 64, rngs=rngs),
            mlp_c_proj=nnx.Linear(64, 16, rngs=rngs),
        )

    return Tree(
        wte=nnx.Embed(40, 16, rngs=rngs),
        wpe=nnx.Embed(12, 16, rngs=rngs),
        **{f"h_{index}": block() for index in range(3)},
        ln_f=nnx.LayerNorm(16, rngs=rngs),
        lm_head=nnx.Linear(16, 40, use_bias=False, rngs=rngs),
    )


def _tagger(rngs: nnx.Rngs) -> nnx.Module:
    there, back = (nnx.RNN(nnx.OptimizedLSTMCell(10, 14, rngs=rngs), rngs=rngs) for _ in range(2))
    return Tree(
        embed=nnx.Embed(30, 10, rngs=rngs),
        lstm=nnx.Bidirectional(there, back, rngs=rngs),
        tag=nnx.Linear(28, 5, rngs=rngs),
    )


def _up(inputs: int, outputs: int, size: int, rngs: nnx.Rngs, bias: bool) -> nnx.Module:
    return nnx.ConvTranspose(
        inputs, outputs, (size, size), use_bias=bias, transpose_kernel=not bias, rngs=rngs
    )


def _dcgan(rngs: nnx.Rngs) -> nnx.Module:
    return Tree(
        up1=_up(20, 16, 4, rngs, bias=False),
        bn1=nnx.BatchNorm(16, rngs=rngs),
        up2=_up(16, 8, 4, rngs, bias=False),
        bn2=nnx.BatchNorm(8, rngs=rngs),
        up3=_up(8, 3, 4, rngs, bias=False),
    )


def _unet(rngs: nnx.Rngs) -> nnx.Module:
    return Tree(
        down1=_conv(3, 8, 3, rngs, bias=True),
        down2=_conv(8, 16, 3, rngs, bias=True),
        up=_up(16, 8, 2, rngs, bias=True),
        join=_conv(16, 8, 3, rngs, bias=True),
        out=_conv(8, 2, 1, rngs, bias=True),
    )


def _vit(rngs: nnx.Rngs) -> nnx.Module:
    def block() -> nnx.Module:
        return Tree(
            ln_1=nnx.LayerNorm(12, rngs=rngs),
            attn=nnx.MultiHeadAttention(3, 12, rngs=rngs),
            ln_2=nnx.LayerNorm(12, rngs=rngs),
            fc1=nnx.Linear(12, 48, rngs=rngs),
            fc2=nnx.Linear(48, 12, rngs=rngs),
        )

    return Tree(
        patch=_conv(3, 12, 4, rngs, bias=True),
        **{f"block_{index}": block() for index in range(2)},
        ln=nnx.LayerNorm(12, rngs=rngs),
        head=nnx.Linear(12, 10, rngs=rngs),
    )


MODELS = {
    "resnet": _resnet,
    "gpt2": _gpt2,
    "tagger": _tagger,
    "dcgan": _dcgan,
    "unet": _unet,
    "vit": _vit,
}
