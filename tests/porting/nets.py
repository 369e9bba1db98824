"""A small model with most of what weights can be: a stack, statistics, a convolution."""

import jax.numpy as jnp
import pytest
from flax import linen as nn

import fanwise as fw
from fanwise.porting.weights import weights
from tests.frameworks import linen_models
from tests.porting.twins import correspond

__all__ = ["LAYERS", "NET", "Net", "X", "refusal"]


class Net(nn.Module):
    """A convolution, a normalization, a stack of blocks and a head."""

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(4, (3, 3), param_dtype=self.dtype, name="conv")(x)
        x = nn.BatchNorm(use_running_average=True, name="norm")(x)
        return linen_models.Stacked(name="stacked")(x.mean((1, 2)))


X = jnp.zeros((2, 6, 6, 3))
LAYERS = fw.linen.layers(Net(), X)
NET = correspond(LAYERS)


def refusal(state, correspondence=NET, **options):
    """What weights() says of a state dict that it refuses."""
    with pytest.raises(ValueError, match="state_dict does not fit") as caught:
        weights(state, correspondence, **options)
    return str(caught.value)
