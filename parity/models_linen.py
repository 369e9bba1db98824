"""The same models in linen, under the same names."""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

__all__ = ["INPUTS", "MODELS"]


def _conv(outputs: int, size: int, stride: int = 1, name: str = "") -> nn.Conv:
    return nn.Conv(outputs, (size, size), stride, use_bias=False, name=name)


def _norm(name: str) -> nn.BatchNorm:
    return nn.BatchNorm(use_running_average=True, name=name)


class _Basic(nn.Module):
    outputs: int

    @nn.compact
    def __call__(self, x: Any) -> Any:
        inputs = x.shape[-1]
        y = nn.relu(_norm("bn1")(_conv(self.outputs, 3, name="conv1")(x)))
        y = _norm("bn2")(_conv(self.outputs, 3, name="conv2")(y))
        if inputs != self.outputs:
            x = _norm("shortcut_bn")(_conv(self.outputs, 1, name="shortcut_conv")(x))
        return nn.relu(x + y)


class _ResNet(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.relu(_norm("bn1")(_conv(4, 7, 2, name="conv1")(x)))
        for stage, width in enumerate((4, 8, 12, 16), start=1):
            for index in (0, 1):
                x = _Basic(width, name=f"layer{stage}_{index}")(x)
        return nn.Dense(10, name="fc")(x.mean((1, 2)))


class _GptBlock(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        query, key, value = jnp.split(
            nn.Dense(48, name="c_attn")(nn.LayerNorm(name="ln_1")(x)), 3, -1
        )
        y = nn.dot_product_attention(*(each[..., None, :] for each in (query, key, value)))
        x = x + nn.Dense(16, name="attn_c_proj")(y[..., 0, :])
        y = nn.gelu(nn.Dense(64, name="c_fc")(nn.LayerNorm(name="ln_2")(x)))
        return x + nn.Dense(16, name="mlp_c_proj")(y)


class _Gpt(nn.Module):
    @nn.compact
    def __call__(self, words: Any) -> Any:
        x = nn.Embed(40, 16, name="wte")(words)
        x = x + nn.Embed(12, 16, name="wpe")(jnp.arange(words.shape[-1]))
        for index in range(3):
            x = _GptBlock(name=f"h_{index}")(x)
        return nn.Dense(40, use_bias=False, name="lm_head")(nn.LayerNorm(name="ln_f")(x))


class _Tagger(nn.Module):
    @nn.compact
    def __call__(self, words: Any) -> Any:
        x = nn.Embed(30, 10, name="embed")(words)
        there, back = (nn.RNN(nn.OptimizedLSTMCell(14)) for _ in range(2))
        return nn.Dense(5, name="tag")(nn.Bidirectional(there, back, name="lstm")(x))


class _Dcgan(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        for index, width in enumerate((16, 8, 3), start=1):
            x = nn.ConvTranspose(
                width,
                (4, 4),
                (1, 1) if index == 1 else (2, 2),
                "VALID" if index == 1 else "SAME",
                use_bias=False,
                transpose_kernel=True,
                name=f"up{index}",
            )(x)
            x = nn.relu(_norm(f"bn{index}")(x)) if index < 3 else jnp.tanh(x)
        return x


class _Unet(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        first = nn.relu(nn.Conv(8, (3, 3), name="down1")(x))
        x = nn.relu(nn.Conv(16, (3, 3), name="down2")(nn.max_pool(first, (2, 2), (2, 2))))
        x = nn.ConvTranspose(8, (2, 2), (2, 2), name="up")(x)
        x = nn.relu(nn.Conv(8, (3, 3), name="join")(jnp.concatenate([first, x], -1)))
        return nn.Conv(2, (1, 1), name="out")(x)


class _VitBlock(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        y = nn.LayerNorm(name="ln_1")(x)
        x = x + nn.MultiHeadDotProductAttention(3, name="attn")(y, y)
        y = nn.gelu(nn.Dense(48, name="fc1")(nn.LayerNorm(name="ln_2")(x)))
        return x + nn.Dense(12, name="fc2")(y)


class _Vit(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.Conv(12, (4, 4), (4, 4), name="patch")(x)
        x = x.reshape(x.shape[0], -1, 12)
        for index in range(2):
            x = _VitBlock(name=f"block_{index}")(x)
        return nn.Dense(10, name="head")(nn.LayerNorm(name="ln")(x).mean(1))


MODELS = {
    "resnet": _ResNet,
    "gpt2": _Gpt,
    "tagger": _Tagger,
    "dcgan": _Dcgan,
    "unet": _Unet,
    "vit": _Vit,
}

INPUTS: dict[str, Any] = {
    "resnet": jnp.zeros((1, 16, 16, 3)),
    "gpt2": jnp.zeros((1, 7), jnp.int32),
    "tagger": jnp.zeros((1, 7), jnp.int32),
    "dcgan": jnp.zeros((1, 1, 1, 20)),
    "unet": jnp.zeros((1, 8, 8, 3)),
    "vit": jnp.zeros((1, 8, 8, 3)),
}
