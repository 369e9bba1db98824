"""A linen model of every kind of layer, and what torch calls it."""

import jax.numpy as jnp
from flax import linen as nn

# The model, its input, torch's class, and where the layer is listed.
X = jnp.zeros((2, 8, 12))
IMAGE = jnp.zeros((2, 8, 8, 12))
VOLUME = jnp.zeros((2, 4, 4, 4, 12))
TOKENS = jnp.zeros((2, 8), jnp.int32)

LAYERS = {
    "Dense": (nn.Dense(7), X, "Linear"),
    "Dense without bias": (nn.Dense(7, use_bias=False), X, "Linear"),
    "DenseGeneral": (nn.DenseGeneral((3, 5), axis=(-2, -1)), X, "Linear"),
    "Conv 1d": (nn.Conv(6, (3,)), X, "Conv1d"),
    "Conv 2d, groups": (nn.Conv(6, (3, 5), feature_group_count=3), IMAGE, "Conv2d"),
    "Conv 3d": (nn.Conv(6, (2, 2, 2), use_bias=False), VOLUME, "Conv3d"),
    "ConvTranspose 1d": (nn.ConvTranspose(6, (3,)), X, "ConvTranspose1d"),
    "ConvTranspose 2d": (nn.ConvTranspose(6, (3, 2), (2, 2)), IMAGE, "ConvTranspose2d"),
    "ConvTranspose 2d, kernel transposed": (
        nn.ConvTranspose(6, (3, 2), transpose_kernel=True),
        IMAGE,
        "ConvTranspose2d",
    ),
    "Embed": (nn.Embed(50, 9), TOKENS, "Embedding"),
    "attention": (nn.MultiHeadDotProductAttention(3), X, "MultiheadAttention"),
    "BatchNorm": (nn.BatchNorm(use_running_average=False), X, "BatchNorm"),
    "LayerNorm": (nn.LayerNorm(), X, "LayerNorm"),
    "LayerNorm without bias": (nn.LayerNorm(use_bias=False), X, "LayerNorm"),
    "GroupNorm": (nn.GroupNorm(3), X, "GroupNorm"),
    "InstanceNorm": (nn.InstanceNorm(), X, "InstanceNorm"),
    "RMSNorm": (nn.RMSNorm(), X, "RMSNorm"),
    "PReLU": (nn.PReLU(), X, "PReLU"),
    "LSTM": (nn.RNN(nn.LSTMCell(5)), X, "LSTM"),
    "LSTM, optimized": (nn.RNN(nn.OptimizedLSTMCell(5)), X, "LSTM"),
    "GRU": (nn.RNN(nn.GRUCell(5)), X, "GRU"),
    "RNN": (nn.RNN(nn.SimpleCell(5)), X, "RNN"),
    "LSTM in both directions": (
        nn.Bidirectional(nn.RNN(nn.LSTMCell(5)), nn.RNN(nn.LSTMCell(5))),
        X,
        "LSTM",
    ),
    "attention with widths of its own": (
        nn.MultiHeadDotProductAttention(3, qkv_features=6),
        X,
        "Linear",
    ),
    "spectral norm": (nn.SpectralNorm(nn.Dense(5)), X, "Linear"),
}
OPTIONS = {"spectral norm": {"update_stats": False}}

# What torch has no class for.
UNKNOWN = {
    "ConvLocal": (nn.ConvLocal(6, (3,)), X),
    "Einsum": (nn.Einsum((12, 4), "abc,cd->abd"), X),
    "MGU": (nn.RNN(nn.MGUCell(5)), X),
    "DenseGeneral over a batch": (nn.DenseGeneral(3, axis=-1, batch_dims=(0,)), X),
    "Conv 4d": (nn.Conv(2, (2, 2, 2, 2)), jnp.zeros((1, 3, 3, 3, 3, 4))),
}


class Block(nn.Module):
    """A residual block."""

    width: int = 4

    @nn.compact
    def __call__(self, x, _=None):
        return x + nn.Dense(self.width)(nn.LayerNorm()(x)), None


class Unstacked(nn.Module):
    """A stack of blocks, each in variables of its own."""

    depth: int = 3

    @nn.compact
    def __call__(self, x):
        x = nn.Dense(4, name="stem")(x)
        for index in range(self.depth):
            x, _ = Block(name=f"blocks_{index}")(x)
        return nn.Dense(2, name="head")(x)


class Stacked(nn.Module):
    """The same by scan, the variables of all blocks in one array."""

    depth: int = 3
    axis: int = 0
    is_remat: bool = False

    @nn.compact
    def __call__(self, x):
        x = nn.Dense(4, name="stem")(x)
        block = nn.remat(Block, prevent_cse=False) if self.is_remat else Block
        scanned = nn.scan(
            block,
            variable_axes={"params": self.axis},
            split_rngs={"params": True},
            length=self.depth,
        )
        x, _ = scanned(name="blocks")(x, None)
        return nn.Dense(2, name="head")(x)


class Bare(nn.Module):
    """With parameters that no layer owns, buffers, dropout and a shared module."""

    @nn.compact
    def __call__(self, x):
        shared = nn.Dense(12, name="shared")
        position = self.param("position", nn.initializers.normal(1.0), x.shape[1:])
        self.variable("counts", "steps", lambda: jnp.zeros((), jnp.int32))
        x = shared(shared(x + position))
        x = nn.BatchNorm(use_running_average=False, name="norm")(x)
        return nn.Dropout(0.5, deterministic=False)(x)


class Net(nn.Module):
    """setup instead of compact, and a list of modules."""

    def setup(self):
        self.first = nn.Conv(6, (3, 3))
        self.rest = [nn.Dense(5), nn.Dense(3)]

    def __call__(self, x):
        x = self.first(x).mean((1, 2))
        for layer in self.rest:
            x = nn.relu(layer(x))
        return x
