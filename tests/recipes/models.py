"""The networks that the recipes are for, small, in linen.

Names are torch's where the recipe's patterns are written for torch's, and linen's own elsewhere.
"""

import jax.numpy as jnp
from flax import linen as nn

__all__ = ["BERT", "GPT2", "MLP", "VGG", "DCGANGenerator", "ResNet", "ViT"]


class Block(nn.Module):
    """A BasicBlock or, with ``bottleneck``, a Bottleneck; names are torchvision's if ``named``."""

    width: int
    bottleneck: bool = False
    named: bool = True

    @nn.compact
    def __call__(self, x):
        sizes = [(1, 1), (3, 3), (1, 1)] if self.bottleneck else [(3, 3), (3, 3)]
        widths = [self.width] * len(sizes)
        if self.bottleneck:
            widths[-1] *= 4
        y = x
        for index, (width, size) in enumerate(zip(widths, sizes, strict=True)):
            conv, norm = (f"conv{index + 1}", f"bn{index + 1}") if self.named else (None, None)
            y = nn.Conv(width, size, use_bias=False, name=conv)(y)
            y = nn.BatchNorm(use_running_average=True, name=norm)(y)
        if y.shape != x.shape:
            x = nn.Conv(widths[-1], (1, 1), use_bias=False, name="downsample_conv")(x)
            x = nn.BatchNorm(use_running_average=True, name="downsample_bn")(x)
        return nn.relu(x + y)


class ResNet(nn.Module):
    """A stem, two blocks, a head."""

    bottleneck: bool = False
    named: bool = True

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(16, (7, 7), use_bias=False, name="conv1")(x)
        x = nn.BatchNorm(use_running_average=True, name="bn1")(x)
        for index in range(2):
            x = Block(8, self.bottleneck, self.named, name=f"block{index}")(x)
        return nn.Dense(10, name="fc")(x.mean((1, 2)))


class VGG(nn.Module):
    """Two convolutions with biases, one BatchNorm, two Dense layers."""

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(8, (3, 3), name="conv1")(x)
        x = nn.BatchNorm(use_running_average=True, name="bn1")(x)
        x = nn.Conv(16, (3, 3), name="conv2")(x).mean((1, 2))
        return nn.Dense(10, name="fc2")(nn.Dense(32, name="fc1")(x))


class DCGANGenerator(nn.Module):
    """Transposed convolutions; ``biased`` has the biases that the tutorial's do not."""

    biased: bool = False

    @nn.compact
    def __call__(self, x):
        x = nn.ConvTranspose(16, (4, 4), use_bias=self.biased, name="up1")(x)
        x = nn.BatchNorm(use_running_average=True, name="bn1")(x)
        x = nn.ConvTranspose(3, (4, 4), use_bias=self.biased, name="up2")(x)
        return nn.Conv(3, (1, 1), use_bias=self.biased, name="mix")(x)


class GPT2Block(nn.Module):
    """Attention and MLP, each added to what comes in."""

    @nn.compact
    def __call__(self, x):
        y = nn.LayerNorm(name="ln_1")(x)
        x = x + nn.MultiHeadDotProductAttention(4, name="attn")(y)
        y = nn.Dense(64, name="c_fc")(nn.LayerNorm(name="ln_2")(x))
        return x + nn.Dense(16, name="c_proj")(nn.gelu(y))


class GPT2(nn.Module):
    """Tokens and positions, blocks, and a head that shares the table of the tokens."""

    layers: int = 2

    @nn.compact
    def __call__(self, tokens):
        embed = nn.Embed(40, 16, name="wte")
        x = embed(tokens) + nn.Embed(12, 16, name="wpe")(jnp.arange(tokens.shape[-1]))
        for index in range(self.layers):
            x = GPT2Block(name=f"h_{index}")(x)
        return embed.attend(nn.LayerNorm(name="ln_f")(x))


class BERT(nn.Module):
    """Three tables, one block of attention, a head."""

    @nn.compact
    def __call__(self, tokens):
        x = nn.Embed(40, 16, name="word_embeddings")(tokens)
        x = x + nn.Embed(12, 16, name="position_embeddings")(jnp.arange(tokens.shape[-1]))
        x = nn.LayerNorm(name="norm")(x + nn.Embed(2, 16, name="types")(tokens * 0))
        x = nn.MultiHeadDotProductAttention(4, name="attention")(x)
        return nn.Dense(40, name="decoder")(x)


class ViT(nn.Module):
    """A class token and positions, which belong to no layer, and one more that nobody knows."""

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(16, (4, 4), (4, 4), name="patches")(x).reshape(x.shape[0], -1, 16)
        token = self.param("cls_token", nn.initializers.ones, (1, 1, 16))
        x = jnp.concatenate([jnp.broadcast_to(token, (x.shape[0], 1, 16)), x], axis=1)
        x = x + self.param("pos_embed", nn.initializers.ones, (1, x.shape[1], 16))
        x = x * self.param("layer_scale", nn.initializers.constant(0.25), (16,))
        x = nn.MultiHeadDotProductAttention(4, name="attention")(nn.LayerNorm(name="norm")(x))
        return nn.Dense(10, name="head")(x[:, 0])


class MLP(nn.Module):
    """Ten inputs, two hidden layers of a width, five outputs."""

    width: int

    @nn.compact
    def __call__(self, x):
        x = nn.tanh(nn.Dense(self.width, name="first")(x))
        x = nn.LayerNorm(name="norm")(nn.tanh(nn.Dense(self.width, name="hidden")(x)))
        return nn.Dense(5, name="readout")(x)
