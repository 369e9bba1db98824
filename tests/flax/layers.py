"""The layers of linen and nnx, and what each of them asks its initializers for.

One row is one layer in both APIs: the parameters it has, the shapes in which they are stored and
in which the initializer sees them, and the fans that follow from the layout.
"""

import math
from dataclasses import dataclass

import flax.linen as nn
import jax.numpy as jnp
from flax import nnx


@dataclass(frozen=True)
class Parameter:
    """A parameter: its path, its shape as stored and as the initializer sees it, its fans."""

    path: str
    stored: tuple[int, ...]
    seen: tuple[int, ...]
    fans: tuple[int, int] | None = None

    @property
    def is_bias(self):
        return self.fans is None


@dataclass(frozen=True)
class Layer:
    """A layer in both APIs; ``linen`` and ``nnx`` take the initializers and the dtypes."""

    name: str
    linen: object
    inputs: tuple[int, ...]
    nnx: object
    parameters: tuple[Parameter, ...]
    layout: str = "...IO"
    input_dtype: object = None


def kernel(stored, fans, seen=None, path="kernel"):
    return Parameter(path, stored, stored if seen is None else seen, fans)


def bias(stored, seen=None, path="bias"):
    return Parameter(path, stored, stored if seen is None else seen)


def convolution(name, size, groups=1):
    taps = math.prod(size)
    shape = (*size, 6 // groups, 8)
    return Layer(
        name,
        lambda **k: nn.Conv(8, size, feature_group_count=groups, **k),
        (1, *(4 for _ in size), 6),
        lambda **k: nnx.Conv(6, 8, size, feature_group_count=groups, **k),
        # The output axis of a grouped kernel is not divided by the groups: trap 2.
        (kernel(shape, (6 // groups * taps, 8 * taps)), bias((8,))),
    )


def transposed(name, flipped, layout, fans):
    stored = (2, 3, 8, 6) if flipped else (2, 3, 6, 8)
    return Layer(
        name,
        lambda **k: nn.ConvTranspose(8, (2, 3), transpose_kernel=flipped, **k),
        (1, 4, 4, 6),
        lambda **k: nnx.ConvTranspose(6, 8, (2, 3), transpose_kernel=flipped, **k),
        (kernel(stored, fans), bias((8,))),
        layout,
    )


def embedding(kernel_init, bias_init, **k):
    return {"embedding_init": kernel_init, **k}


LAYERS = [
    Layer(
        "dense",
        # Odd sizes leave a remainder to vectorized loops.
        lambda **k: nn.Dense(65, **k),
        (2, 37),
        lambda **k: nnx.Linear(37, 65, **k),
        (kernel((37, 65), (37, 65)), bias((65,))),
    ),
    Layer(
        "dense over two axes into two",
        lambda **k: nn.DenseGeneral((4, 5), axis=(-2, -1), **k),
        (2, 3, 6),
        lambda **k: nnx.LinearGeneral((3, 6), (4, 5), axis=(-2, -1), **k),
        (kernel((3, 6, 4, 5), (18, 20), seen=(18, 20)), bias((4, 5), seen=(20,))),
    ),
    Layer(
        # Trap 4: Flax multiplies the batch axis into the input axis before it asks.
        "dense with a batch axis",
        lambda **k: nn.DenseGeneral(8, batch_dims=(0,), **k),
        (16, 2, 6),
        lambda **k: nnx.LinearGeneral(6, 8, batch_axis={0: 16}, **k),
        (kernel((16, 6, 8), (16 * 6, 8), seen=(96, 8)), bias((16, 8), seen=(128,))),
    ),
    convolution("conv 1d", (3,)),
    convolution("conv 2d", (2, 3)),
    convolution("conv 3d", (1, 2, 3)),
    convolution("conv 2d in groups", (2, 3), groups=2),
    transposed("transposed", False, "...IO", (6 * 6, 8 * 6)),
    transposed("transposed and flipped", True, "...IO", (8 * 6, 6 * 6)),
    Layer(
        # torch's Embedding stores the same (number, width) and calls the width its input.
        "embedding",
        lambda **k: nn.Embed(6, 8, **embedding(**k)),
        (2, 3),
        lambda **k: nnx.Embed(6, 8, **embedding(**k)),
        (kernel((6, 8), (8, 6), path="embedding"),),
        "OI",
        jnp.int32,
    ),
    Layer(
        # Trap 3: unlike DenseGeneral, Einsum hands over the kernel as stored.
        "einsum",
        lambda **k: nn.Einsum((6, 4, 5), "btd,dhk->bthk", **k),
        (2, 3, 6),
        lambda **k: nnx.Einsum("btd,dhk->bthk", (6, 4, 5), (4, 5), **k),
        (kernel((6, 4, 5), (6, 20)), bias((4, 5))),
        "IOO",
    ),
    Layer(
        "attention",
        lambda **k: nn.MultiHeadDotProductAttention(4, qkv_features=20, out_features=8, **k),
        (1, 3, 18),
        lambda **k: nnx.MultiHeadAttention(4, 18, 20, 8, decode=False, **k),
        (
            *(
                parameter
                for name in ("query", "key", "value")
                for parameter in (
                    kernel((18, 4, 5), (18, 20), seen=(18, 20), path=f"{name}/kernel"),
                    bias((4, 5), seen=(20,), path=f"{name}/bias"),
                )
            ),
            kernel((4, 5, 8), (20, 8), seen=(20, 8), path="out/kernel"),
            bias((8,), path="out/bias"),
        ),
    ),
]

# torch reads the weight (in, out, *k) of a transposed convolution with out as the input. That is
# "...OI" for the kernel as Flax stores it by default, and "...IO" where transpose_kernel has
# swapped its axes; the other layout gives the true number of inputs.
READINGS = [
    transposed("transposed, by torch's reading", False, "...OI", (8 * 6, 6 * 6)),
    transposed("transposed and flipped, by true fans", True, "...OI", (6 * 6, 8 * 6)),
]
