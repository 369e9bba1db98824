"""DCGAN's generator: transposed convolutions from a vector of noise to an image.

linen's port takes ``transpose_kernel=True``, nnx's the other form, in which the kernel is
reversed.
"""

import numpy as np
from flax import linen, nnx
from torch import nn

from examples.models.family import Family

__all__ = ["DCGAN", "Generator", "LinenGenerator", "TorchGenerator"]


def weights_init(m):
    """As in torch's example: every convolution and normalization."""
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        nn.init.normal_(m.weight, 0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        nn.init.normal_(m.weight, 1.0, 0.02)
        nn.init.zeros_(m.bias)


class TorchGenerator(nn.Module):
    """Four transposed convolutions without biases."""

    def __init__(self, noise=12, width=4, channels=3):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(noise, width * 4, 4, 1, 0, bias=False),
            nn.BatchNorm2d(width * 4),
            nn.ReLU(True),
            nn.ConvTranspose2d(width * 4, width * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(width * 2, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(True),
            nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False),
            nn.Tanh(),
        )
        self.apply(weights_init)

    def forward(self, x):
        """Images of noise of (batch, noise, 1, 1)."""
        return self.main(x)


def padding(kernel, pad):
    """torch takes away ``pad`` from the full output; Flax adds to the dilated input."""
    return ((kernel - 1 - pad, kernel - 1 - pad),) * 2


class LinenGenerator(linen.Module):
    """Kernels with torch's meaning."""

    noise: int = 12
    width: int = 4
    channels: int = 3

    @linen.compact
    def __call__(self, x, train=False):
        """Images of noise of (batch, 1, 1, noise)."""
        form = {"use_bias": False, "transpose_kernel": True}
        for index, features in enumerate((self.width * 4, self.width * 2, self.width)):
            stride, pad = (1, 0) if index == 0 else (2, 1)
            x = linen.ConvTranspose(features, (4, 4), (stride, stride), padding(4, pad), **form)(x)
            x = linen.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5)(x)
            x = linen.relu(x)
        return linen.tanh(
            linen.ConvTranspose(self.channels, (4, 4), (2, 2), padding(4, 1), **form)(x)
        )


class Generator(nnx.Module):
    """Kernels reversed: Flax's own form."""

    def __init__(self, noise=12, width=4, channels=3, *, rngs):
        def up(inputs, outputs, stride, pad):
            return nnx.ConvTranspose(
                inputs, outputs, (4, 4), stride, padding=padding(4, pad), use_bias=False, rngs=rngs
            )

        def norm(features):
            return nnx.BatchNorm(features, momentum=0.9, epsilon=1e-5, rngs=rngs)

        self.main = nnx.Sequential(
            up(noise, width * 4, 1, 0),
            norm(width * 4),
            nnx.relu,
            up(width * 4, width * 2, 2, 1),
            norm(width * 2),
            nnx.relu,
            up(width * 2, width, 2, 1),
            norm(width),
            nnx.relu,
            up(width, channels, 2, 1),
            nnx.tanh,
        )

    def __call__(self, x):
        """Images of noise of (batch, 1, 1, noise)."""
        return self.main(x)


def _noise(generator):
    return (generator.normal(size=(2, 1, 1, 12)).astype(np.float32),)


DCGAN = Family(
    "DCGAN",
    TorchGenerator,
    LinenGenerator,
    Generator,
    _noise,
    real={"noise": 100, "width": 64},
    is_image=True,
    gives_image=True,
)
