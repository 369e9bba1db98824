"""The networks that are compared, as deep as published and narrower, so that they train here."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

import fanwise as fw
from examples.choosing.dncnn import DnCNN, published_dncnn
from examples.choosing.edsr import EDSR
from examples.choosing.family import ADAM, SGD, Data, Family
from examples.choosing.gpt import GPT
from examples.choosing.images import dead_leaves, downscaled, lit, striped
from examples.choosing.plain import Plain
from examples.choosing.resnet import ResNet
from examples.choosing.text import source
from fanwise.rules import Rule
from fanwise.signal import CANDIDATES
from fanwise.signal.candidates import matrices_by

__all__ = ["FAMILIES", "family"]

_CLASSES = 4
_NOISE = 50 / 255


def _cross_entropy(scores: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean()


def _absolute(output: jax.Array, target: jax.Array) -> jax.Array:
    return jnp.abs(output - target).mean()


def _squared(output: jax.Array, target: jax.Array) -> jax.Array:
    return ((output - target) ** 2).mean()


@cache
def _super_resolution(seed: tuple[int, ...], count: int) -> Data:
    sharp = dead_leaves(np.random.default_rng(seed), count, 24)
    small = downscaled(sharp, 2)
    enlarged = small.repeat(2, axis=1).repeat(2, axis=2)
    return Data(small, sharp, {"nearest pixel": float(np.abs(sharp - enlarged).mean())})


@cache
def _denoising(seed: tuple[int, ...], count: int) -> Data:
    rng = np.random.default_rng(seed)
    clean = dead_leaves(rng, count, 12, channels=1)
    noise = rng.normal(0, _NOISE, clean.shape).astype(np.float32)
    return Data(clean + noise, noise, {"predicting no noise": float((noise**2).mean())})


@cache
def _light(seed: tuple[int, ...], count: int) -> Data:
    images, labels = lit(np.random.default_rng(seed), count, 8, _CLASSES)
    return Data(images, labels, {"guessing": float(np.log(_CLASSES))})


@cache
def _directions(seed: tuple[int, ...], count: int) -> Data:
    images, labels = striped(np.random.default_rng(seed), count, 16, channels=3, classes=_CLASSES)
    return Data(images, labels, {"guessing": float(np.log(_CLASSES))})


@cache
def _text(seed: tuple[int, ...], count: int) -> Data:
    # The source is the same for every number of texts.
    made = source(np.random.default_rng(0), words=16, sparsity=0.1)
    words = made.sample(np.random.default_rng(seed), count, 25)
    bounds = {
        "guessing": float(np.log(16)),
        "the last word alone": made.entropy_after_one,
        "the source itself": made.entropy_rate,
    }
    return Data(words[:, :-1], words[:, 1:], bounds)


def _zeroed(rule: str, pattern: str) -> Rule:
    """A candidate, but zeros in the weights of some layers."""
    return fw.chain(CANDIDATES[rule], fw.by_path({pattern: {"weight": fw.zeros()}}))


def _edsr(residual_scale: float, quick: bool) -> Family:
    blocks, width = (2, 8) if quick else (16, 16)
    scaled = "" if residual_scale == 1 else f", branches times {residual_scale}"
    zeroed = r"block_\d+/conv2" if residual_scale == 1 else "tail"
    return Family(
        f"EDSR, {blocks} blocks of {width} channels{scaled}",
        EDSR(blocks, width, residual_scale),
        _super_resolution,
        _absolute,
        "mean absolute error",
        (ADAM(3e-3, 1e-2),),
        batch=4,
        steps=100,
        rules={f"fan_in, {zeroed.rpartition('/')[2]} zero": _zeroed("fan_in", zeroed)},
    )


def _dncnn(normalized: bool, quick: bool) -> Family:
    depth, width = (4, 8) if quick else (17, 16)
    return Family(
        f"DnCNN, {depth} layers of {width} channels, {'' if normalized else 'no '}batch norm",
        DnCNN(depth, width, normalized),
        _denoising,
        _squared,
        "mean squared error",
        (ADAM(3e-3, 1e-2) if normalized else ADAM(1e-3, 3e-3),),
        batch=8,
        steps=100,
        rules={
            "published": published_dncnn(width),
            "fan_out, last zero": _zeroed("fan_out", f"conv_{depth - 1}"),
        },
        options={"train": True},
    )


def _plain(
    activation: Callable[[jax.Array], jax.Array],
    name: str,
    rules: Mapping[str, Rule],
    quick: bool,
) -> Family:
    depth, width = (4, 16) if quick else (30, 64)
    return Family(
        f"Plain {name} net, {depth} layers of {width} units",
        Plain(activation, depth, width, _CLASSES),
        _light,
        _cross_entropy,
        "cross entropy, nats",
        (SGD(1e-3, 3e-3), ADAM(1e-4, 1e-3)),
        batch=64,
        steps=200,
        rules=rules,
    )


def _resnet(quick: bool) -> Family:
    stages = (1, 1) if quick else (2, 2, 2, 2)
    return Family(
        f"ResNet-{2 + 2 * sum(stages)}, first stage of 8 channels",
        ResNet(stages, width=8, classes=_CLASSES),
        _directions,
        _cross_entropy,
        "cross entropy, nats",
        (SGD(1e-2, 3e-2),),
        batch=16,
        steps=60,
        rules={"published": fw.recipes.resnet()},
        options={"train": True},
    )


def _gpt(quick: bool) -> Family:
    depth = 1 if quick else 4
    return Family(
        f"GPT, {depth} block{'' if quick else 's'} of width 32",
        GPT(vocabulary=16, context=24, width=32, heads=4, depth=depth),
        _text,
        _cross_entropy,
        "cross entropy, nats a word",
        (ADAM(3e-3, 1e-2),),
        batch=16,
        steps=100,
        rules={
            "published": fw.recipes.gpt2(depth, residual=r"h_\d+/\w+_proj"),
            "torch, Flax's Embed": fw.chain(CANDIDATES["torch_default"], _FLAX_EMBED),
        },
    )


_FLAX_EMBED = fw.by_kind({"Embedding": CANDIDATES["flax_default"]})
_TANH = fw.kaiming_normal(mode="fan_in", nonlinearity="tanh")

_MAKERS: Mapping[str, Callable[[bool], Family]] = {
    "relu": partial(_plain, nn.relu, "ReLU", {}),
    "tanh": partial(_plain, nn.tanh, "tanh", {"fan_in, gain 5/3": matrices_by(_TANH)}),
    "edsr": partial(_edsr, 1.0),
    "edsr_scaled": partial(_edsr, 0.1),
    "dncnn": partial(_dncnn, False),
    "dncnn_bn": partial(_dncnn, True),
    "resnet": _resnet,
    "gpt": _gpt,
}
FAMILIES = tuple(_MAKERS)


def family(name: str, quick: bool = False) -> Family:
    """One of the networks.

    Args:
        name: one of ``FAMILIES``.
        quick: as small as a test wants it, with three steps of training at one rate.
    """
    made = _MAKERS[name](quick)
    if not quick:
        return made
    optimizers = tuple(replace(each, rates=each.rates[:1]) for each in made.optimizers)
    return replace(made, steps=3, optimizers=optimizers)
