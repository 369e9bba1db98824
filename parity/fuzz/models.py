"""Random models, under torch's names: perceptrons, convolutions, transformers, recurrent ones."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from parity.fuzz.blocks import activation, conv_block, dense_block, numbered, sequence_block
from parity.fuzz.choice import number, pick, toss
from parity.fuzz.flat import Embedding, Linear, Norm, Unembedding
from parity.fuzz.group import Group, Part
from parity.fuzz.node import Bare, Function, Node
from parity.fuzz.sequences import Recurrent
from parity.fuzz.spatial import Conv, ConvTranspose
from parity.fuzz.values import Made

__all__ = ["FAMILIES", "Input"]

Rng = np.random.Generator

BATCH, LENGTH = 2, 5
WIDTHS = (4, 6, 8)


@dataclass(frozen=True)
class Input:
    """What a model is run on.

    Args:
        shape: in Flax, channels last.
        words: if not 0, integers below it.
        is_image: whether torch has the channels before space.
    """

    shape: tuple[int, ...]
    words: int = 0
    is_image: bool = False


Model = tuple[Group, Input]


def _holder(rng: Rng, blocks: list[Group], is_copied: bool = False) -> Part:
    """Blocks of a kind in a list, a dictionary or a Sequential."""
    form = pick(rng, ("ModuleList", "ModuleList", "Sequential", "ModuleDict"))
    name = pick(rng, ("layers", "blocks", "stages"))
    if form == "ModuleDict":
        parts = tuple(Part(f"{name[:-1]}{n}", block) for n, block in enumerate(blocks))
    else:
        parts = numbered(blocks)
    is_copied = is_copied and form != "Sequential"
    return Part(name, Group(parts, form, role="Stack", is_copied=is_copied))


def _same(rng: Rng, make: Callable[[], Group]) -> tuple[list[Group], bool]:
    """Two or three blocks, of the same structure or not; whether they may be copies."""
    count = int(rng.integers(2, 4))
    if toss(rng, 0.7):
        return [make()] * count, toss(rng, 0.3)
    return [make() for _ in range(count)], False


def perceptron(rng: Rng) -> Model:
    """Linears in a Sequential, or in blocks."""
    inputs, width, outputs = pick(rng, WIDTHS), pick(rng, WIDTHS), pick(rng, (3, 5))
    if toss(rng, 0.5):
        nodes: list[Node] = [Linear(inputs, width)]
        for _ in range(int(rng.integers(1, 4))):
            nodes += [activation(rng), Linear(width, width, toss(rng, 0.8))]
            if toss(rng, 0.4):
                nodes.append(Norm(pick(rng, ("LayerNorm", "BatchNorm1d")), width))
        nodes += [Function("silu", is_module=True), Linear(width, outputs)]
        net = Group(numbered(nodes), "Sequential", role="Net")
        return Group((Part(pick(rng, ("net", "layers", "model")), net),)), Input((BATCH, inputs))
    stem = Linear(inputs, width, is_normed=toss(rng, 0.25))
    blocks, is_copied = _same(rng, lambda: dense_block(rng, width))
    parts = [Part(pick(rng, ("stem", "fc_in", "embed")), stem), _holder(rng, blocks, is_copied)]
    if toss(rng, 0.5):
        parts.append(Part("norm", Norm("LayerNorm", width)))
    parts.append(Part(pick(rng, ("head", "fc_out")), Linear(width, outputs)))
    return Group(tuple(parts)), Input((BATCH, inputs))


def convolutional(rng: Rng) -> Model:
    """Convolutions, then pooled or flattened, then a Linear or two."""
    dimensions, size = pick(rng, (1, 2, 2)), 6
    inputs, width, outputs = pick(rng, (2, 3)), pick(rng, WIDTHS), pick(rng, (3, 5))
    shape = (BATCH, *(size,) * dimensions, inputs)
    first = Conv(dimensions, inputs, width, 3, pick(rng, (1, 2)), pick(rng, (0, 1)), 1, 1)
    size = first.size(size)
    if toss(rng, 0.5):
        blocks, is_copied = _same(rng, lambda: conv_block(rng, dimensions, width))
        parts = [Part(pick(rng, ("stem", "conv1")), first), _holder(rng, blocks, is_copied)]
    else:
        nodes: list[Node] = [first]
        for _ in range(int(rng.integers(1, 3))):
            dilation = pick(rng, (1, 2))
            padding = 1 if size < 4 else pick(rng, (0, 1))
            second = Conv(
                dimensions,
                width,
                width,
                2,
                1,
                padding,
                dilation,
                pick(rng, (1, 1, 2)),
                toss(rng, 0.7),
            )
            size = second.size(size)
            nodes += [second, Norm(f"BatchNorm{dimensions}d", width), activation(rng)]
        parts = [Part("features", Group(numbered(nodes), "Sequential", role="Features"))]
    return Group((*parts, *_classifier(rng, width, dimensions, size, outputs))), Input(
        shape, is_image=True
    )


def _classifier(rng: Rng, width: int, dimensions: int, size: int, outputs: int) -> tuple[Part, ...]:
    name = pick(rng, ("fc", "head", "classifier"))
    if toss(rng, 0.4):
        return Part("pool", Function("pool")), Part(name, Linear(width, outputs))
    flatten = Function(pick(rng, ("flatten", "flatten", "torch_flatten")), is_module=True)
    image = (width, *(size,) * dimensions)
    first = Linear(width * size**dimensions, width, image=image)
    # Nothing that is flat over half of its inputs: an error before it would not be seen.
    act = pick(rng, ("gelu", "silu", "tanh"))
    nodes = (flatten, first, Function(act, is_module=True), Linear(width, outputs))
    if toss(rng, 0.5):
        return (Part(name, Group(numbered(nodes), "Sequential", role="Classifier")),)
    return (
        Part("flatten", Function(flatten.name)),
        Part("fc1", first),
        Part("act", Function(act)),
        Part("fc2", nodes[3]),
    )


def generator(rng: Rng) -> Model:
    """Transposed convolutions."""
    dimensions, inputs, width = pick(rng, (1, 2)), 4, pick(rng, WIDTHS)
    nodes: list[Node] = []
    channels = inputs
    for outputs in (width, width, 3)[: int(rng.integers(2, 4))]:
        stride = pick(rng, (1, 2))
        extra = pick(rng, (0, 1)) if stride == 2 else 0
        # What is left of two positions stays two, or more.
        kernel, padding = pick(rng, ((2, 0), (3, 0), (3, 1)))
        nodes.append(
            ConvTranspose(
                dimensions,
                channels,
                outputs,
                kernel,
                stride,
                padding,
                extra,
                toss(rng, 0.6),
                toss(rng, 0.5),
            )
        )
        if toss(rng, 0.5):
            nodes.append(Norm(f"BatchNorm{dimensions}d", outputs))
        nodes.append(Function(pick(rng, ("relu", "tanh")), is_module=True))
        channels = outputs
    shape = (BATCH, *(2,) * dimensions, inputs)
    if toss(rng, 0.5):
        main = Part("main", Group(numbered(nodes), "Sequential", role="Main"))
        return Group((main,)), Input(shape, is_image=True)
    counts: dict[str, int] = {}
    parts = []
    for node in nodes:
        base = {"ConvTranspose": "deconv", "Norm": "bn"}.get(type(node).__name__, "act")
        counts[base] = counts.get(base, 0) + 1
        parts.append(Part(f"{base}{counts[base]}", node))
    return Group(tuple(parts)), Input(shape, is_image=True)


def transformer(rng: Rng) -> Model:
    """Words, positions, blocks, and an output that is tied to the embedding or not."""
    count, width = pick(rng, (7, 11)), pick(rng, (4, 8))
    embed = pick(rng, ("embed", "embed_tokens", "embedding"))
    padding = pick(rng, (None, 0, count - 1))
    blocks, is_copied = _same(rng, lambda: sequence_block(rng, width))
    parts = [Part(embed, Embedding(count, width, padding))]
    if toss(rng, 0.7):
        start = Made("randn", times=number(rng, 0.01, 0.1))
        name = pick(rng, ("pos_embed", "positions"))
        parts.append(Part(name, Bare("add", (1, LENGTH, width), start)))
    parts.append(_holder(rng, blocks, is_copied))
    if toss(rng, 0.8):
        parts.append(Part(pick(rng, ("norm", "ln_f")), Norm("LayerNorm", width)))
    head = pick(rng, ("tied", "untied", "pooled"))
    if head == "tied":
        attends = toss(rng, 0.5)
        parts.append(Part("lm_head", Unembedding(embed, count, width, attends)))
    elif head == "untied":
        parts.append(Part("lm_head", Linear(width, count, bias=False)))
    else:
        parts += [Part("pool", Function("mean")), Part("head", Linear(width, 3))]
    return Group(tuple(parts)), Input((BATCH, LENGTH), words=count)


def vision(rng: Rng) -> Model:
    """Patches, a class token, positions, blocks."""
    width = pick(rng, (4, 8))
    patch = Conv(2, 3, width, 3, 3)
    blocks, is_copied = _same(rng, lambda: sequence_block(rng, width))
    token = Made(pick(rng, ("zeros", "randn")))
    positions = Made("randn", times=number(rng, 0.01, 0.1))
    parts = (
        Part(pick(rng, ("patch_embed", "conv_proj")), patch),
        Part("patches", Function("patches")),
        Part("cls_token", Bare("before", (1, 1, width), token)),
        Part("pos_embed", Bare("add", (1, 5, width), positions)),
        _holder(rng, blocks, is_copied),
        Part("norm", Norm("LayerNorm", width)),
        Part("first", Function("first")),
        Part("head", Linear(width, 5)),
    )
    return Group(parts), Input((BATCH, 6, 6, 3), is_image=True)


def recurrent(rng: Rng) -> Model:
    """Words, an LSTM or a GRU, tags."""
    count, width, hidden = pick(rng, (7, 11)), 4, pick(rng, (4, 6))
    kind = pick(rng, ("LSTM", "GRU"))
    cell = pick(rng, ("LSTMCell", "OptimizedLSTMCell")) if kind == "LSTM" else "GRUCell"
    both = toss(rng, 0.4)
    parts = [
        Part("embed", Embedding(count, width, pick(rng, (None, 0)))),
        Part(pick(rng, ("lstm", "rnn", "encoder")), Recurrent(kind, width, hidden, both, cell)),
    ]
    if toss(rng, 0.4):
        parts.append(Part("last", Function("last")))
    parts.append(Part(pick(rng, ("tag", "fc", "out")), Linear(hidden * (1 + both), 3)))
    return Group(tuple(parts)), Input((BATCH, LENGTH), words=count)


FAMILIES: tuple[tuple[Callable[[Rng], Model], float], ...] = (
    (perceptron, 0.22),
    (convolutional, 0.24),
    (generator, 0.12),
    (transformer, 0.2),
    (vision, 0.14),
    (recurrent, 0.08),
)
"""Kinds of models, and how many of each there are."""
