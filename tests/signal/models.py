"""Models of which every output can be computed by hand, in linen and nnx."""

from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import nnx


class Chain(nn.Module):
    """Dense layers with an activation between them."""

    widths: tuple[int, ...] = (24, 20, 16, 5)
    activation: object = nn.relu

    @nn.compact
    def __call__(self, x):
        for width in self.widths[:-1]:
            x = self.activation(nn.Dense(width)(x))
        return nn.Dense(self.widths[-1])(x)


class Residual(nn.Module):
    """A block of a transformer's feed-forward kind."""

    width: int = 12

    @nn.compact
    def __call__(self, x, _=None):
        y = nn.LayerNorm(name="norm")(x)
        y = nn.gelu(nn.Dense(2 * self.width, name="up")(y))
        return x + nn.Dense(self.width, name="down")(y), None


class Stacked(nn.Module):
    """Three such blocks, scanned or one after another, rematerialized or not."""

    is_scanned: bool = True
    is_rematerialized: bool = False

    @nn.compact
    def __call__(self, x):
        block = nn.remat(Residual) if self.is_rematerialized else Residual
        if not self.is_scanned:
            for index in range(3):
                x, _ = block(name=f"blocks_{index}")(x)
            return nn.Dense(4, name="head")(x)
        lifted = nn.scan(block, variable_axes={"params": 0}, split_rngs={"params": True}, length=3)
        x, _ = lifted(name="blocks")(x, None)
        return nn.Dense(4, name="head")(x)


class UNet(nn.Module):
    """Down, up, and a concatenation past both."""

    @nn.compact
    def __call__(self, x, train=False):
        first = nn.relu(nn.BatchNorm(use_running_average=not train)(nn.Conv(6, (3, 3))(x)))
        low = nn.relu(nn.Conv(8, (3, 3), strides=2)(first))
        up = nn.ConvTranspose(6, (2, 2), strides=(2, 2))(low)
        joined = jnp.concatenate([first, nn.relu(up)], -1)
        return nn.Conv(3, (1, 1))(joined)


class Attention(nn.Module):
    """Tokens through attention, with dropout, and logits."""

    @nn.compact
    def __call__(self, tokens, train=False):
        x = nn.Embed(11, 8)(tokens)
        x = x + nn.MultiHeadDotProductAttention(2)(nn.LayerNorm()(x))
        x = nn.Dropout(0.5)(x, deterministic=not train)
        return nn.Dense(11)(x)


def experts(width):
    """Three dense layers side by side: (batch, expert, width)."""
    lifted = nn.vmap(
        nn.Dense,
        variable_axes={"params": 0},
        split_rngs={"params": True},
        in_axes=None,
        out_axes=1,
        axis_size=3,
    )
    return lifted(width, name="experts")


class NnxChain(nnx.Module):
    """The same chain in nnx."""

    def __init__(self, widths=(24, 20, 16, 5), inputs=10, *, rngs):
        sizes = (inputs, *widths)
        self.layers = nnx.List(nnx.Linear(n, m, rngs=rngs) for n, m in pairwise(sizes))

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = nnx.relu(layer(x))
        return self.layers[-1](x)


class NnxStacked(nnx.Module):
    """Blocks that nnx.vmap built and nnx.scan runs."""

    def __init__(self, *, rngs):
        @nnx.split_rngs(splits=3)
        @nnx.vmap(in_axes=0, out_axes=0)
        def build(rngs):
            return NnxBlock(rngs=rngs)

        self.blocks = build(rngs)
        self.head = nnx.Linear(12, 4, rngs=rngs)

    def __call__(self, x):
        @nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
        def run(x, block):
            return block(x)

        return self.head(run(x, self.blocks))


class NnxBlock(nnx.Module):
    """A residual block with a batch norm."""

    def __init__(self, *, rngs):
        self.norm = nnx.BatchNorm(12, rngs=rngs)
        self.up = nnx.Linear(12, 24, rngs=rngs)
        self.down = nnx.Linear(24, 12, rngs=rngs)

    def __call__(self, x):
        return x + self.down(nnx.relu(self.up(self.norm(x))))


def batch(key, *shape):
    """Standard normal inputs."""
    return jax.random.normal(key, shape)
