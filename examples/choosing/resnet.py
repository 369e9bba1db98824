"""ResNet of basic blocks. That of ``examples.models`` is the same, but needs torch beside it."""

import jax
from flax import linen as nn

__all__ = ["ResNet"]


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    width: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """A map of the same size, or of half of it."""
        y = nn.Conv(self.width, (3, 3), self.stride, padding=1, use_bias=False, name="conv1")(x)
        y = nn.relu(nn.BatchNorm(not train, epsilon=1e-5, name="bn1")(y))
        y = nn.Conv(self.width, (3, 3), padding=1, use_bias=False, name="conv2")(y)
        y = nn.BatchNorm(not train, epsilon=1e-5, name="bn2")(y)
        if x.shape != y.shape:
            x = nn.Conv(self.width, (1, 1), self.stride, use_bias=False, name="conv_proj")(x)
            x = nn.BatchNorm(not train, epsilon=1e-5, name="bn_proj")(x)
        return nn.relu(x + y)


class ResNet(nn.Module):
    """Scores of classes. torchvision starts its convolutions by fan_out, see ``recipes.resnet``.

    References:
        He et al. (2016), Deep residual learning for image recognition.
    """

    stages: tuple[int, ...] = (2, 2, 2, 2)
    width: int = 64
    classes: int = 8

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Scores of shape (batch, classes); ``train`` normalizes by the batch's statistics."""
        x = nn.Conv(self.width, (3, 3), padding=1, use_bias=False, name="conv1")(x)
        x = nn.relu(nn.BatchNorm(not train, epsilon=1e-5, name="bn1")(x))
        for stage, blocks in enumerate(self.stages):
            for index in range(blocks):
                stride = 2 if stage > 0 and index == 0 else 1
                block = Block(self.width * 2**stage, stride, name=f"layer{stage + 1}_{index}")
                x = block(x, train)
        return nn.Dense(self.classes, name="fc")(x.mean((1, 2)))
