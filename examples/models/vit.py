"""Vision transformer: a token for the class, learned positions, truncated normals."""

import jax.numpy as jnp
import torch
from flax import linen, nnx
from torch import nn
from torch.nn.init import trunc_normal_

from examples.models.family import Family, images

__all__ = ["VIT", "LinenViT", "TorchViT", "ViT"]


class TorchBlock(nn.Module):
    """Attention and MLP, each normalized before and added after."""

    def __init__(self, width, heads, hidden):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(0.1), nn.Linear(hidden, width)
        )

    def forward(self, x):
        """The same shape."""
        y = self.norm1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class TorchViT(nn.Module):
    """Weights of linear layers, the token and the positions are truncated normals."""

    def __init__(self, size=16, patch=4, width=24, heads=3, depth=2, hidden=48, num_classes=10):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, width, kernel_size=patch, stride=patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.randn(1, (size // patch) ** 2 + 1, width) * 0.02)
        self.blocks = nn.ModuleList([TorchBlock(width, heads, hidden) for _ in range(depth)])
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, num_classes)
        trunc_normal_(self.cls_token, std=0.02)
        trunc_normal_(self.pos_embed, std=0.02)
        self.apply(self._init_weights)

    def _init_weights(self, m):
        if isinstance(m, nn.Linear):
            trunc_normal_(m.weight, std=0.02)
            nn.init.constant_(m.bias, 0)
        elif isinstance(m, nn.LayerNorm):
            nn.init.constant_(m.bias, 0)
            nn.init.constant_(m.weight, 1.0)

    def forward(self, x):
        """Logits of images with channels first."""
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1)
        x = x + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class LinenBlock(linen.Module):
    """Attention and MLP, each normalized before and added after."""

    heads: int
    hidden: int

    @linen.compact
    def __call__(self, x, train=False):
        """The same shape."""
        y = linen.LayerNorm(epsilon=1e-6)(x)
        x = x + linen.MultiHeadDotProductAttention(self.heads)(y, y)
        y = linen.Dense(self.hidden)(linen.LayerNorm(epsilon=1e-6)(x))
        # torch's GELU is the exact one.
        y = linen.Dropout(0.1, deterministic=not train)(linen.gelu(y, approximate=False))
        return x + linen.Dense(x.shape[-1])(y)


class LinenViT(linen.Module):
    """Names are those that linen gives, where there is no need for others."""

    size: int = 16
    patch: int = 4
    width: int = 24
    heads: int = 3
    depth: int = 2
    hidden: int = 48
    num_classes: int = 10

    @linen.compact
    def __call__(self, x, train=False):
        """Logits of images with channels last."""
        patch = (self.patch, self.patch)
        x = linen.Conv(self.width, patch, strides=patch, padding="VALID", name="embedding")(x)
        x = x.reshape(x.shape[0], -1, self.width)
        token = self.param("cls", linen.initializers.zeros, (1, 1, self.width))
        x = jnp.concatenate([jnp.tile(token, (x.shape[0], 1, 1)), x], axis=1)
        positions = linen.initializers.normal(0.02)
        x = x + self.param("pos_embedding", positions, (1, x.shape[1], self.width))
        for index in range(self.depth):
            x = LinenBlock(self.heads, self.hidden, name=f"encoderblock_{index}")(x, train)
        x = linen.LayerNorm(epsilon=1e-6, name="encoder_norm")(x)
        return linen.Dense(self.num_classes, name="head")(x[:, 0])


class Block(nnx.Module):
    """Attention and MLP, each normalized before and added after."""

    def __init__(self, width, heads, hidden, *, rngs):
        self.norm1 = nnx.LayerNorm(width, epsilon=1e-6, rngs=rngs)
        self.attn = nnx.MultiHeadAttention(heads, width, decode=False, rngs=rngs)
        self.norm2 = nnx.LayerNorm(width, epsilon=1e-6, rngs=rngs)
        self.linear1 = nnx.Linear(width, hidden, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)
        self.linear2 = nnx.Linear(hidden, width, rngs=rngs)

    def __call__(self, x):
        """The same shape."""
        x = x + self.attn(self.norm1(x))
        y = nnx.gelu(self.linear1(self.norm2(x)), approximate=False)
        return x + self.linear2(self.dropout(y))


class ViT(nnx.Module):
    """Names are torch's, but for the MLP's."""

    def __init__(
        self, size=16, patch=4, width=24, heads=3, depth=2, hidden=48, num_classes=10, *, rngs
    ):
        self.patch_embed = nnx.Conv(
            3, width, (patch, patch), strides=patch, padding="VALID", rngs=rngs
        )
        self.cls_token = nnx.Param(jnp.zeros((1, 1, width)))
        self.pos_embed = nnx.Param(jnp.zeros((1, (size // patch) ** 2 + 1, width)))
        self.blocks = nnx.List([Block(width, heads, hidden, rngs=rngs) for _ in range(depth)])
        self.norm = nnx.LayerNorm(width, epsilon=1e-6, rngs=rngs)
        self.head = nnx.Linear(width, num_classes, rngs=rngs)

    def __call__(self, x):
        """Logits of images with channels last."""
        x = self.patch_embed(x)
        x = x.reshape(x.shape[0], -1, x.shape[-1])
        token = jnp.tile(self.cls_token[...], (x.shape[0], 1, 1))
        x = jnp.concatenate([token, x], axis=1) + self.pos_embed[...]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


VIT = Family(
    "ViT",
    TorchViT,
    LinenViT,
    ViT,
    images(16),
    real={
        "size": 224,
        "patch": 16,
        "width": 768,
        "heads": 12,
        "depth": 12,
        "hidden": 3072,
        "num_classes": 1000,
    },
    is_image=True,
)
