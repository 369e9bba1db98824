"""The fan of a packed matrix against that of its parts.

xavier divides by the sum of both fans, and the output of a packed projection is three times as
wide: its std is 0.707 of that of query, key and value apart.
"""

import math

import jax.numpy as jnp
from flax import linen, nnx
from jax.nn import initializers
from torch import nn

from fanwise.porting.checking import Cause
from parity.faulty_ports.port import Port

__all__ = ["PORTS"]

WIDTH, HIDDEN, HEADS, DEPTH = 96, 224, 4, 2


class TorchEncoderLayer(nn.Module):
    def __init__(self, width, hidden, heads):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)


class TorchTranslator(nn.Module):
    """As tutorials start a transformer: xavier for all that has more than one axis."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([TorchEncoderLayer(WIDTH, HIDDEN, HEADS) for _ in range(DEPTH)])
        self._reset_parameters()

    def _reset_parameters(self):
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        for layer in self.layers:
            nn.init.normal_(layer.linear1.bias, std=1e-6)
            nn.init.normal_(layer.linear2.bias, std=1e-6)


class LinenEncoderLayer(linen.Module):
    qkv_init: initializers.Initializer

    @linen.compact
    def __call__(self, x):
        xavier, small = initializers.xavier_uniform(), initializers.normal(1e-6)
        y = linen.LayerNorm(name="norm1")(x)
        x = x + linen.MultiHeadDotProductAttention(
            HEADS, kernel_init=self.qkv_init, out_kernel_init=xavier, name="self_attn"
        )(y)
        y = linen.LayerNorm(name="norm2")(x)
        y = linen.Dense(HIDDEN, kernel_init=xavier, bias_init=small, name="linear1")(y)
        return x + linen.Dense(WIDTH, kernel_init=xavier, bias_init=small, name="linear2")(y)


class LinenTranslator(linen.Module):
    qkv_init: initializers.Initializer = initializers.xavier_uniform()

    @linen.compact
    def __call__(self, x):
        for index in range(DEPTH):
            x = LinenEncoderLayer(self.qkv_init, name=f"layers_{index}")(x)
        return x


class TorchAttention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)


class TorchVisionBlock(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.attn = TorchAttention(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)


class TorchVision(nn.Module):
    """In the manner of the JAX weights of ViT: query, key and value are started one by one."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(*[TorchVisionBlock(WIDTH, HIDDEN) for _ in range(DEPTH)])
        for name, module in self.named_modules():
            if not isinstance(module, nn.Linear):
                continue
            if name.endswith("qkv"):
                rows, columns = module.weight.shape
                bound = math.sqrt(6.0 / (rows // 3 + columns))
                nn.init.uniform_(module.weight, -bound, bound)
            else:
                nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)


class VisionAttention(nnx.Module):
    def __init__(self, width, qkv_init, *, rngs):
        self.qkv = nnx.Linear(width, 3 * width, kernel_init=qkv_init, rngs=rngs)
        self.proj = nnx.Linear(width, width, kernel_init=initializers.xavier_uniform(), rngs=rngs)


class VisionBlock(nnx.Module):
    def __init__(self, width, hidden, qkv_init, *, rngs):
        xavier = initializers.xavier_uniform()
        self.attn = VisionAttention(width, qkv_init, rngs=rngs)
        self.fc1 = nnx.Linear(width, hidden, kernel_init=xavier, rngs=rngs)
        self.fc2 = nnx.Linear(hidden, width, kernel_init=xavier, rngs=rngs)


class Vision(nnx.Module):
    def __init__(self, *, rngs, qkv_init):
        self.blocks = nnx.List(
            [VisionBlock(WIDTH, HIDDEN, qkv_init, rngs=rngs) for _ in range(DEPTH)]
        )


def _own_fans(key, shape, dtype=jnp.float32):
    """Query, key and value of one kernel, each with the fans of its own."""
    third = (shape[0], shape[1] // 3)
    bound = math.sqrt(6.0 / sum(third))
    return initializers.uniform(2 * bound)(key, shape, dtype) - jnp.asarray(bound, dtype)


PORTS = (
    Port(
        "translator: xavier of packed attention",
        Cause.PACKED_FAN,
        TorchTranslator,
        LinenTranslator(),
        # sqrt(6 / 4E) is the bound of a packed projection, sqrt(3 * scale / E) that of this one.
        LinenTranslator(initializers.variance_scaling(0.5, "fan_avg", "uniform")),
        frozenset(f"layers.{index}.self_attn.in_proj_weight" for index in range(DEPTH)),
        (jnp.zeros((1, 5, WIDTH)),),
    ),
    Port(
        "vision: query, key and value in one kernel",
        Cause.PACKED_FAN,
        TorchVision,
        lambda rngs: Vision(rngs=rngs, qkv_init=initializers.xavier_uniform()),
        lambda rngs: Vision(rngs=rngs, qkv_init=_own_fans),
        frozenset(f"blocks.{index}.attn.qkv.weight" for index in range(DEPTH)),
    ),
)
