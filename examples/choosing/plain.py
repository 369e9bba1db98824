"""A deep chain of linear layers and one activation: the network that theory speaks of."""

from collections.abc import Callable

import jax
from flax import linen as nn

__all__ = ["Plain"]


class Plain(nn.Module):
    """Scores of classes, from layers of one width with nothing between them but an activation."""

    activation: Callable[[jax.Array], jax.Array] = nn.relu
    depth: int = 30
    width: int = 64
    classes: int = 4

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores of shape (batch, classes)."""
        x = x.reshape(len(x), -1)
        for index in range(self.depth - 1):
            x = self.activation(nn.Dense(self.width, name=f"dense_{index}")(x))
        return nn.Dense(self.classes, name=f"dense_{self.depth - 1}")(x)
