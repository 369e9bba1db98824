"""The networks in Flax nnx. Only construction is timed, so there is no forward pass."""

from functools import partial

from flax import nnx
from jax.nn import initializers

from benchmarks.networks import Network, ResNet, Transformer

__all__ = ["build"]

_KAIMING = initializers.variance_scaling(2.0, "fan_out", "normal")


def build(network: Network, rngs: nnx.Rngs) -> nnx.Module:
    """Construct the model, which in nnx draws its parameters."""
    if isinstance(network, ResNet):
        return NnxResNet(network, rngs)
    return NnxTransformer(network, rngs)


class NnxBlock(nnx.Module):
    def __init__(self, network: Transformer, rngs: nnx.Rngs) -> None:
        width = network.width
        linear = partial(nnx.Linear, kernel_init=initializers.normal(network.std), rngs=rngs)
        residual = initializers.normal(network.residual_std)
        self.norm_1 = nnx.LayerNorm(width, rngs=rngs)
        self.attention_in = linear(width, 3 * width)
        self.attention_out = linear(width, width, kernel_init=residual)
        self.norm_2 = nnx.LayerNorm(width, rngs=rngs)
        self.mlp_in = linear(width, 4 * width)
        self.mlp_out = linear(4 * width, width, kernel_init=residual)


class NnxTransformer(nnx.Module):
    def __init__(self, network: Transformer, rngs: nnx.Rngs) -> None:
        width, init = network.width, initializers.normal(network.std)
        self.tokens = nnx.Embed(network.vocabulary, width, embedding_init=init, rngs=rngs)
        self.positions = nnx.Embed(network.positions, width, embedding_init=init, rngs=rngs)
        self.blocks = nnx.List(NnxBlock(network, rngs) for _ in range(network.layers))
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.head = nnx.Linear(
            width, network.vocabulary, use_bias=False, kernel_init=init, rngs=rngs
        )


class NnxBottleneck(nnx.Module):
    def __init__(self, entering: int, width: int, changes: bool, rngs: nnx.Rngs) -> None:
        conv = partial(nnx.Conv, use_bias=False, kernel_init=_KAIMING, rngs=rngs)
        norm = partial(nnx.BatchNorm, rngs=rngs)
        self.reduce, self.norm_1 = conv(entering, width, (1, 1)), norm(width)
        self.spatial, self.norm_2 = conv(width, width, (3, 3)), norm(width)
        self.expand, self.norm_3 = conv(width, 4 * width, (1, 1)), norm(4 * width)
        if changes:
            self.shortcut = conv(entering, 4 * width, (1, 1))
            self.shortcut_norm = norm(4 * width)


class NnxResNet(nnx.Module):
    def __init__(self, network: ResNet, rngs: nnx.Rngs) -> None:
        entering = network.width
        self.conv = nnx.Conv(3, entering, (7, 7), use_bias=False, kernel_init=_KAIMING, rngs=rngs)
        self.norm = nnx.BatchNorm(entering, rngs=rngs)
        blocks = []
        for stage, count in enumerate(network.stages):
            width = network.width * 2**stage
            for index in range(count):
                blocks.append(NnxBottleneck(entering, width, index == 0, rngs))
                entering = 4 * width
        self.blocks = nnx.List(blocks)
        self.head = nnx.Linear(
            entering,
            network.classes,
            kernel_init=initializers.normal(network.head_std),
            rngs=rngs,
        )
