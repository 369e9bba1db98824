"""The networks in Flax linen."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.nn import initializers

from benchmarks.networks import Network, ResNet, Transformer

__all__ = ["build", "example_input", "shapes_of"]

# torch's kaiming_normal_(mode="fan_out", nonlinearity="relu"); jax's own he_normal truncates.
_KAIMING = initializers.variance_scaling(2.0, "fan_out", "normal")


def build(network: Network) -> nn.Module:
    """Return the module; nothing is drawn yet."""
    return LinenResNet(network) if isinstance(network, ResNet) else LinenTransformer(network)


def example_input(network: Network) -> jax.Array:
    """Return what ``init`` is called with: as small as the model takes, since linen computes."""
    if isinstance(network, ResNet):
        return jnp.zeros((1, 64, 64, 3))
    return jnp.zeros((1, 8), jnp.int32)


def shapes_of(network: Network) -> dict[str, tuple[int, ...]]:
    """Return the shape of every variable by its path; starts no backend."""
    sample = jax.eval_shape(partial(example_input, network))
    key = jax.eval_shape(partial(jax.random.key, 0))
    variables = jax.eval_shape(build(network).init, key, sample)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables)
    }


class LinenBlock(nn.Module):
    network: Transformer

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        network = self.network
        dense = partial(nn.Dense, kernel_init=initializers.normal(network.std))
        residual = initializers.normal(network.residual_std)
        y = dense(3 * network.width, name="attention_in")(nn.LayerNorm(name="norm_1")(x))
        heads = (*x.shape[:2], network.heads, network.width // network.heads)
        query, key, value = (part.reshape(heads) for part in jnp.split(y, 3, axis=-1))
        y = jax.nn.dot_product_attention(query, key, value, is_causal=True).reshape(x.shape)
        x = x + dense(network.width, kernel_init=residual, name="attention_out")(y)
        y = dense(4 * network.width, name="mlp_in")(nn.LayerNorm(name="norm_2")(x))
        return x + dense(network.width, kernel_init=residual, name="mlp_out")(nn.gelu(y))


class LinenTransformer(nn.Module):
    network: Transformer

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        network = self.network
        init = initializers.normal(network.std)
        embed = partial(nn.Embed, features=network.width, embedding_init=init)
        x = embed(network.vocabulary, name="tokens")(tokens)
        x = x + embed(network.positions, name="positions")(jnp.arange(tokens.shape[1]))
        for index in range(network.layers):
            x = LinenBlock(network, name=f"block_{index}")(x)
        x = nn.LayerNorm(name="norm")(x)
        return nn.Dense(network.vocabulary, use_bias=False, kernel_init=init, name="head")(x)


class LinenBottleneck(nn.Module):
    width: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        conv = partial(nn.Conv, use_bias=False, kernel_init=_KAIMING)
        norm = partial(nn.BatchNorm, use_running_average=True)
        strides = (self.stride, self.stride)
        y = nn.relu(norm()(conv(self.width, (1, 1))(x)))
        y = nn.relu(norm()(conv(self.width, (3, 3), strides)(y)))
        y = norm()(conv(4 * self.width, (1, 1))(y))
        if x.shape != y.shape:
            x = norm()(conv(4 * self.width, (1, 1), strides)(x))
        return nn.relu(x + y)


class LinenResNet(nn.Module):
    network: ResNet

    @nn.compact
    def __call__(self, images: jax.Array) -> Any:
        network = self.network
        conv = nn.Conv(network.width, (7, 7), (2, 2), use_bias=False, kernel_init=_KAIMING)
        x = nn.relu(nn.BatchNorm(use_running_average=True)(conv(images)))
        x = nn.max_pool(x, (3, 3), (2, 2), padding="SAME")
        for stage, blocks in enumerate(network.stages):
            for index in range(blocks):
                stride = 2 if stage > 0 and index == 0 else 1
                x = LinenBottleneck(network.width * 2**stage, stride)(x)
        init = initializers.normal(network.head_std)
        return nn.Dense(network.classes, kernel_init=init)(x.mean(axis=(1, 2)))
