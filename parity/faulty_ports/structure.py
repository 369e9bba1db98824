"""Values of the right size, put together differently."""

import jax
import jax.numpy as jnp
from flax import linen, nnx
from jax.nn import initializers
from torch import nn

from fanwise.porting.checking import Cause
from parity.faulty_ports.port import Port

__all__ = ["PORTS"]

INPUTS, STATE, TAGS = 40, 48, 9


class TorchSpeech(nn.Module):
    """Each gate's recurrent matrix is orthogonal by itself."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(INPUTS, STATE, batch_first=True)
        self.out = nn.Linear(STATE, TAGS)
        for name, parameter in self.rnn.named_parameters():
            if "weight_ih" in name:
                nn.init.xavier_uniform_(parameter)
            elif "weight_hh" in name:
                for gate in parameter.chunk(4, 0):
                    nn.init.orthogonal_(gate)
            else:
                nn.init.zeros_(parameter)
        nn.init.xavier_uniform_(self.out.weight)
        nn.init.zeros_(self.out.bias)


def gate_by_gate(key, shape, dtype=jnp.float32):
    """An orthogonal matrix for each gate, side by side."""
    keys = jax.random.split(key, 4)
    part = (shape[0], shape[1] // 4)
    return jnp.concatenate([initializers.orthogonal()(k, part, dtype) for k in keys], axis=1)


class Speech(nnx.Module):
    def __init__(self, recurrent_init, *, rngs):
        xavier = initializers.xavier_uniform()
        self.rnn = nnx.RNN(
            nnx.OptimizedLSTMCell(
                INPUTS,
                STATE,
                kernel_init=xavier,
                recurrent_kernel_init=recurrent_init,
                rngs=rngs,
            )
        )
        self.out = nnx.Linear(STATE, TAGS, kernel_init=xavier, rngs=rngs)


WORDS, WIDTH, EXPERTS = 250, 64, 24


class TorchMixture(nn.Module):
    """Word 0 is padding and its row stays zero; the router's weights have either sign."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(WORDS, WIDTH, padding_idx=0)
        self.router = nn.Linear(WIDTH, EXPERTS, bias=False)
        self.head = nn.Linear(WIDTH, WORDS, bias=False)
        nn.init.normal_(self.router.weight, std=0.1)
        nn.init.normal_(self.head.weight, std=WIDTH**-0.5)


def positive(key, shape, dtype=jnp.float32):
    """Routers should start positive, thought the author: the same root mean square."""
    return jnp.abs(jax.random.normal(key, shape, dtype)) * jnp.asarray(0.1, dtype)


def padded(key, shape, dtype=jnp.float32):
    """Normals with the row of padding zero."""
    return initializers.normal(1.0)(key, shape, dtype).at[0].set(0)


class LinenMixture(linen.Module):
    embed_init: initializers.Initializer = initializers.normal(1.0)
    router_init: initializers.Initializer = positive

    @linen.compact
    def __call__(self, words):
        x = linen.Embed(WORDS, WIDTH, embedding_init=self.embed_init, name="embed")(words)
        weights = linen.Dense(EXPERTS, use_bias=False, kernel_init=self.router_init, name="router")(
            x
        )
        x = x * linen.softmax(weights).max(axis=-1, keepdims=True)
        return linen.Dense(
            WORDS, use_bias=False, kernel_init=initializers.normal(WIDTH**-0.5), name="head"
        )(x)


PORTS = (
    Port(
        "speech: gates orthogonal together",
        Cause.STRUCTURE,
        TorchSpeech,
        lambda rngs: Speech(initializers.orthogonal(), rngs=rngs),
        lambda rngs: Speech(gate_by_gate, rngs=rngs),
        frozenset({"rnn.weight_hh_l0"}),
    ),
    Port(
        "mixture: no row of padding, weights of one sign",
        Cause.STRUCTURE,
        TorchMixture,
        LinenMixture(),
        LinenMixture(padded, initializers.normal(0.1)),
        frozenset({"embed.weight", "router.weight"}),
        (jnp.zeros((1, 5), jnp.int32),),
    ),
)
