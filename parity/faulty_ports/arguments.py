"""Arguments that mean something else in JAX."""

import math
from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import linen, nnx
from jax.nn import initializers
from torch import nn

from fanwise.porting.checking import Cause
from parity.faulty_ports.port import Port

__all__ = ["PORTS"]

VOCABULARIES, WIDTH = (40, 500, 120), 32
LAYERS = (64, 48, 1)


class TorchClicks(nn.Module):
    """A recommender: tables within 1/sqrt(rows), normals of both fans in the layers."""

    def __init__(self):
        super().__init__()
        self.tables = nn.ModuleList([nn.Embedding(rows, WIDTH) for rows in VOCABULARIES])
        widths = (WIDTH * len(VOCABULARIES), *LAYERS)
        self.top = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(widths)])
        for table in self.tables:
            bound = 1 / math.sqrt(table.num_embeddings)
            nn.init.uniform_(table.weight, -bound, bound)
        for layer in self.top:
            nn.init.normal_(
                layer.weight, 0.0, math.sqrt(2 / (layer.in_features + layer.out_features))
            )
            nn.init.normal_(layer.bias, 0.0, math.sqrt(1 / layer.out_features))


def both_ways(bound):
    """Uniform on [-bound, bound)."""

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


class LinenClicks(linen.Module):
    is_mended: bool = False

    @linen.compact
    def __call__(self, ids):
        found = []
        for index, rows in enumerate(VOCABULARIES):
            bound = 1 / math.sqrt(rows)
            init = both_ways(bound) if self.is_mended else initializers.uniform(bound)
            table = linen.Embed(rows, WIDTH, embedding_init=init, name=f"tables_{index}")
            found.append(table(ids[:, index]))
        x = jnp.concatenate(found, axis=-1)
        for index, width in enumerate(LAYERS):
            x = linen.Dense(
                width,
                kernel_init=initializers.variance_scaling(1.0, "fan_avg", "normal"),
                bias_init=initializers.normal(math.sqrt(1 / width)),
                name=f"top_{index}",
            )(x)
        return x


PATCHES, EMBED, HIDDEN, DEPTH = 49, 80, 192, 2


class TorchBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(EMBED, 3 * EMBED)
        self.proj = nn.Linear(EMBED, EMBED)
        self.fc1 = nn.Linear(EMBED, HIDDEN)
        self.fc2 = nn.Linear(HIDDEN, EMBED)


class TorchViT(nn.Module):
    """Truncated normals of std 0.02 throughout."""

    def __init__(self):
        super().__init__()
        self.pos_embed = nn.Parameter(torch_zeros(1, PATCHES, EMBED))
        self.blocks = nn.ModuleList([TorchBlock() for _ in range(DEPTH)])
        self.head = nn.Linear(EMBED, 10)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)


def torch_zeros(*shape):
    """As torch's models make a parameter before they draw it."""
    import torch

    return torch.zeros(*shape)


class Block(nnx.Module):
    def __init__(self, init, *, rngs):
        self.qkv = nnx.Linear(EMBED, 3 * EMBED, kernel_init=init, rngs=rngs)
        self.proj = nnx.Linear(EMBED, EMBED, kernel_init=init, rngs=rngs)
        self.fc1 = nnx.Linear(EMBED, HIDDEN, kernel_init=init, rngs=rngs)
        self.fc2 = nnx.Linear(HIDDEN, EMBED, kernel_init=init, rngs=rngs)


class ViT(nnx.Module):
    def __init__(self, init, position_init, *, rngs):
        self.pos_embed = nnx.Param(position_init(rngs.params(), (1, PATCHES, EMBED)))
        self.blocks = nnx.List([Block(init, rngs=rngs) for _ in range(DEPTH)])
        self.head = nnx.Linear(EMBED, 10, kernel_init=init, rngs=rngs)


# A std, given as the variance that variance_scaling divides by the fan.
SCALED = initializers.variance_scaling(0.02**2, "fan_in", "truncated_normal")
# Cut at two std, where torch cuts at plus and minus two.
CUT = initializers.truncated_normal(0.02)
NORMAL = initializers.normal(0.02)

PORTS = (
    Port(
        "clicks: uniform(x) is [0, x)",
        Cause.ARGUMENT,
        TorchClicks,
        LinenClicks(),
        LinenClicks(is_mended=True),
        frozenset(f"tables.{index}.weight" for index in range(len(VOCABULARIES))),
        (jnp.zeros((1, len(VOCABULARIES)), jnp.int32),),
    ),
    Port(
        "ViT: a std given to variance_scaling, bounds in units of std",
        Cause.ARGUMENT,
        TorchViT,
        lambda rngs: ViT(SCALED, CUT, rngs=rngs),
        lambda rngs: ViT(NORMAL, NORMAL, rngs=rngs),
        frozenset(
            {"pos_embed", "head.weight"}
            | {
                f"blocks.{n}.{name}.weight"
                for n in range(DEPTH)
                for name in ("qkv", "proj", "fc1", "fc2")
            }
        ),
    ),
)
