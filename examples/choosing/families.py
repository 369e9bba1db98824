"""The networks that are compared, as deep as published and narrower, so that they train here."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

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

__all__ = ["FAMILIES"]

_CLASSES = 4
_NOISE = 50 / 255


def _cross_entropy(scores: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean()


def _absolute(output: jax.Array, target: jax.Array) -> jax.Array:
    return jnp.abs(output - target).mean()


def _squared(output: jax.Array, target: jax.Array) -> jax.Array:
    return ((output - target) ** 2).mean()


def _super_resolution(rng: np.random.Generator, count: int) -> Data:
    sharp = dead_leaves(rng, count, 24)
    small = downscaled(sharp, 2)
    enlarged = small.repeat(2, axis=1).repeat(2, axis=2)
    return Data(small, sharp, {"nearest pixel": float(np.abs(sharp - enlarged).mean())})


def _denoising(rng: np.random.Generator, count: int) -> Data:
    clean = dead_leaves(rng, count, 16, channels=1)
    noise = rng.normal(0, _NOISE, clean.shape).astype(np.float32)
    return Data(clean + noise, noise, {"predicting no noise": float((noise**2).mean())})


def _light(rng: np.random.Generator, count: int) -> Data:
    images, labels = lit(rng, count, 8, _CLASSES)
    return Data(images, labels, {"guessing": float(np.log(_CLASSES))})


def _directions(rng: np.random.Generator, count: int) -> Data:
    images, labels = striped(rng, count, 16, channels=3, classes=_CLASSES)
    return Data(images, labels, {"guessing": float(np.log(_CLASSES))})


def _text(rng: np.random.Generator, count: int) -> Data:
    # The source is the same for every number of texts.
    made = source(np.random.default_rng(0), words=16, sparsity=0.1)
    words = made.sample(rng, count, 25)
    bounds = {
        "guessing": float(np.log(16)),
        "the last word alone": made.entropy_after_one,
        "the source itself": made.entropy_rate,
    }
    return Data(words[:, :-1], words[:, 1:], bounds)


def _zeroed(pattern: str) -> Rule:
    """fan_in, but zeros in the weights of some layers."""
    return fw.chain(CANDIDATES["fan_in"], fw.by_path({pattern: {"weight": fw.zeros()}}))


def _edsr(residual_scale: float, title: str, quick: bool) -> Family:
    return Family(
        title,
        EDSR(2 if quick else 16, 8 if quick else 16, residual_scale),
        _super_resolution,
        _absolute,
        "mean absolute error",
        (ADAM(1e-3, 3e-3),),
        batch=8,
        steps=50,
        rules={"fan_in, conv2 zero": _zeroed(r"block_\d+/conv2")},
    )


def _dncnn(normalized: bool, title: str, quick: bool) -> Family:
    depth, width = (4, 8) if quick else (17, 16)
    return Family(
        title,
        DnCNN(depth, width, normalized),
        _denoising,
        _squared,
        "mean squared error",
        (ADAM(1e-3, 3e-3),),
        batch=8,
        steps=100,
        rules={
            "published": published_dncnn(width),
            "fan_in, last zero": _zeroed(f"conv_{depth - 1}"),
        },
        options={"train": True},
    )


def _plain(
    activation: Callable[[jax.Array], jax.Array],
    title: str,
    rules: Mapping[str, Rule],
    quick: bool,
) -> Family:
    return Family(
        title,
        Plain(activation, depth=4 if quick else 30, width=16 if quick else 64, classes=_CLASSES),
        _light,
        _cross_entropy,
        "cross entropy, nats",
        (SGD(1e-3, 3e-3), ADAM(1e-4, 1e-3)),
        batch=64,
        steps=200,
        rules=rules,
    )


def _resnet(quick: bool) -> Family:
    return Family(
        "ResNet-18",
        ResNet((1, 1) if quick else (2, 2, 2, 2), width=8, classes=_CLASSES),
        _directions,
        _cross_entropy,
        "cross entropy, nats",
        (SGD(1e-2, 3e-2),),
        batch=16,
        steps=80,
        rules={"published": fw.recipes.resnet()},
        options={"train": True},
    )


def _gpt(quick: bool) -> Family:
    depth = 1 if quick else 4
    return Family(
        "GPT",
        GPT(vocabulary=16, context=24, width=32, heads=4, depth=depth),
        _text,
        _cross_entropy,
        "cross entropy, nats a word",
        (ADAM(3e-3, 1e-2),),
        batch=16,
        steps=100,
        rules={"published": fw.recipes.gpt2(depth, residual=r"h_\d+/\w+_proj")},
    )


_TANH = fw.kaiming_normal(mode="fan_in", nonlinearity="tanh")

FAMILIES: Mapping[str, Callable[[bool], Family]] = MappingProxyType(
    {
        "relu": partial(_plain, nn.relu, "Plain ReLU net, 30 layers", {}),
        "tanh": partial(
            _plain,
            nn.tanh,
            "Plain tanh net, 30 layers",
            {"fan_in, gain 5/3": matrices_by(_TANH)},
        ),
        "edsr": partial(_edsr, 1.0, "EDSR, 16 blocks"),
        "edsr_scaled": partial(_edsr, 0.1, "EDSR, 16 blocks, branches times 0.1"),
        "dncnn": partial(_dncnn, False, "DnCNN, 17 layers, no batch norm"),
        "dncnn_bn": partial(_dncnn, True, "DnCNN, 17 layers, batch norm"),
        "resnet": _resnet,
        "gpt": _gpt,
    }
)
"""By name, what makes the Family: called with True it is as small as a test wants it."""
