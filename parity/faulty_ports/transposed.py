"""The fan of a transposed convolution: torch counts its outputs, Flax its inputs."""

from itertools import pairwise

import jax.numpy as jnp
from flax import linen, nnx
from jax.nn import initializers
from torch import nn

from fanwise.porting.checking import Cause
from parity.faulty_ports.port import Port

__all__ = ["PORTS"]

CHANNELS = (16, 32, 64)


class TorchDown(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.InstanceNorm2d(outputs)


class TorchUp(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.ConvTranspose2d(inputs, outputs, 2, stride=2, bias=False)
        self.norm = nn.InstanceNorm2d(outputs)


class TorchUNet(nn.Module):
    """torch's own defaults, which the port writes out."""

    def __init__(self):
        super().__init__()
        widths = (1, *CHANNELS)
        self.down = nn.ModuleList([TorchDown(a, b) for a, b in pairwise(widths)])
        self.up = nn.ModuleList(
            [TorchUp(b, a) for a, b in zip(CHANNELS[-2::-1], CHANNELS[::-1], strict=False)]
        )
        self.head = nn.Conv2d(CHANNELS[0], 1, 1)


# kaiming_uniform_(a=sqrt(5)), torch's own, is this one of a fan_in.
TORCH_DEFAULT = initializers.variance_scaling(1 / 3, "fan_in", "uniform")


def _bound(fan_in):
    """Uniform on [-1/sqrt(fan_in), 1/sqrt(fan_in))."""

    def init(key, shape, dtype=jnp.float32):
        bound = jnp.asarray(fan_in**-0.5, dtype)
        return initializers.uniform(2.0)(key, shape, dtype) * bound - bound

    return init


class LinenUNet(linen.Module):
    up_init: initializers.Initializer = TORCH_DEFAULT

    @linen.compact
    def __call__(self, x):
        for index, width in enumerate(CHANNELS):
            x = linen.Conv(
                width,
                (3, 3),
                use_bias=False,
                kernel_init=TORCH_DEFAULT,
                name=f"down_{index}_conv",
            )(x)
            x = linen.max_pool(x, (2, 2), (2, 2))
        for index, width in enumerate(CHANNELS[-2::-1]):
            x = linen.ConvTranspose(
                width,
                (2, 2),
                strides=(2, 2),
                use_bias=False,
                kernel_init=self.up_init,
                name=f"up_{index}_conv",
            )(x)
        return linen.Conv(
            1,
            (1, 1),
            kernel_init=TORCH_DEFAULT,
            bias_init=_bound(CHANNELS[0]),
            name="head",
        )(x)


class TorchAutoencoder(nn.Module):
    """He's initialization for every convolution, by one loop over modules."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 24, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(24, 80, 4, stride=2, padding=1),
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(80, 24, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(24, 3, 4, stride=2, padding=1),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
                nn.init.zeros_(module.bias)


HE = initializers.variance_scaling(2.0, "fan_in", "normal")

# Flax's kernel of a transposed convolution is (*kernel, in, out): torch's fan_in is its last axis.
HE_OF_TORCH = initializers.variance_scaling(2.0, "fan_in", "normal", in_axis=-1, out_axis=-2)


class Autoencoder(nnx.Module):
    def __init__(self, *, rngs, decoder_init):
        self.encoder = nnx.Sequential(
            nnx.Conv(3, 24, (4, 4), 2, kernel_init=HE, rngs=rngs),
            nnx.relu,
            nnx.Conv(24, 80, (4, 4), 2, kernel_init=HE, rngs=rngs),
        )
        self.decoder = nnx.Sequential(
            nnx.ConvTranspose(80, 24, (4, 4), 2, kernel_init=decoder_init, rngs=rngs),
            nnx.relu,
            nnx.ConvTranspose(24, 3, (4, 4), 2, kernel_init=decoder_init, rngs=rngs),
        )


PORTS = (
    Port(
        "U-Net: torch's default written out",
        Cause.TRANSPOSED_FAN,
        TorchUNet,
        LinenUNet(),
        LinenUNet(initializers.variance_scaling(1 / 3, "fan_in", "uniform", -1, -2)),
        frozenset(f"up.{index}.conv.weight" for index in range(2)),
        (jnp.zeros((1, 16, 16, 1)),),
    ),
    Port(
        "autoencoder: He for every convolution",
        Cause.TRANSPOSED_FAN,
        TorchAutoencoder,
        lambda rngs: Autoencoder(rngs=rngs, decoder_init=HE),
        lambda rngs: Autoencoder(rngs=rngs, decoder_init=HE_OF_TORCH),
        frozenset({"decoder.0.weight", "decoder.2.weight"}),
    ),
)
