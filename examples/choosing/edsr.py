"""EDSR: super resolution by residual blocks without normalization, and a pixel shuffle."""

import jax
from flax import linen as nn

__all__ = ["EDSR", "pixel_shuffle"]


class Block(nn.Module):
    """Two convolutions beside the identity."""

    residual_scale: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """The same shape."""
        width = x.shape[-1]
        y = nn.relu(nn.Conv(width, (3, 3), name="conv1")(x))
        return x + self.residual_scale * nn.Conv(width, (3, 3), name="conv2")(y)


class EDSR(nn.Module):
    """Images of twice the size.

    The published baseline has 16 blocks of 64 channels and no scaling, the large model 32 blocks
    of 256 channels, whose branches are multiplied by 0.1. Neither sets an initialization: its
    convolutions start as the framework's constructor leaves them, the weights and biases uniform
    up to 1 / sqrt(fan_in).

    References:
        Lim et al. (2017), Enhanced deep residual networks for single image super-resolution;
        https://github.com/limbee/NTIRE2017, https://github.com/sanghyun-son/EDSR-PyTorch.
    """

    blocks: int = 16
    width: int = 64
    residual_scale: float = 1.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Images of shape (batch, 2 height, 2 width, channels)."""
        channels = x.shape[-1]
        head = nn.Conv(self.width, (3, 3), name="head")(x)
        y = head
        for index in range(self.blocks):
            y = Block(self.residual_scale, name=f"block_{index}")(y)
        y = head + nn.Conv(self.width, (3, 3), name="body")(y)
        y = pixel_shuffle(nn.Conv(4 * self.width, (3, 3), name="upsample")(y), 2)
        return nn.Conv(channels, (3, 3), name="tail")(y)


def pixel_shuffle(x: jax.Array, factor: int) -> jax.Array:
    """Channels to pixels, in torch's order: (..., h, w, c f f) to (..., f h, f w, c)."""
    batch, height, width, channels = x.shape
    squares = x.reshape(batch, height, width, channels // factor**2, factor, factor)
    rows = squares.transpose(0, 1, 4, 2, 5, 3)
    return rows.reshape(batch, height * factor, width * factor, channels // factor**2)
