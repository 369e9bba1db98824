"""Residual projections that are scaled by depth on one side only."""

import math

import jax.numpy as jnp
from flax import linen, nnx
from jax.nn import initializers
from torch import nn

from fanwise.porting.checking import Cause
from parity.faulty_ports.port import Port

__all__ = ["PORTS"]

WORDS, LENGTH, WIDTH, DEPTH = 200, 32, 64, 3


class TorchMLP(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)


class TorchSelfAttention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)


class TorchBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = TorchSelfAttention(width)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = TorchMLP(width)


class TorchDecoder(nn.Module):
    """Normals of std 0.02; what is added to the stream is divided by the root of the depth."""

    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(WORDS, WIDTH)
        self.wpe = nn.Embedding(LENGTH, WIDTH)
        self.h = nn.ModuleList([TorchBlock(WIDTH) for _ in range(DEPTH)])
        self.ln_f = nn.LayerNorm(WIDTH)
        self.apply(self._init_weights)
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(parameter, mean=0.0, std=0.02 / math.sqrt(2 * DEPTH))

    def _init_weights(self, module):
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


class LinenBlock(linen.Module):
    residual: float

    @linen.compact
    def __call__(self, x):
        normal = initializers.normal(0.02)
        residual = initializers.normal(self.residual)
        y = linen.LayerNorm(name="ln_1")(x)
        y = linen.Dense(3 * WIDTH, kernel_init=normal, name="attn_c_attn")(y)[..., :WIDTH]
        x = x + linen.Dense(WIDTH, kernel_init=residual, name="attn_c_proj")(y)
        y = linen.LayerNorm(name="ln_2")(x)
        y = linen.gelu(linen.Dense(4 * WIDTH, kernel_init=normal, name="mlp_c_fc")(y))
        return x + linen.Dense(WIDTH, kernel_init=residual, name="mlp_c_proj")(y)


class LinenDecoder(linen.Module):
    residual: float = 0.02

    @linen.compact
    def __call__(self, words):
        normal = initializers.normal(0.02)
        wte = linen.Embed(WORDS, WIDTH, embedding_init=normal, name="wte")
        wpe = linen.Embed(LENGTH, WIDTH, embedding_init=normal, name="wpe")
        x = wte(words) + wpe(jnp.arange(words.shape[1]))
        for index in range(DEPTH):
            x = LinenBlock(self.residual, name=f"h_{index}")(x)
        return wte.attend(linen.LayerNorm(name="ln_f")(x))


class TorchPatchBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 2 * width)
        self.fc2 = nn.Linear(2 * width, width)


class TorchPatches(nn.Module):
    """As BEiT does: the output of each block is divided by the root of twice its number."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([TorchPatchBlock(WIDTH) for _ in range(DEPTH)])
        self.apply(self._init_weights)
        self.fix_init_weight()

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.constant_(module.bias, 0)

    def fix_init_weight(self):
        for number, block in enumerate(self.blocks, 1):
            block.fc2.weight.data.div_(math.sqrt(2.0 * number))


class PatchBlock(nnx.Module):
    def __init__(self, width, residual, *, rngs):
        # torch's bounds of -2 and 2 are a hundred std away: nothing is cut.
        normal = initializers.normal(0.02)
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.fc1 = nnx.Linear(width, 2 * width, kernel_init=normal, rngs=rngs)
        self.fc2 = nnx.Linear(
            2 * width, width, kernel_init=initializers.normal(residual), rngs=rngs
        )


class Patches(nnx.Module):
    def __init__(self, *, rngs, is_scaled):
        stds = [0.02 / math.sqrt(2 * n) if is_scaled else 0.02 for n in range(1, DEPTH + 1)]
        self.blocks = nnx.List([PatchBlock(WIDTH, std, rngs=rngs) for std in stds])


PORTS = (
    Port(
        "decoder: residual projections not divided by the depth",
        Cause.DEPTH_SCALE,
        TorchDecoder,
        LinenDecoder(),
        LinenDecoder(0.02 / math.sqrt(2 * DEPTH)),
        frozenset(f"h.{n}.{part}.c_proj.weight" for n in range(DEPTH) for part in ("attn", "mlp")),
        (jnp.zeros((1, 5), jnp.int32),),
    ),
    Port(
        "patches: blocks not divided by their number",
        Cause.DEPTH_SCALE,
        TorchPatches,
        lambda rngs: Patches(rngs=rngs, is_scaled=False),
        lambda rngs: Patches(rngs=rngs, is_scaled=True),
        frozenset(f"blocks.{n}.fc2.weight" for n in range(DEPTH)),
    ),
)
