"""A GPT. That of ``examples.models`` is much the same, but needs torch beside it."""

import jax
import jax.numpy as jnp
from flax import linen as nn

__all__ = ["GPT"]


class Block(nn.Module):
    """Attention and MLP, each normalized before and added after."""

    heads: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """The same shape."""
        batch, length, width = x.shape
        y = nn.LayerNorm(epsilon=1e-5, name="ln_1")(x)
        y = nn.Dense(3 * width, name="attn_in")(y)
        q, k, v = (part.reshape(batch, length, self.heads, -1) for part in jnp.split(y, 3, axis=-1))
        y = jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(x.shape)
        x = x + nn.Dense(width, name="attn_proj")(y)
        y = nn.LayerNorm(epsilon=1e-5, name="ln_2")(x)
        y = nn.gelu(nn.Dense(4 * width, name="mlp_in")(y))
        return x + nn.Dense(width, name="mlp_proj")(y)


class GPT(nn.Module):
    """Scores of the next word at every position.

    GPT-2 starts from normals of std 0.02, whatever the fans, see ``recipes.gpt2``.
    """

    vocabulary: int = 64
    context: int = 32
    width: int = 64
    heads: int = 4
    depth: int = 6

    @nn.compact
    def __call__(self, words: jax.Array) -> jax.Array:
        """Scores of shape (batch, length, vocabulary)."""
        positions = nn.Embed(self.context, self.width, name="wpe")(jnp.arange(words.shape[1]))
        x = nn.Embed(self.vocabulary, self.width, name="wte")(words) + positions
        for index in range(self.depth):
            x = Block(self.heads, name=f"h_{index}")(x)
        x = nn.LayerNorm(epsilon=1e-5, name="ln_f")(x)
        return nn.Dense(self.vocabulary, use_bias=False, name="head")(x)
