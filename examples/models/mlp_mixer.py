"""MLP-Mixer: linear layers over the patches in turn with linear layers over the channels."""

import torch
from flax import linen, nnx
from torch import nn

from examples.models.family import Family, images

__all__ = ["MLP_MIXER", "LinenMixer", "Mixer", "TorchMixer"]


class TorchMlp(nn.Module):
    """Two linear layers."""

    def __init__(self, width, hidden):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x):
        """The same shape."""
        return self.fc2(self.act(self.fc1(x)))


class TorchBlock(nn.Module):
    """Mixes patches, then channels."""

    def __init__(self, patches, width, tokens_hidden, channels_hidden):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.mlp_tokens = TorchMlp(patches, tokens_hidden)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp_channels = TorchMlp(width, channels_hidden)

    def forward(self, x):
        """The same shape."""
        x = x + self.mlp_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.mlp_channels(self.norm2(x))


class TorchMixer(nn.Module):
    """xavier_uniform with small random biases in the MLPs; a head of zeros."""

    def __init__(
        self, size=16, patch=4, width=20, tokens_hidden=12, channels_hidden=40, depth=2, classes=10
    ):
        super().__init__()
        self.stem = nn.Conv2d(3, width, kernel_size=patch, stride=patch)
        patches = (size // patch) ** 2
        self.blocks = nn.Sequential(
            *(TorchBlock(patches, width, tokens_hidden, channels_hidden) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, classes)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                if name.startswith("head"):
                    nn.init.zeros_(module.weight)
                    nn.init.zeros_(module.bias)
                else:
                    nn.init.xavier_uniform_(module.weight)
                    nn.init.normal_(module.bias, std=1e-6)

    def forward(self, x):
        """Logits of images with channels first."""
        x = self.stem(x).flatten(2).transpose(1, 2)
        return self.head(torch.mean(self.norm(self.blocks(x)), dim=1))


class LinenMlp(linen.Module):
    """Two linear layers."""

    hidden: int

    @linen.compact
    def __call__(self, x):
        """The same shape."""
        # torch's GELU is the exact one.
        y = linen.gelu(linen.Dense(self.hidden)(x), approximate=False)
        return linen.Dense(x.shape[-1])(y)


class LinenBlock(linen.Module):
    """Mixes patches, then channels."""

    tokens_hidden: int
    channels_hidden: int

    @linen.compact
    def __call__(self, x):
        """The same shape."""
        y = linen.LayerNorm(epsilon=1e-6)(x).swapaxes(1, 2)
        x = x + LinenMlp(self.tokens_hidden, name="token_mixing")(y).swapaxes(1, 2)
        y = linen.LayerNorm(epsilon=1e-6)(x)
        return x + LinenMlp(self.channels_hidden, name="channel_mixing")(y)


class LinenMixer(linen.Module):
    """Names are those of the paper's own code."""

    size: int = 16
    patch: int = 4
    width: int = 20
    tokens_hidden: int = 12
    channels_hidden: int = 40
    depth: int = 2
    classes: int = 10

    @linen.compact
    def __call__(self, x):
        """Logits of images with channels last."""
        patch = (self.patch, self.patch)
        x = linen.Conv(self.width, patch, strides=patch, padding="VALID", name="stem")(x)
        x = x.reshape(x.shape[0], -1, self.width)
        for _ in range(self.depth):
            x = LinenBlock(self.tokens_hidden, self.channels_hidden)(x)
        x = linen.LayerNorm(epsilon=1e-6, name="pre_head_layer_norm")(x)
        return linen.Dense(self.classes, name="head")(x.mean(1))


class Mlp(nnx.Module):
    """Two linear layers."""

    def __init__(self, width, hidden, *, rngs):
        self.fc1 = nnx.Linear(width, hidden, rngs=rngs)
        self.fc2 = nnx.Linear(hidden, width, rngs=rngs)

    def __call__(self, x):
        """The same shape."""
        return self.fc2(nnx.gelu(self.fc1(x), approximate=False))


class Block(nnx.Module):
    """Mixes patches, then channels."""

    def __init__(self, patches, width, tokens_hidden, channels_hidden, *, rngs):
        self.norm1 = nnx.LayerNorm(width, epsilon=1e-6, rngs=rngs)
        self.mlp_tokens = Mlp(patches, tokens_hidden, rngs=rngs)
        self.norm2 = nnx.LayerNorm(width, epsilon=1e-6, rngs=rngs)
        self.mlp_channels = Mlp(width, channels_hidden, rngs=rngs)

    def __call__(self, x):
        """The same shape."""
        x = x + self.mlp_tokens(self.norm1(x).swapaxes(1, 2)).swapaxes(1, 2)
        return x + self.mlp_channels(self.norm2(x))


class Mixer(nnx.Module):
    """Names are torch's. The blocks are one module, stacked, that is run in a loop."""

    def __init__(
        self,
        size=16,
        patch=4,
        width=20,
        tokens_hidden=12,
        channels_hidden=40,
        depth=2,
        classes=10,
        *,
        rngs,
    ):
        self.stem = nnx.Conv(3, width, (patch, patch), strides=patch, padding="VALID", rngs=rngs)
        patches = (size // patch) ** 2

        @nnx.split_rngs(splits=depth)
        @nnx.vmap(in_axes=(0,), out_axes=0)
        def build(rngs):
            return Block(patches, width, tokens_hidden, channels_hidden, rngs=rngs)

        self.blocks = build(rngs)
        self.norm = nnx.LayerNorm(width, epsilon=1e-6, rngs=rngs)
        self.head = nnx.Linear(width, classes, rngs=rngs)

    def __call__(self, x):
        """Logits of images with channels last."""
        x = self.stem(x)
        x = x.reshape(x.shape[0], -1, x.shape[-1])

        @nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
        def run(x, block):
            return block(x)

        return self.head(self.norm(run(x, self.blocks)).mean(1))


MLP_MIXER = Family(
    "MLP-Mixer",
    TorchMixer,
    LinenMixer,
    Mixer,
    images(16),
    real={
        "size": 224,
        "patch": 16,
        "width": 768,
        "tokens_hidden": 384,
        "channels_hidden": 3072,
        "depth": 12,
        "classes": 1000,
    },
    is_image=True,
)
