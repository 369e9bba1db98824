"""AlexNet, torch's as in torchvision.

torch flattens a map of (channels, 6, 6), Flax one of (6, 6, channels): the first linear layer's
columns stand in another order.
"""

from functools import partial

import jax.numpy as jnp
import torch
from flax import linen, nnx
from torch import nn

from examples.models.family import Family, images

__all__ = ["ALEXNET", "AlexNet", "LinenAlexNet", "TorchAlexNet"]

CHANNELS = (8, 12, 16, 14, 10)


class TorchAlexNet(nn.Module):
    """Five convolutions and three linear layers; torch's defaults are left as they are."""

    def __init__(self, channels=CHANNELS, hidden=48, num_classes=10, dropout=0.5):
        super().__init__()
        a, b, c, d, e = channels
        self.features = nn.Sequential(
            nn.Conv2d(3, a, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(a, b, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(b, c, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(c, d, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(d, e, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout),
            nn.Linear(e * 6 * 6, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x):
        """Logits of images with channels first."""
        x = self.avgpool(self.features(x))
        return self.classifier(torch.flatten(x, 1))


def adaptive_avg_pool(x, size):
    """torch's AdaptiveAvgPool2d, channels last: bins that overlap where sizes do not divide."""
    for axis in (1, 2):
        length = x.shape[axis]
        bins = [(i * length // size, -(-(i + 1) * length // size)) for i in range(size)]
        means = [jnp.take(x, jnp.arange(start, stop), axis=axis).mean(axis) for start, stop in bins]
        x = jnp.stack(means, axis)
    return x


class LinenAlexNet(linen.Module):
    """Names are those that linen gives: Conv_0 to Conv_4, Dense_0 to Dense_2."""

    channels: tuple[int, ...] = CHANNELS
    hidden: int = 48
    num_classes: int = 10
    dropout: float = 0.5

    @linen.compact
    def __call__(self, x, train=False):
        """Logits of images with channels last."""
        a, b, c, d, e = self.channels
        pool = partial(linen.max_pool, window_shape=(3, 3), strides=(2, 2))
        # Numbers, not "SAME", which pads otherwise where strides are larger than 1.
        x = linen.relu(linen.Conv(a, (11, 11), strides=4, padding=2)(x))
        x = linen.relu(linen.Conv(b, (5, 5), padding=2)(pool(x)))
        x = linen.relu(linen.Conv(c, (3, 3), padding=1)(pool(x)))
        x = linen.relu(linen.Conv(d, (3, 3), padding=1)(x))
        x = linen.relu(linen.Conv(e, (3, 3), padding=1)(x))
        x = adaptive_avg_pool(pool(x), 6)
        x = x.reshape(x.shape[0], -1)
        x = linen.Dropout(self.dropout, deterministic=not train)(x)
        x = linen.relu(linen.Dense(self.hidden)(x))
        x = linen.Dropout(self.dropout, deterministic=not train)(x)
        x = linen.relu(linen.Dense(self.hidden)(x))
        return linen.Dense(self.num_classes)(x)


class AlexNet(nnx.Module):
    """The same two sequences as in torch."""

    def __init__(self, channels=CHANNELS, hidden=48, num_classes=10, dropout=0.5, *, rngs):
        a, b, c, d, e = channels
        pool = partial(nnx.max_pool, window_shape=(3, 3), strides=(2, 2))
        self.features = nnx.Sequential(
            nnx.Conv(3, a, (11, 11), strides=4, padding=2, rngs=rngs),
            nnx.relu,
            pool,
            nnx.Conv(a, b, (5, 5), padding=2, rngs=rngs),
            nnx.relu,
            pool,
            nnx.Conv(b, c, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            nnx.Conv(c, d, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            nnx.Conv(d, e, (3, 3), padding=1, rngs=rngs),
            nnx.relu,
            pool,
        )
        self.classifier = nnx.Sequential(
            nnx.Dropout(dropout, rngs=rngs),
            nnx.Linear(e * 6 * 6, hidden, rngs=rngs),
            nnx.relu,
            nnx.Dropout(dropout, rngs=rngs),
            nnx.Linear(hidden, hidden, rngs=rngs),
            nnx.relu,
            nnx.Linear(hidden, num_classes, rngs=rngs),
        )

    def __call__(self, x):
        """Logits of images with channels last."""
        x = adaptive_avg_pool(self.features(x), 6)
        return self.classifier(x.reshape(x.shape[0], -1))


ALEXNET = Family(
    "AlexNet",
    TorchAlexNet,
    LinenAlexNet,
    AlexNet,
    images(128),
    real={"channels": (64, 192, 384, 256, 256), "hidden": 4096, "num_classes": 1000},
    is_image=True,
    flatten={"classifier.1": (10, 6, 6)},
)
