"""A translator: torch's ``nn.Transformer`` between two embeddings and a head.

torch has the table of positions as a buffer in its state dict; the ports compute it.
"""

import math

import jax.numpy as jnp
import numpy as np
import torch
from flax import linen, nnx
from torch import nn

from examples.models.family import Family, tokens

__all__ = ["SEQ2SEQ", "LinenTranslator", "TorchTranslator", "Translator"]


def positions(length, width):
    """Sines in the even columns, cosines in the odd ones."""
    angles = np.arange(length)[:, None] * np.exp(-np.arange(0, width, 2) * math.log(10000) / width)
    table = np.zeros((length, width), np.float32)
    table[:, 0::2], table[:, 1::2] = np.sin(angles), np.cos(angles)
    return table


class PositionalEncoding(nn.Module):
    """Adds the table of positions."""

    def __init__(self, width, length, dropout):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("pos_embedding", torch.from_numpy(positions(length, width))[None])

    def forward(self, x):
        """The same shape."""
        return self.dropout(x + self.pos_embedding[:, : x.shape[1]])


class TorchTranslator(nn.Module):
    """Every matrix by xavier_uniform."""

    def __init__(
        self, source=30, target=26, width=16, heads=2, hidden=24, encoder=2, decoder=2, length=32
    ):
        super().__init__()
        self.transformer = nn.Transformer(
            d_model=width,
            nhead=heads,
            num_encoder_layers=encoder,
            num_decoder_layers=decoder,
            dim_feedforward=hidden,
            batch_first=True,
        )
        self.generator = nn.Linear(width, target)
        self.src_tok_emb = nn.Embedding(source, width)
        self.tgt_tok_emb = nn.Embedding(target, width)
        self.positional_encoding = PositionalEncoding(width, length, 0.1)
        self.width = width
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.xavier_uniform_(p)

    def forward(self, source, target):
        """Logits of the next word, at every position of ``target``."""
        root = math.sqrt(self.width)
        source = self.positional_encoding(self.src_tok_emb(source) * root)
        target = self.positional_encoding(self.tgt_tok_emb(target) * root)
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        return self.generator(self.transformer(source, target, tgt_mask=mask))


# torch's epsilon; Flax's own is 1e-6.
NORM = {"epsilon": 1e-5}


class LinenLayer(linen.Module):
    """A layer of the encoder; of the decoder, where there is something to attend to."""

    heads: int
    hidden: int

    @linen.compact
    def __call__(self, x, memory=None, mask=None, train=False):
        """The same shape."""
        attend = linen.MultiHeadDotProductAttention(self.heads, name="self_attn")
        x = linen.LayerNorm(**NORM, name="norm1")(x + attend(x, x, mask=mask))
        if memory is not None:
            attend = linen.MultiHeadDotProductAttention(self.heads, name="multihead_attn")
            x = linen.LayerNorm(**NORM, name="norm2")(x + attend(x, memory))
        y = linen.relu(linen.Dense(self.hidden, name="linear1")(x))
        y = linen.Dense(x.shape[-1], name="linear2")(linen.Dropout(0.1, deterministic=not train)(y))
        return linen.LayerNorm(**NORM, name="norm2" if memory is None else "norm3")(x + y)


class LinenTranslator(linen.Module):
    """Layers of both stacks are numbered."""

    source: int = 30
    target: int = 26
    width: int = 16
    heads: int = 2
    hidden: int = 24
    encoder: int = 2
    decoder: int = 2
    length: int = 32

    @linen.compact
    def __call__(self, source, target, train=False):
        """Logits of the next word, at every position of ``target``."""
        table = jnp.asarray(positions(self.length, self.width))
        root = math.sqrt(self.width)
        x = linen.Embed(self.source, self.width, name="src_embed")(source) * root
        x = x + table[: x.shape[1]]
        for index in range(self.encoder):
            layer = LinenLayer(self.heads, self.hidden, name=f"encoder_layer_{index}")
            x = layer(x, train=train)
        memory = linen.LayerNorm(**NORM, name="encoder_norm")(x)
        y = linen.Embed(self.target, self.width, name="tgt_embed")(target) * root
        y = y + table[: y.shape[1]]
        # True is what may be seen, in torch what may not.
        mask = linen.make_causal_mask(target)
        for index in range(self.decoder):
            layer = LinenLayer(self.heads, self.hidden, name=f"decoder_layer_{index}")
            y = layer(y, memory, mask, train)
        y = linen.LayerNorm(**NORM, name="decoder_norm")(y)
        return linen.Dense(self.target, name="generator")(y)


class Layer(nnx.Module):
    """A layer of the encoder, or of the decoder."""

    def __init__(self, width, heads, hidden, *, is_decoder, rngs):
        self.self_attn = nnx.MultiHeadAttention(heads, width, decode=False, rngs=rngs)
        if is_decoder:
            self.multihead_attn = nnx.MultiHeadAttention(heads, width, decode=False, rngs=rngs)
        self.linear1 = nnx.Linear(width, hidden, rngs=rngs)
        self.linear2 = nnx.Linear(hidden, width, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)
        self.norm1 = nnx.LayerNorm(width, **NORM, rngs=rngs)
        self.norm2 = nnx.LayerNorm(width, **NORM, rngs=rngs)
        if is_decoder:
            self.norm3 = nnx.LayerNorm(width, **NORM, rngs=rngs)

    def __call__(self, x, memory=None, mask=None):
        """The same shape."""
        x = self.norm1(x + self.self_attn(x, mask=mask))
        last = self.norm2
        if memory is not None:
            x = self.norm2(x + self.multihead_attn(x, memory))
            last = self.norm3
        return last(x + self.linear2(self.dropout(nnx.relu(self.linear1(x)))))


class Stack(nnx.Module):
    """Layers, and a normalization at the end."""

    def __init__(self, count, width, heads, hidden, *, is_decoder, rngs):
        self.layers = nnx.List(
            [Layer(width, heads, hidden, is_decoder=is_decoder, rngs=rngs) for _ in range(count)]
        )
        self.norm = nnx.LayerNorm(width, **NORM, rngs=rngs)

    def __call__(self, x, memory=None, mask=None):
        """The same shape."""
        for layer in self.layers:
            x = layer(x, memory, mask)
        return self.norm(x)


class Translator(nnx.Module):
    """Names are mostly torch's."""

    def __init__(
        self,
        source=30,
        target=26,
        width=16,
        heads=2,
        hidden=24,
        encoder=2,
        decoder=2,
        length=32,
        *,
        rngs,
    ):
        self.src_tok_emb = nnx.Embed(source, width, rngs=rngs)
        self.tgt_tok_emb = nnx.Embed(target, width, rngs=rngs)
        self.encoder = Stack(encoder, width, heads, hidden, is_decoder=False, rngs=rngs)
        self.decoder = Stack(decoder, width, heads, hidden, is_decoder=True, rngs=rngs)
        self.generator = nnx.Linear(width, target, rngs=rngs)
        self.width, self.length = width, length

    def __call__(self, source, target):
        """Logits of the next word, at every position of ``target``."""
        table = jnp.asarray(positions(self.length, self.width))
        root = math.sqrt(self.width)
        x = self.src_tok_emb(source) * root + table[: source.shape[1]]
        y = self.tgt_tok_emb(target) * root + table[: target.shape[1]]
        # True is what may be seen, in torch what may not.
        mask = nnx.make_causal_mask(target)
        return self.generator(self.decoder(y, self.encoder(x), mask))


SEQ2SEQ = Family(
    "Translator",
    TorchTranslator,
    LinenTranslator,
    Translator,
    tokens(26, 9, 7),
    real={
        "source": 19214,
        "target": 10837,
        "width": 512,
        "heads": 8,
        "hidden": 512,
        "encoder": 3,
        "decoder": 3,
        "length": 5000,
    },
)
