"""Random blocks of layers, under the names that torch models give them.

Sizes are of a few values only, so that JAX compiles few programs.
"""

from collections.abc import Sequence

import numpy as np

from parity.fuzz.choice import number, pick, toss
from parity.fuzz.flat import Linear, Norm, PReLU
from parity.fuzz.group import Group, Part
from parity.fuzz.node import Bare, Function, Node
from parity.fuzz.sequences import Attention, Heads
from parity.fuzz.spatial import Conv
from parity.fuzz.values import Made

__all__ = ["activation", "conv_block", "dense_block", "numbered", "sequence_block", "span"]

Rng = np.random.Generator

ACTIVATIONS = ("relu", "gelu", "tanh", "silu")


def activation(rng: Rng) -> Node:
    """A function, or a PReLU."""
    return PReLU() if toss(rng, 0.12) else Function(pick(rng, ACTIVATIONS), is_module=True)


def numbered(parts: Sequence[Node]) -> tuple[Part, ...]:
    """Parts of a Sequential or a ModuleList."""
    return tuple(Part(str(index), node) for index, node in enumerate(parts))


def span(name: str, *parts: Part) -> Part:
    """Parts that the class around them runs with a residual connection."""
    return Part(name, Group(parts, "span", is_residual=True))


def _flat_norm(rng: Rng, width: int) -> Norm:
    kind = pick(rng, ("LayerNorm", "LayerNorm", "RMSNorm", "BatchNorm1d"))
    return Norm(kind, width, bias=kind != "LayerNorm" or toss(rng, 0.8))


def dense_block(rng: Rng, width: int) -> Group:
    """Two Linears, a normalization among them or not, with a residual connection or not."""
    hidden = pick(rng, (width, 2 * width))
    first, second = pick(
        rng, (("fc1", "fc2"), ("linear1", "linear2"), ("up", "down"), ("lin1", "lin2"))
    )
    parts = [
        Part(first, Linear(width, hidden, toss(rng, 0.8))),
        Part("act", activation(rng)),
        Part(second, Linear(hidden, width, toss(rng, 0.8))),
    ]
    if toss(rng, 0.6):
        parts.insert(0, Part("norm", _flat_norm(rng, width)))
    role = pick(rng, ("Block", "MLP", "ResidualBlock"))
    return Group(tuple(parts), role=role, is_residual=toss(rng, 0.6))


def conv_block(rng: Rng, dimensions: int, width: int) -> Group:
    """Two convolutions of the same width."""
    kernel = pick(rng, (1, 3))
    groups = pick(rng, (1, 1, 2, width))
    norm = pick(rng, ("BatchNorm", "BatchNorm", "GroupNorm", "InstanceNorm"))
    bias = toss(rng, 0.5)

    def conv(groups: int) -> Conv:
        return Conv(dimensions, width, width, kernel, 1, kernel // 2, 1, groups, bias)

    def normalization(name: str) -> Part:
        if norm == "GroupNorm":
            return Part(name, Norm(norm, width, groups=2))
        return Part(name, Norm(f"{norm}{dimensions}d", width))

    names = pick(rng, (("conv1", "bn1", "conv2", "bn2"), ("conv1", "norm1", "conv2", "norm2")))
    parts = (
        Part(names[0], conv(groups)),
        normalization(names[1]),
        Part("act", Function(pick(rng, ACTIVATIONS))),
        Part(names[2], conv(1)),
        normalization(names[3]),
    )
    return Group(parts, role=pick(rng, ("BasicBlock", "ConvBlock", "Block")), is_residual=True)


def _attention(rng: Rng, width: int) -> Node:
    form = pick(rng, ("MultiheadAttention", "separate", "packed", "split"))
    if form == "MultiheadAttention":
        return Attention(width, 2, toss(rng, 0.8))
    if form == "separate":
        names = pick(
            rng,
            (
                ("q_proj", "k_proj", "v_proj", "out_proj"),
                ("query", "key", "value", "out"),
                ("to_q", "to_k", "to_v", "to_out"),
            ),
        )
        twins = pick(rng, (names, ("query", "key", "value", "out")))
        return Heads(width, 2, names, twins)
    names = pick(rng, (("qkv", "proj"), ("c_attn", "c_proj"), ("in_proj", "out_proj")))
    return Heads(width, 2, names, names if form == "packed" else ("query", "key", "value", "out"))


def sequence_block(rng: Rng, width: int) -> Group:
    """A transformer's block: attention and two Linears, each behind a normalization."""
    hidden = 2 * width
    kind = pick(rng, ("LayerNorm", "LayerNorm", "RMSNorm"))
    norms = pick(rng, (("norm1", "norm2"), ("ln_1", "ln_2"), ("ln1", "ln2")))
    attn = pick(rng, ("attn", "self_attn", "attention"))
    first, second = pick(rng, (("fc1", "fc2"), ("linear1", "linear2"), ("c_fc", "c_proj")))
    mlp = (
        Part(first, Linear(width, hidden, toss(rng, 0.9))),
        Part("act", Function(pick(rng, ("gelu", "relu", "silu")))),
        Part(second, Linear(hidden, width)),
    )
    if toss(rng, 0.5):
        mlp = (Part("mlp", Group(mlp, role="MLP")),)
    elif toss(rng, 0.3):
        nodes = [part.node for part in mlp]
        nodes[1] = Function("gelu", is_module=True)
        mlp = (Part("mlp", Group(numbered(nodes), "Sequential", role="MLP")),)
    scales: list[tuple[Part, ...]] = [(), ()]
    if toss(rng, 0.2):
        start = Made("ones", times=number(rng, 0.05, 0.5))
        scales = [(Part(f"gamma_{n}", Bare("multiply", (width,), start)),) for n in (1, 2)]
    attention = Part(attn, _attention(rng, width))
    parts = (
        span("attending", Part(norms[0], Norm(kind, width)), attention, *scales[0]),
        span("thinking", Part(norms[1], Norm(kind, width)), *mlp, *scales[1]),
    )
    return Group(parts, role=pick(rng, ("Block", "EncoderLayer", "TransformerBlock")))
