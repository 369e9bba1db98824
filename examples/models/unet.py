"""U-Net: down, across and up, with double convolutions and transposed ones between."""

import jax.numpy as jnp
import torch
from flax import linen, nnx
from torch import nn

from examples.models.family import Family, images

__all__ = ["UNET", "LinenUNet", "TorchUNet", "UNet"]

NORM = {"momentum": 0.9, "epsilon": 1e-5}


class TorchDoubleConv(nn.Module):
    """Convolution, normalization, ReLU, twice."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        """A map of the same size."""
        return self.double_conv(x)


class TorchUp(nn.Module):
    """Twice the size, joined with what was there on the way down."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, inputs // 2, kernel_size=2, stride=2)
        self.conv = TorchDoubleConv(inputs, outputs)

    def forward(self, x, skip):
        """A map of the size of ``skip``."""
        return self.conv(torch.cat([skip, self.up(x)], dim=1))


class TorchUNet(nn.Module):
    """Convolutions by kaiming_normal for ReLU."""

    def __init__(self, width=4, depth=2, num_classes=3):
        super().__init__()
        self.inc = TorchDoubleConv(3, width)
        self.downs = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), TorchDoubleConv(width * 2**i, width * 2 ** (i + 1)))
            for i in range(depth)
        )
        self.ups = nn.ModuleList(
            TorchUp(width * 2 ** (i + 1), width * 2**i) for i in reversed(range(depth))
        )
        self.outc = nn.Conv2d(width, num_classes, kernel_size=1)
        self.apply(self._init_weights)

    @staticmethod
    def _init_weights(m):
        if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
            if m.bias is not None:
                m.bias.data.zero_()

    def forward(self, x):
        """Logits for every pixel, channels first."""
        maps = [self.inc(x)]
        for down in self.downs:
            maps.append(down(maps[-1]))
        x = maps.pop()
        for up in self.ups:
            x = up(x, maps.pop())
        return self.outc(x)


class LinenDoubleConv(linen.Module):
    """Convolution, normalization, ReLU, twice."""

    features: int

    @linen.compact
    def __call__(self, x, train=False):
        """A map of the same size."""
        for _ in range(2):
            x = linen.Conv(self.features, (3, 3), padding=1, use_bias=False)(x)
            x = linen.relu(linen.BatchNorm(use_running_average=not train, **NORM)(x))
        return x


class LinenUNet(linen.Module):
    """Parts are called by their numbers."""

    width: int = 4
    depth: int = 2
    num_classes: int = 3

    @linen.compact
    def __call__(self, x, train=False):
        """Logits for every pixel, channels last."""
        maps = [LinenDoubleConv(self.width, name="inc")(x, train)]
        for i in range(self.depth):
            x = linen.max_pool(maps[-1], (2, 2), strides=(2, 2))
            maps.append(LinenDoubleConv(self.width * 2 ** (i + 1), name=f"down_{i}")(x, train))
        x = maps.pop()
        for i in range(self.depth):
            features = self.width * 2 ** (self.depth - 1 - i)
            # torch's kernel, not reversed.
            x = linen.ConvTranspose(
                features, (2, 2), strides=(2, 2), transpose_kernel=True, name=f"up_{i}"
            )(x)
            x = jnp.concatenate([maps.pop(), x], axis=-1)
            x = LinenDoubleConv(features, name=f"up_{i}_conv")(x, train)
        return linen.Conv(self.num_classes, (1, 1), name="outc")(x)


class DoubleConv(nnx.Module):
    """Convolution, normalization, ReLU, twice."""

    def __init__(self, inputs, outputs, *, rngs):
        self.conv1 = nnx.Conv(inputs, outputs, (3, 3), padding=1, use_bias=False, rngs=rngs)
        self.bn1 = nnx.BatchNorm(outputs, **NORM, rngs=rngs)
        self.conv2 = nnx.Conv(outputs, outputs, (3, 3), padding=1, use_bias=False, rngs=rngs)
        self.bn2 = nnx.BatchNorm(outputs, **NORM, rngs=rngs)

    def __call__(self, x):
        """A map of the same size."""
        x = nnx.relu(self.bn1(self.conv1(x)))
        return nnx.relu(self.bn2(self.conv2(x)))


class Up(nnx.Module):
    """Twice the size, joined with what was there on the way down."""

    def __init__(self, inputs, outputs, *, rngs):
        self.up = nnx.ConvTranspose(inputs, inputs // 2, (2, 2), strides=(2, 2), rngs=rngs)
        self.conv = DoubleConv(inputs, outputs, rngs=rngs)

    def __call__(self, x, skip):
        """A map of the size of ``skip``."""
        return self.conv(jnp.concatenate([skip, self.up(x)], axis=-1))


class UNet(nnx.Module):
    """Names are torch's, but for those inside of a double convolution."""

    def __init__(self, width=4, depth=2, num_classes=3, *, rngs):
        self.inc = DoubleConv(3, width, rngs=rngs)
        self.downs = nnx.List(
            [DoubleConv(width * 2**i, width * 2 ** (i + 1), rngs=rngs) for i in range(depth)]
        )
        self.ups = nnx.List(
            [Up(width * 2 ** (i + 1), width * 2**i, rngs=rngs) for i in reversed(range(depth))]
        )
        self.outc = nnx.Conv(width, num_classes, (1, 1), rngs=rngs)

    def __call__(self, x):
        """Logits for every pixel, channels last."""
        maps = [self.inc(x)]
        for down in self.downs:
            maps.append(down(nnx.max_pool(maps[-1], (2, 2), strides=(2, 2))))
        x = maps.pop()
        for up in self.ups:
            x = up(x, maps.pop())
        return self.outc(x)


UNET = Family(
    "U-Net",
    TorchUNet,
    LinenUNet,
    UNet,
    images(16),
    real={"width": 64, "depth": 4},
    is_image=True,
    gives_image=True,
)
