"""Small networks of the kinds people train, in linen and nnx, and single layers made worse."""

import importlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import nnx

import fanwise as fw


class MLP(nn.Module):
    """A plain chain."""

    depth: int = 4
    activation: Any = nn.relu

    @nn.compact
    def __call__(self, x):
        for index in range(self.depth):
            x = self.activation(nn.Dense(64, name=f"dense_{index}")(x))
        return nn.Dense(10, name="head")(x)


class ConvNet(nn.Module):
    """Convolutions, one of them with a stride, and a head."""

    @nn.compact
    def __call__(self, x):
        for index, width in enumerate((32, 32, 48)):
            strides = 2 if index == 2 else 1
            x = nn.relu(nn.Conv(width, (3, 3), strides=strides, name=f"conv_{index}")(x))
        return nn.Dense(10, name="head")(x.mean((1, 2)))


class ResBlock(nn.Module):
    """Two convolutions, each with a batch norm, beside the identity."""

    @nn.compact
    def __call__(self, x, train):
        width = x.shape[-1]
        y = nn.Conv(width, (3, 3), use_bias=False, name="conv1")(x)
        y = nn.relu(nn.BatchNorm(use_running_average=not train, name="bn1")(y))
        y = nn.Conv(width, (3, 3), use_bias=False, name="conv2")(y)
        y = nn.BatchNorm(use_running_average=not train, name="bn2")(y)
        return nn.relu(x + y)


class ResNet(nn.Module):
    """A stem, blocks, a head."""

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.Conv(16, (3, 3), use_bias=False, name="stem")(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not train, name="bn")(x))
        for index in range(2):
            x = ResBlock(name=f"block_{index}")(x, train)
        return nn.Dense(10, name="head")(x.mean((1, 2)))


class GPTBlock(nn.Module):
    """Attention and MLP, each normalized before and added after."""

    @nn.compact
    def __call__(self, x, _):
        width = x.shape[-1]
        x = x + nn.MultiHeadDotProductAttention(4, name="attn")(nn.LayerNorm(name="ln_1")(x))
        y = nn.gelu(nn.Dense(4 * width, name="c_fc")(nn.LayerNorm(name="ln_2")(x)))
        return x + nn.Dense(width, name="c_proj")(y), None


class GPT(nn.Module):
    """Stacked blocks, scanned."""

    @nn.compact
    def __call__(self, words):
        x = nn.Embed(50, 64, name="wte")(words)
        x += nn.Embed(16, 64, name="wpe")(jnp.arange(words.shape[1]))
        lifted = nn.scan(
            GPTBlock, variable_axes={"params": 0}, split_rngs={"params": True}, length=3
        )
        x, _ = lifted(name="h")(x, None)
        return nn.Dense(50, name="head")(nn.LayerNorm(name="ln_f")(x))


class TanhNet(nnx.Module):
    """A plain chain with tanh."""

    def __init__(self, *, rngs):
        init = nnx.initializers.xavier_normal()
        widths = [32, 64, 64]
        self.hidden = nnx.List(nnx.Linear(n, 64, kernel_init=init, rngs=rngs) for n in widths)
        self.head = nnx.Linear(64, 10, kernel_init=init, rngs=rngs)

    def __call__(self, x):
        for layer in self.hidden:
            x = nnx.tanh(layer(x))
        return self.head(x)


class UNet(nnx.Module):
    """Down, up, and a concatenation past both."""

    def __init__(self, *, rngs):
        self.first = nnx.Conv(3, 32, (3, 3), rngs=rngs)
        self.down = nnx.Conv(32, 48, (3, 3), strides=2, rngs=rngs)
        self.up = nnx.ConvTranspose(48, 32, (2, 2), strides=(2, 2), rngs=rngs)
        self.mix = nnx.Conv(64, 32, (3, 3), rngs=rngs)
        self.last = nnx.Conv(32, 3, (1, 1), rngs=rngs)

    def __call__(self, x):
        first = nnx.relu(self.first(x))
        y = self.up(nnx.relu(self.down(first)))
        return self.last(nnx.relu(self.mix(jnp.concatenate([y, first], -1))))


class StackedBlock(nnx.Module):
    """A residual block with a LayerNorm."""

    def __init__(self, *, rngs):
        self.norm = nnx.LayerNorm(32, rngs=rngs)
        self.up = nnx.Linear(32, 64, rngs=rngs)
        self.down = nnx.Linear(64, 32, rngs=rngs)

    def __call__(self, x):
        return x + self.down(nnx.relu(self.up(self.norm(x))))


class StackedNet(nnx.Module):
    """Blocks in one stack, scanned."""

    def __init__(self, *, rngs):
        @nnx.split_rngs(splits=4)
        @nnx.vmap(in_axes=0, out_axes=0)
        def build(rngs):
            return StackedBlock(rngs=rngs)

        self.blocks = build(rngs)
        self.head = nnx.Linear(32, 10, rngs=rngs)

    def __call__(self, x):
        @nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
        def run(x, block):
            return block(x)

        return self.head(run(x, self.blocks))


def images(key):
    """Eight random images."""
    return jax.random.normal(key, (8, 8, 8, 3))


def vectors(key):
    """Random inputs of 32 features."""
    return jax.random.normal(key, (16, 32))


def words(key):
    """Random sentences."""
    return jax.random.randint(key, (4, 12), 0, 50)


@dataclass(frozen=True)
class Network:
    """A model, how it starts, and what it runs on.

    Args:
        model: linen's module, or nnx's class.
        inputs: from a key.
        rule: starts linen's; None is the model's own initializers.
        options: of the call.
    """

    model: Any
    inputs: Any
    rule: Any = None
    train: bool = False

    @property
    def options(self):
        """Keyword arguments of the call."""
        return {"train": True} if self.train else {}

    def built(self, key):
        """The module."""
        is_linen = isinstance(self.model, nn.Module)
        return self.model if is_linen else self.model(rngs=nnx.Rngs(key))

    def started(self, key, x):
        """Variables of linen's, or a state of nnx's."""
        if not isinstance(self.model, nn.Module):
            return nnx.state(self.model(rngs=nnx.Rngs(key)))
        if self.rule is None:
            return self.model.init(key, x, **self.options)
        return fw.linen.init(self.model, key, x, rule=self.rule, **self.options)


NETWORKS = {
    "mlp": Network(MLP(), vectors, fw.torch_default),
    "conv": Network(ConvNet(), images, fw.signal.CANDIDATES["fan_in"]),
    "resnet": Network(ResNet(), images, fw.recipes.resnet(), train=True),
    "gpt": Network(GPT(), words, fw.signal.CANDIDATES["flax_default"]),
    "tanh": Network(TanhNet, vectors),
    "unet": Network(UNet, images),
    "stacked": Network(StackedNet, vectors),
}


@contextmanager
def quick_compilation():
    """XLA without most of its optimizations, which cost more here than they save."""
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


_PROGRAMS = {}


def compiled_once(monkeypatch, name):
    """Let check, trace and balance run a network by one program, whatever its variables are.

    What they look up of a program is compiled when it is first run, and the same for all keys,
    models and variables of a network.
    """

    def program_of(*given):
        if name not in _PROGRAMS:
            _PROGRAMS[name] = real(*given)
        return _PROGRAMS[name]

    real = importlib.import_module("fanwise.signal.program").program_of
    for caller in ("check", "trace", "balance"):
        module = importlib.import_module(f"fanwise.signal.{caller}")
        monkeypatch.setattr(module, "program_of", program_of)


def changed(variables, path, change):
    """Variables in which one array, named by its path, is what ``change`` makes of it."""
    found = []

    def at(names, leaf):
        if "/".join(str(getattr(n, "key", getattr(n, "name", n))) for n in names) != path:
            return leaf
        found.append(path)
        return change(leaf)

    new = jax.tree_util.tree_map_with_path(at, variables)
    assert found == [path], [
        jax.tree_util.keystr(names) for names, _ in jax.tree_util.tree_leaves_with_path(variables)
    ]
    return new
