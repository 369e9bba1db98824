"""GPT-2 in the manner of nanoGPT: the projections of attention in one linear layer, a tied head.

The linen port keeps that layer whole and scans one stacked block; the nnx port has a layer for
queries, keys and values each.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen, nnx
from torch import nn
from torch.nn import functional

from examples.models.family import Family, tokens

__all__ = ["GPT2", "Decoder", "LinenGPT", "TorchGPT"]


class TorchAttention(nn.Module):
    """Causal attention of several heads."""

    def __init__(self, width, heads):
        super().__init__()
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)
        self.heads = heads

    def forward(self, x):
        """The same shape."""
        batch, length, width = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for part in self.c_attn(x).split(width, dim=2)
        )
        x = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(x.transpose(1, 2).reshape(batch, length, width))


class TorchMLP(nn.Module):
    """Two linear layers, the inner four times as wide."""

    def __init__(self, width):
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.gelu = nn.GELU(approximate="tanh")
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x):
        """The same shape."""
        return self.c_proj(self.gelu(self.c_fc(x)))


class TorchBlock(nn.Module):
    """Attention and MLP, each normalized before and added after."""

    def __init__(self, width, heads):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = TorchAttention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = TorchMLP(width)

    def forward(self, x):
        """The same shape."""
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class TorchGPT(nn.Module):
    """Normals of std 0.02; those that are added to the stream divided by the root of depth."""

    def __init__(self, vocabulary=50, context=16, width=24, heads=3, depth=2):
        super().__init__()
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(vocabulary, width),
                "wpe": nn.Embedding(context, width),
                "h": nn.ModuleList([TorchBlock(width, heads) for _ in range(depth)]),
                "ln_f": nn.LayerNorm(width),
            }
        )
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        self.transformer.wte.weight = self.lm_head.weight
        self.apply(self._init_weights)
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(parameter, mean=0.0, std=0.02 / math.sqrt(2 * depth))

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)

    def forward(self, words):
        """Logits of the next word, at every position."""
        x = self.transformer.wte(words) + self.transformer.wpe.weight[: words.shape[1]]
        for block in self.transformer.h:
            x = block(x)
        return self.lm_head(self.transformer.ln_f(x))


def attention(q, k, v, heads):
    """Causal attention of (batch, length, width) arrays."""
    q, k, v = (part.reshape(*part.shape[:2], heads, -1) for part in (q, k, v))
    return jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(*q.shape[:2], -1)


class LinenBlock(linen.Module):
    """Attention and MLP, each normalized before and added after."""

    heads: int

    @linen.compact
    def __call__(self, x):
        """The same shape, and nothing for each step, as a scan wants it."""
        width = x.shape[-1]
        # torch's epsilon; Flax's own is 1e-6.
        y = linen.LayerNorm(epsilon=1e-5, name="ln_1")(x)
        q, k, v = jnp.split(linen.Dense(3 * width, name="c_attn")(y), 3, axis=-1)
        x = x + linen.Dense(width, name="attn_proj")(attention(q, k, v, self.heads))
        y = linen.LayerNorm(epsilon=1e-5, name="ln_2")(x)
        # Flax's gelu is the approximation by tanh, which is what GPT-2 has.
        y = linen.gelu(linen.Dense(4 * width, name="c_fc")(y))
        return x + linen.Dense(width, name="mlp_proj")(y), None


class LinenGPT(linen.Module):
    """Blocks are one, stacked, and scanned; the head is the table of the embedding."""

    vocabulary: int = 50
    context: int = 16
    width: int = 24
    heads: int = 3
    depth: int = 2

    @linen.compact
    def __call__(self, words):
        """Logits of the next word, at every position."""
        wte = linen.Embed(self.vocabulary, self.width, name="wte")
        wpe = linen.Embed(self.context, self.width, name="wpe")
        x = wte(words) + wpe(jnp.arange(words.shape[1]))
        blocks = linen.scan(
            LinenBlock,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            length=self.depth,
        )
        x, _ = blocks(self.heads, name="h")(x)
        return wte.attend(linen.LayerNorm(epsilon=1e-5, name="ln_f")(x))


class Attention(nnx.Module):
    """Causal attention of several heads."""

    def __init__(self, width, heads, *, rngs):
        self.q_proj = nnx.Linear(width, width, rngs=rngs)
        self.k_proj = nnx.Linear(width, width, rngs=rngs)
        self.v_proj = nnx.Linear(width, width, rngs=rngs)
        self.c_proj = nnx.Linear(width, width, rngs=rngs)
        self.heads = heads

    def __call__(self, x):
        """The same shape."""
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        return self.c_proj(attention(q, k, v, self.heads))


class Block(nnx.Module):
    """Attention and MLP, each normalized before and added after."""

    def __init__(self, width, heads, *, rngs):
        self.ln_1 = nnx.LayerNorm(width, epsilon=1e-5, rngs=rngs)
        self.attn = Attention(width, heads, rngs=rngs)
        self.ln_2 = nnx.LayerNorm(width, epsilon=1e-5, rngs=rngs)
        self.c_fc = nnx.Linear(width, 4 * width, rngs=rngs)
        self.c_proj = nnx.Linear(4 * width, width, rngs=rngs)

    def __call__(self, x):
        """The same shape."""
        x = x + self.attn(self.ln_1(x))
        return x + self.c_proj(nnx.gelu(self.c_fc(self.ln_2(x))))


class Decoder(nnx.Module):
    """The head is the table of the embedding."""

    def __init__(self, vocabulary=50, context=16, width=24, heads=3, depth=2, *, rngs):
        self.wte = nnx.Embed(vocabulary, width, rngs=rngs)
        self.wpe = nnx.Embed(context, width, rngs=rngs)
        self.h = nnx.List([Block(width, heads, rngs=rngs) for _ in range(depth)])
        self.ln_f = nnx.LayerNorm(width, epsilon=1e-5, rngs=rngs)

    def __call__(self, words):
        """Logits of the next word, at every position."""
        x = self.wte(words) + self.wpe(jnp.arange(words.shape[1]))
        for block in self.h:
            x = block(x)
        return self.wte.attend(self.ln_f(x))


GPT2 = Family(
    "GPT-2",
    TorchGPT,
    LinenGPT,
    Decoder,
    tokens(50, 11),
    real={"vocabulary": 50257, "context": 1024, "width": 768, "heads": 12, "depth": 12},
    nnx_names={
        r"transformer\.h\.(\d+)\.attn\.c_attn": (
            r"h/\1/attn/q_proj",
            r"h/\1/attn/k_proj",
            r"h/\1/attn/v_proj",
        )
    },
)
