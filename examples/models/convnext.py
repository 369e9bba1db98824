"""ConvNeXt: depthwise convolutions, linear layers, and a scale for each channel of a block."""

from itertools import pairwise

import jax.numpy as jnp
import torch
from flax import linen, nnx
from torch import nn
from torch.nn.init import trunc_normal_

from examples.models.family import Family, images

__all__ = ["CONVNEXT", "ConvNeXt", "LinenConvNeXt", "TorchConvNeXt"]


class TorchNorm(nn.LayerNorm):
    """LayerNorm over the channels of a map."""

    def forward(self, x):
        """The same shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class TorchBlock(nn.Module):
    """A depthwise convolution, and two linear layers for every pixel."""

    def __init__(self, width, scale):
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, kernel_size=7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pwconv1 = nn.Linear(width, 4 * width)
        self.act = nn.GELU()
        self.pwconv2 = nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(scale * torch.ones(width))

    def forward(self, x):
        """The same shape."""
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.gamma * self.pwconv2(self.act(self.pwconv1(y)))
        return x + y.permute(0, 3, 1, 2)


class TorchConvNeXt(nn.Module):
    """Truncated normals, and scales that start near zero."""

    def __init__(self, depths=(1, 2), widths=(6, 10), num_classes=10, scale=1e-6):
        super().__init__()
        self.downsample_layers = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv2d(3, widths[0], kernel_size=4, stride=4),
                    TorchNorm(widths[0], eps=1e-6),
                )
            ]
        )
        for before, after in pairwise(widths):
            self.downsample_layers.append(
                nn.Sequential(
                    TorchNorm(before, eps=1e-6),
                    nn.Conv2d(before, after, kernel_size=2, stride=2),
                )
            )
        self.stages = nn.ModuleList(
            nn.Sequential(*(TorchBlock(width, scale) for _ in range(depth)))
            for depth, width in zip(depths, widths, strict=True)
        )
        self.norm = nn.LayerNorm(widths[-1], eps=1e-6)
        self.head = nn.Linear(widths[-1], num_classes)
        self.apply(self._init_weights)

    def _init_weights(self, m):
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            trunc_normal_(m.weight, std=0.02)
            nn.init.constant_(m.bias, 0)

    def forward(self, x):
        """Logits of images with channels first."""
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
        return self.head(self.norm(x.mean([-2, -1])))


class LinenBlock(linen.Module):
    """A depthwise convolution, and two linear layers for every pixel."""

    scale: float = 1e-6

    @linen.compact
    def __call__(self, x):
        """The same shape."""
        width = x.shape[-1]
        y = linen.Conv(width, (7, 7), padding=3, feature_group_count=width, name="dwconv")(x)
        y = linen.LayerNorm(epsilon=1e-6, name="norm")(y)
        # torch's GELU is the exact one.
        y = linen.gelu(linen.Dense(4 * width, name="pwconv1")(y), approximate=False)
        y = linen.Dense(width, name="pwconv2")(y)
        return x + y * self.param("gamma", linen.initializers.constant(self.scale), (width,))


class LinenConvNeXt(linen.Module):
    """Stages are numbered, and blocks in them."""

    depths: tuple[int, ...] = (1, 2)
    widths: tuple[int, ...] = (6, 10)
    num_classes: int = 10
    scale: float = 1e-6

    @linen.compact
    def __call__(self, x):
        """Logits of images with channels last."""
        for stage, (depth, width) in enumerate(zip(self.depths, self.widths, strict=True)):
            norm = linen.LayerNorm(epsilon=1e-6, name=f"downsample_{stage}_norm")
            size = (4, 4) if stage == 0 else (2, 2)
            conv = linen.Conv(
                width, size, strides=size, padding="VALID", name=f"downsample_{stage}_conv"
            )
            x = norm(conv(x)) if stage == 0 else conv(norm(x))
            for block in range(depth):
                x = LinenBlock(self.scale, name=f"stages_{stage}_{block}")(x)
        x = linen.LayerNorm(epsilon=1e-6, name="norm")(x.mean((1, 2)))
        return linen.Dense(self.num_classes, name="head")(x)


class Block(nnx.Module):
    """A depthwise convolution, and two linear layers for every pixel."""

    def __init__(self, width, scale, *, rngs):
        self.dwconv = nnx.Conv(
            width, width, (7, 7), padding=3, feature_group_count=width, rngs=rngs
        )
        self.norm = nnx.LayerNorm(width, epsilon=1e-6, rngs=rngs)
        self.pwconv1 = nnx.Linear(width, 4 * width, rngs=rngs)
        self.pwconv2 = nnx.Linear(4 * width, width, rngs=rngs)
        self.gamma = nnx.Param(jnp.full((width,), scale))

    def __call__(self, x):
        """The same shape."""
        y = nnx.gelu(self.pwconv1(self.norm(self.dwconv(x))), approximate=False)
        return x + self.gamma[...] * self.pwconv2(y)


class ConvNeXt(nnx.Module):
    """Names are torch's."""

    def __init__(self, depths=(1, 2), widths=(6, 10), num_classes=10, scale=1e-6, *, rngs):
        def norm(width):
            return nnx.LayerNorm(width, epsilon=1e-6, rngs=rngs)

        def conv(before, after, size):
            return nnx.Conv(before, after, (size, size), strides=size, padding="VALID", rngs=rngs)

        first = nnx.Sequential(conv(3, widths[0], 4), norm(widths[0]))
        rest = [
            nnx.Sequential(norm(before), conv(before, after, 2))
            for before, after in pairwise(widths)
        ]
        self.downsample_layers = nnx.List([first, *rest])
        self.stages = nnx.List(
            [
                nnx.Sequential(*(Block(width, scale, rngs=rngs) for _ in range(depth)))
                for depth, width in zip(depths, widths, strict=True)
            ]
        )
        self.norm = norm(widths[-1])
        self.head = nnx.Linear(widths[-1], num_classes, rngs=rngs)

    def __call__(self, x):
        """Logits of images with channels last."""
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
        return self.head(self.norm(x.mean((1, 2))))


CONVNEXT = Family(
    "ConvNeXt",
    TorchConvNeXt,
    LinenConvNeXt,
    ConvNeXt,
    images(32),
    real={"depths": (3, 3, 9, 3), "widths": (96, 192, 384, 768), "num_classes": 1000},
    is_image=True,
)
