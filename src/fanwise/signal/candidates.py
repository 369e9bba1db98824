"""The rules that are compared where nobody says otherwise: the five starts people choose from."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp

from fanwise.distributions import Constant, Distribution, ScalarDistribution
from fanwise.frameworks.flax_defaults import flax_default as law_of_leaf
from fanwise.initializers import Initializer, kaiming_normal, xavier_normal
from fanwise.layers import Layer, Leaf, Piece, family, kind_of
from fanwise.layouts import TORCH
from fanwise.rules import Answer, Rule, Value, torch_default
from fanwise.typing import DTypeLike, Key

__all__ = ["CANDIDATES", "flax_default", "matrices_by"]

_PREFIX = "parametrizations.weight."


def matrices_by(initializer: Initializer) -> Rule:
    """A rule that draws every matrix and kernel by one initializer, and sets biases to zero.

    The weights of Linear, Conv and ConvTranspose, with ``weight_norm`` around them or without,
    and of MultiheadAttention. Everything else stays as the model has it: normalizations,
    embeddings, recurrent layers, parameters of the user's own modules.

    Query, key and value are drawn each with its own fans, also where torch packs them in one
    ``in_proj_weight`` of three times the outputs: so they start the same as in a model that has
    three Linear layers instead. Fans are torch's: those of a transposed convolution are the wrong
    way round, and ``groups`` are left out of fan_out.

    Args:
        initializer: any that takes its fans from torch's shapes.

    Returns:
        A rule, see :mod:`fanwise.rules`.

    Example:
        >>> layer = Layer("fc", "Linear", {}, {"weight": (8, 32), "bias": (8,)})
        >>> matrices_by(kaiming_normal(nonlinearity="relu"))(layer)
        {'weight': Normal(0.0, 0.25), 'bias': Constant(0.0)}
    """

    def rule(layer: Layer) -> Answer:
        if layer.kind is None:
            return None
        outer, _, inner = layer.kind.partition("(")
        kind = inner.removesuffix(")") or outer
        if kind == "MultiheadAttention":
            return _attention(layer, initializer)
        if family(kind) not in ("Linear", "Conv", "ConvTranspose"):
            return None
        if not inner:
            return _weight(layer, "weight", initializer)
        if outer != "weight_norm":
            return None  # the others set the weight's scale themselves
        # The layer starts as it would without the norm around it.
        size = f"{_PREFIX}original0"
        norm = kind_of(layer.kind).default(**layer.hyperparameters)[size]
        return {size: norm, **_weight(layer, f"{_PREFIX}original1", initializer)}

    return rule


def _weight(layer: Layer, name: str, initializer: Initializer) -> dict[str, Value]:
    answer: dict[str, Value] = {name: initializer.distribution(layer.shapes[name], TORCH)}
    return answer | ({"bias": Constant(0.0)} if "bias" in layer.shapes else {})


def _attention(layer: Layer, initializer: Initializer) -> dict[str, Value]:
    answer: dict[str, Value] = {}
    for name, shape in layer.parameters.items():
        if name.endswith("weight"):
            rows = shape[0] // 3 if name == "in_proj_weight" else shape[0]
            answer[name] = initializer.distribution((rows, shape[1]), TORCH)
        elif name.endswith("bias"):
            answer[name] = Constant(0.0)
    return answer


def flax_default(layer: Layer) -> Answer:
    """What Flax draws where nobody says otherwise, whatever initializers the model has.

    Kernels are ``lecun_normal``, truncated at two std of the normal it is cut from, with std
    1/sqrt(fan_in) after the cut; biases zero; normalizations ones and zeros; Embed a normal of
    std 1/sqrt(features); the recurrent matrices of cells orthogonal, one for each gate.

    Args:
        layer: of a linen or nnx model.

    Returns:
        A mapping from torch's names; None for parameters of the user's own modules, which have
        no default.

    Example:
        >>> leaf = Leaf(("kernel",), "kernel", (16, 8), "float32", (Piece("weight"),))
        >>> layer = Layer("", "Linear", {}, {"weight": (8, 16)}, leaves=(leaf,))
        >>> print(flax_default(layer)["weight"])
        TruncatedNormal(0, 0.2842, -0.5684, 0.5684)

    References:
        ``flax.linen``'s ``kernel_init``, ``bias_init``, ``embedding_init`` and
        ``recurrent_kernel_init``.
    """
    parts: dict[str, list[_Part]] = {}
    for leaf in layer.leaves:
        law = law_of_leaf(layer, leaf)
        if law is None:
            continue
        for piece in leaf.pieces:
            parts.setdefault(piece.name, []).append(_Part(leaf, piece, law))
    return {name: _joined(tuple(own)) for name, own in parts.items()} or None


@dataclass(frozen=True)
class _Part:
    """One of Flax's arrays, as a part of a parameter of torch."""

    leaf: Leaf
    piece: Piece
    law: Distribution


def _joined(parts: tuple[_Part, ...]) -> Value:
    laws = {part.law for part in parts}
    if len(laws) == 1 and isinstance(parts[0].law, ScalarDistribution | Constant):
        return parts[0].law
    return _Arranged(parts)


@dataclass(frozen=True)
class _Arranged:
    """A parameter of torch put together from arrays drawn in Flax's own shapes."""

    parts: tuple[_Part, ...]

    def __call__(self, key: Key, shape: tuple[int, ...], dtype: DTypeLike | None) -> jax.Array:
        """Draw it in torch's shape."""
        in_order = sorted(self.parts, key=lambda part: part.piece.part or (0, 1))
        keys = jax.random.split(key, len(in_order))
        return jnp.concatenate(
            [_drawn(part, own, shape, dtype) for part, own in zip(in_order, keys, strict=True)]
        )

    def __str__(self) -> str:
        return ", ".join(dict.fromkeys(str(part.law) for part in self.parts))


def _drawn(part: _Part, key: Key, shape: tuple[int, ...], dtype: DTypeLike | None) -> Any:
    array = part.law.sample(key, part.leaf.shape, dtype)
    return part.piece.view.to_torch(array, part.piece.torch_shape(shape))


CANDIDATES: Mapping[str, Rule] = MappingProxyType(
    {
        "fan_in": matrices_by(kaiming_normal(mode="fan_in", nonlinearity="relu")),
        "fan_out": matrices_by(kaiming_normal(mode="fan_out", nonlinearity="relu")),
        "xavier": matrices_by(xavier_normal()),
        "torch_default": torch_default,
        "flax_default": flax_default,
    }
)
"""What ``fan_in``, ``fan_out``, ``xavier``, ``torch_default`` and ``flax_default`` stand for.

The first two are ``kaiming_normal`` for relu in either mode, the third ``xavier_normal``, all with
zero biases, see :func:`matrices_by`.
"""
