"""Images without a download: dead leaves, discs that lie over each other.

They have what restoration networks live on: flat parts, sharp edges where one leaf hides another,
and sizes over all scales, so that the power spectrum falls as in photographs.
"""

import numpy as np

__all__ = ["dead_leaves", "downscaled", "lit", "striped"]

_LEAVES = 120
_OVERSAMPLING = 2


def dead_leaves(
    rng: np.random.Generator,
    count: int,
    size: int,
    channels: int = 3,
    angles: np.ndarray | None = None,
    stretch: float = 1.0,
) -> np.ndarray:
    """Images of leaves whose radii r have a density that falls as r^-3.

    Args:
        rng: where the leaves come from.
        count: the number of images.
        size: their height and width, in pixels.
        channels: 1 for grey, 3 for colours.
        angles: for each image the direction in which its leaves are stretched, in radians.
        stretch: the ratio of a leaf's long axis to its short one.

    Returns:
        float32 of shape (count, size, size, channels), between -0.5 and 0.5.

    References:
        Lee, Mumford and Huang (2001), Occlusion models for natural images.
    """
    fine = size * _OVERSAMPLING
    angles = np.zeros(count) if angles is None else angles
    cos, sin = (f(angles)[:, None, None] for f in (np.cos, np.sin))
    y, x = np.mgrid[:fine, :fine].astype(np.float32)
    drawn = np.zeros((count, fine, fine, channels), np.float32)
    for _ in range(_LEAVES):
        # The inverse of the distribution function of r^-3 between the smallest and the largest.
        small, large = fine / 12, fine / 2
        u = rng.random(count)
        radius = (small**-2 - u * (small**-2 - large**-2)) ** -0.5
        centre = rng.uniform(0, fine, (2, count, 1, 1))
        along = (x - centre[0]) * cos + (y - centre[1]) * sin
        across = (y - centre[1]) * cos - (x - centre[0]) * sin
        inside = along**2 / stretch + across**2 * stretch < radius[:, None, None] ** 2
        grey = rng.uniform(-0.5, 0.5, (count, 1))
        colour = np.clip(grey + rng.uniform(-0.2, 0.2, (count, channels)), -0.5, 0.5)
        drawn = np.where(inside[..., None], colour[:, None, None].astype(np.float32), drawn)
    return downscaled(drawn, _OVERSAMPLING)


def downscaled(images: np.ndarray, factor: int) -> np.ndarray:
    """The mean of each square of ``factor`` by ``factor`` pixels."""
    count, height, width, channels = images.shape
    squares = images.reshape(count, height // factor, factor, width // factor, factor, channels)
    return squares.mean((2, 4), dtype=np.float32)


def striped(
    rng: np.random.Generator, count: int, size: int, channels: int, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images of stretched leaves, and the number of the direction that they are stretched in."""
    labels = rng.integers(0, classes, count)
    angles = labels * np.pi / classes
    return dead_leaves(rng, count, size, channels, angles, stretch=4.0), labels.astype(np.int32)


def lit(
    rng: np.random.Generator, count: int, size: int, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Grey images that are brighter towards one side, and the number of that side."""
    labels = rng.integers(0, classes, count)
    angles = (2 * np.pi * labels / classes)[:, None, None]
    y, x = np.mgrid[:size, :size] / (size - 1) - 0.5
    light = (x * np.cos(angles) + y * np.sin(angles)).astype(np.float32)
    return dead_leaves(rng, count, size, channels=1) + light[..., None], labels.astype(np.int32)
