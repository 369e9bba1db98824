"""Equinox models that the tests are run on."""

import equinox as eqx
import jax
import jax.numpy as jnp
from equinox import nn


class Net(eqx.Module):
    embed: nn.Embedding
    scale: jax.Array
    blocks: list
    head: nn.Linear
    steps: jax.Array
    noise: jax.Array
    name: str = eqx.field(static=True)

    def __init__(self, key, depth=3, dtype=None):
        first, last, *rest = jax.random.split(key, depth + 2)
        self.embed = nn.Embedding(7, 4, dtype=dtype, key=first)
        self.scale = jnp.full(4, 0.5)
        self.blocks = [Block(own) for own in rest]
        self.head = nn.Linear(4, 3, dtype=dtype, key=last)
        self.steps = jnp.zeros((), jnp.int32)
        self.noise = jax.random.key(5)
        self.name = "net"


class Block(eqx.Module):
    norm: nn.LayerNorm
    linear: nn.Linear
    slope: nn.PReLU
    gain: jax.Array

    def __init__(self, key):
        self.norm = nn.LayerNorm(4)
        self.linear = nn.Linear(4, 4, key=key)
        self.slope = nn.PReLU()
        self.gain = jnp.ones(4)


class StackedNet(eqx.Module):
    embed: nn.Embedding
    blocks: Block

    def __init__(self, key, depth=3):
        self.embed = nn.Embedding(7, 4, key=key)
        self.blocks = eqx.filter_vmap(Block)(jax.random.split(key, depth))


class OnlyStacked(eqx.Module):
    blocks: Block

    def __init__(self, key, depth=3):
        self.blocks = eqx.filter_vmap(Block)(jax.random.split(key, depth))


class UnstackedNet(eqx.Module):
    embed: nn.Embedding
    blocks: list

    def __init__(self, key, depth=3):
        self.embed = nn.Embedding(7, 4, key=key)
        self.blocks = [Block(own) for own in jax.random.split(key, depth)]
