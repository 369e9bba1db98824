"""Llama in linen, under Hugging Face's names: no biases, RMSNorm, rotary positions, SwiGLU.

H. Touvron et al., LLaMA: open and efficient foundation language models, 2023. Key and value heads
are shared by groups of query heads (GQA).
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

__all__ = ["Llama"]


def _rotated(x: Any, theta: float) -> Any:
    """Turn pairs of features (i, i + d/2) by angles that grow with the position.

    Args:
        x: batch, position, head, feature.
        theta: the base of the wavelengths.
    """
    half = x.shape[-1] // 2
    frequencies = theta ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angles = jnp.arange(x.shape[1], dtype=jnp.float32)[:, None] * frequencies
    cos, sin = jnp.cos(angles)[:, None], jnp.sin(angles)[:, None]
    first, second = x[..., :half], x[..., half:]
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], -1)


class _Attention(nn.Module):
    config: Any

    @nn.compact
    def __call__(self, x: Any) -> Any:
        heads, groups = self.config.num_attention_heads, self.config.num_key_value_heads
        size = self.config.hidden_size // heads
        theta = self.config.rope_parameters["rope_theta"]

        def project(name: str, count: int) -> Any:
            made = nn.Dense(count * size, use_bias=False, name=name)(x)
            return made.reshape(*x.shape[:2], count, size)

        query = _rotated(project("q_proj", heads), theta)
        key = _rotated(project("k_proj", groups), theta)
        attended = jax.nn.dot_product_attention(
            query, key, project("v_proj", groups), is_causal=True
        )
        out = attended.reshape(*x.shape[:2], heads * size)
        return nn.Dense(self.config.hidden_size, use_bias=False, name="o_proj")(out)


class _MLP(nn.Module):
    config: Any

    @nn.compact
    def __call__(self, x: Any) -> Any:
        width = self.config.intermediate_size
        gate = nn.Dense(width, use_bias=False, name="gate_proj")(x)
        up = nn.Dense(width, use_bias=False, name="up_proj")(x)
        return nn.Dense(self.config.hidden_size, use_bias=False, name="down_proj")(
            nn.silu(gate) * up
        )


class _Block(nn.Module):
    config: Any

    @nn.compact
    def __call__(self, x: Any) -> Any:
        epsilon = self.config.rms_norm_eps
        x = x + _Attention(self.config, name="self_attn")(
            nn.RMSNorm(epsilon=epsilon, name="input_layernorm")(x)
        )
        return x + _MLP(self.config, name="mlp")(
            nn.RMSNorm(epsilon=epsilon, name="post_attention_layernorm")(x)
        )


class Llama(nn.Module):
    """The language model of a ``transformers.LlamaConfig``: words to logits."""

    config: Any

    @nn.compact
    def __call__(self, words: Any) -> Any:
        config = self.config
        x = nn.Embed(config.vocab_size, config.hidden_size, name="model_embed_tokens")(words)
        for index in range(config.num_hidden_layers):
            x = _Block(config, name=f"model_layers_{index}")(x)
        x = nn.RMSNorm(epsilon=config.rms_norm_eps, name="model_norm")(x)
        return nn.Dense(config.vocab_size, use_bias=False, name="lm_head")(x)
