"""A layer that the port's initialization does not reach keeps Flax's own."""

import jax
import jax.numpy as jnp
from flax import linen, nnx
from jax.nn import initializers
from torch import nn

from fanwise.porting.checking import Cause
from parity.faulty_ports.port import Port

__all__ = ["PORTS"]

WORDS, WIDTH, STATE, TAGS = 300, 48, 64, 17


class TorchTagger(nn.Module):
    """Embedding and classifier have their own initialization, the LSTM has torch's."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(WORDS, WIDTH)
        self.lstm = nn.LSTM(WIDTH, STATE, batch_first=True)
        self.classifier = nn.Linear(STATE, TAGS)
        nn.init.uniform_(self.embed.weight, -0.1, 0.1)
        nn.init.uniform_(self.classifier.weight, -0.1, 0.1)
        nn.init.zeros_(self.classifier.bias)


def symmetric(bound):
    """Uniform on [-bound, bound)."""

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


def two_biases(bound):
    """The sum of torch's two biases."""

    def init(key, shape, dtype=jnp.float32):
        first, second = jax.random.split(key)
        return symmetric(bound)(first, shape, dtype) + symmetric(bound)(second, shape, dtype)

    return init


class LinenTagger(linen.Module):
    is_mended: bool = False

    @linen.compact
    def __call__(self, words):
        options = {}
        if self.is_mended:
            weights = symmetric(STATE**-0.5)
            options = {
                "kernel_init": weights,
                "recurrent_kernel_init": weights,
                "bias_init": two_biases(STATE**-0.5),
            }
        x = linen.Embed(WORDS, WIDTH, embedding_init=symmetric(0.1), name="embed")(words)
        x = linen.RNN(linen.OptimizedLSTMCell(STATE, name="lstm", **options))(x)
        return linen.Dense(TAGS, kernel_init=symmetric(0.1), name="classifier")(x)


class TorchDigits(nn.Module):
    """He for convolutions, a constant for norms; nobody thought of the last layer."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.fc = nn.Linear(64, 10)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)


HE_OUT = initializers.variance_scaling(2.0, "fan_out", "normal")


class Digits(nnx.Module):
    def __init__(self, *, rngs, **head):
        self.conv1 = nnx.Conv(1, 32, (3, 3), use_bias=False, kernel_init=HE_OUT, rngs=rngs)
        self.bn1 = nnx.BatchNorm(32, rngs=rngs)
        self.conv2 = nnx.Conv(32, 64, (3, 3), use_bias=False, kernel_init=HE_OUT, rngs=rngs)
        self.bn2 = nnx.BatchNorm(64, rngs=rngs)
        self.fc = nnx.Linear(64, 10, rngs=rngs, **head)


PORTS = (
    Port(
        "tagger: an LSTM left alone",
        Cause.FRAMEWORK_DEFAULT,
        TorchTagger,
        LinenTagger(),
        LinenTagger(is_mended=True),
        frozenset(f"lstm.{name}_{of}_l0" for name in ("weight", "bias") for of in ("ih", "hh")),
        (jnp.zeros((1, 5), jnp.int32),),
    ),
    Port(
        "digits: the classifier left alone",
        Cause.FRAMEWORK_DEFAULT,
        TorchDigits,
        lambda rngs: Digits(rngs=rngs),
        lambda rngs: Digits(rngs=rngs, kernel_init=symmetric(1 / 8), bias_init=symmetric(1 / 8)),
        frozenset({"fc.weight", "fc.bias"}),
    ),
)
