"""Planted errors in the table of layers: each kind wrong in one way, as ports get it wrong."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax.numpy as jnp

from fanwise.distributions import Constant, Normal, Uniform
from fanwise.layers import Derived, Kind, kind_of, reparametrization
from parity.kinds_cases import KindCase

__all__ = ["PLANTED", "PlantedKind"]

_ATTENTION = {"embed_dim": 12, "num_heads": 3}
_TRANSPOSED = {"in_channels": 6, "out_channels": 24, "kernel_size": 3}
_STACK = {"d_model": 8, "nhead": 2, "dim_feedforward": 20, "num_layers": 2}
_WEIGHT = "parametrizations.weight."


@dataclass(frozen=True)
class PlantedKind:
    """One error.

    Args:
        error: what is wrong, in a few words.
        case: where it is planted.
        spoil: makes the wrong kind of the right one.
    """

    error: str
    case: KindCase
    spoil: Callable[[Kind], Kind]

    @property
    def kind(self) -> Kind:
        """The wrong one."""
        return self.spoil(kind_of(self.case.kind))


def _valued(**values: Any) -> Callable[[Kind], Kind]:
    """Other values, the same order; double underscores stand for dots."""
    named = {name.replace("__", "."): value for name, value in values.items()}

    def spoil(kind: Kind) -> Kind:
        def default(**sizes: Any) -> Any:
            return kind.default(**sizes) | named

        def draws(**sizes: Any) -> Any:
            return tuple(
                (name, named.get(name, drawn) if isinstance(named.get(name), Uniform) else drawn)
                for name, drawn in kind.drawn(**sizes)
            )

        return replace(kind, default=default, draws=draws)

    return spoil


def _drawn(change: Callable[[list[Any]], list[Any]]) -> Callable[[Kind], Kind]:
    """Other draws, the same values."""

    def spoil(kind: Kind) -> Kind:
        return replace(kind, draws=lambda **sizes: tuple(change(list(kind.drawn(**sizes)))))

    return spoil


def _shaped(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Kind], Kind]:
    """Other shapes."""

    def spoil(kind: Kind) -> Kind:
        return replace(kind, shapes=lambda **sizes: change(kind.shapes(**sizes)))

    return spoil


def _scaled(factor: float) -> Callable[[Kind], Kind]:
    """Bounds off by a factor."""

    def scale(value: Any) -> Any:
        if isinstance(value, Uniform):
            return Uniform(factor * value.low, factor * value.high)
        return value

    def spoil(kind: Kind) -> Kind:
        return replace(
            kind,
            default=lambda **sizes: {n: scale(v) for n, v in kind.default(**sizes).items()},
            draws=lambda **sizes: tuple((n, scale(v)) for n, v in kind.drawn(**sizes)),
        )

    return spoil


def _uniform(bound: float) -> Uniform:
    return Uniform(-bound, bound)


def _apart(kind: Kind) -> Kind:
    """Copies of a layer drawn each for itself."""

    def default(**sizes: Any) -> Any:
        made = kind.default(**sizes)
        return {
            name: made[value.sources[0]] if isinstance(value, Derived) else value
            for name, value in made.items()
        }

    return replace(kind, default=default)


def _of_all(kind: Kind) -> Kind:
    """weight_norm's size over the whole weight."""

    def norm(weight: Any) -> Any:
        return jnp.broadcast_to(jnp.sqrt(jnp.sum(weight**2)), (len(weight), 1))

    size = Derived("norm of everything", norm, (f"{_WEIGHT}original1",))
    return replace(
        kind, default=lambda **sizes: kind.default(**sizes) | {f"{_WEIGHT}original0": size}
    )


def _fifteen_rounds(kind: Kind) -> Kind:
    """Without the round that torch's check of the registered parametrization adds."""
    name = f"{_WEIGHT}0._v"

    def default(**sizes: Any) -> Any:
        made = kind.default(**sizes)
        right = replace(made[name], compute=partial(reparametrization._right, 0, 15, 1e-12))
        return made | {name: right}

    return replace(kind, default=default)


PLANTED = (
    PlantedKind(
        "fan of the inputs for a transposed convolution",
        KindCase("ConvTranspose2d", _TRANSPOSED),
        _valued(weight=_uniform(1 / math.sqrt(54)), bias=_uniform(1 / math.sqrt(54))),
    ),
    PlantedKind(
        "shape of a transposed convolution the other way round",
        KindCase("ConvTranspose2d", _TRANSPOSED),
        _shaped(lambda shapes: shapes | {"weight": (24, 6, 3, 3)}),
    ),
    PlantedKind(
        "fan not divided by groups",
        KindCase("Conv2d", {**_TRANSPOSED, "groups": 3}),
        _valued(weight=_uniform(1 / math.sqrt(54))),
    ),
    PlantedKind(
        "each projection of attention by itself",
        KindCase("MultiheadAttention", _ATTENTION),
        _valued(in_proj_weight=_uniform(0.5)),
    ),
    PlantedKind(
        "xavier for the output of attention",
        KindCase("MultiheadAttention", _ATTENTION),
        _valued(out_proj__weight=_uniform(0.5)),
    ),
    PlantedKind(
        "the overwritten bias of attention not drawn",
        KindCase("MultiheadAttention", _ATTENTION),
        _drawn(lambda draws: [draw for draw in draws if draw[0] != "out_proj.bias"]),
    ),
    PlantedKind(
        "attention's projections before its output",
        KindCase("MultiheadAttention", {**_ATTENTION, "bias": False}),
        _drawn(lambda draws: draws[::-1]),
    ),
    PlantedKind(
        "bias before weight",
        KindCase("Linear", {"in_features": 4, "out_features": 4}),
        _drawn(lambda draws: draws[::-1]),
    ),
    PlantedKind(
        "bounds off by 1e-11",
        KindCase("Linear", {"in_features": 48, "out_features": 6}),
        _scaled(1 + 1e-11),
    ),
    PlantedKind(
        "biases of zero",
        KindCase("Linear", {"in_features": 4, "out_features": 4}),
        _valued(bias=Constant(0.0)),
    ),
    PlantedKind(
        "both inputs in the fan",
        KindCase("Bilinear", {"in1_features": 9, "in2_features": 4, "out_features": 3}),
        _scaled(0.5),
    ),
    PlantedKind(
        "proj_size in place of hidden_size",
        KindCase("LSTM", {"input_size": 5, "hidden_size": 12, "proj_size": 3}),
        _scaled(2.0),
    ),
    PlantedKind(
        "input weights, then hidden ones",
        KindCase("LSTM", {"input_size": 5, "hidden_size": 5, "num_layers": 2}),
        _drawn(lambda draws: sorted(draws, key=lambda draw: "hh" in draw[0])),
    ),
    PlantedKind(
        "the padding row left as drawn",
        KindCase("Embedding", {"num_embeddings": 9, "embedding_dim": 4, "padding_idx": 2}),
        _valued(weight=Normal(0.0, 1.0)),
    ),
    PlantedKind(
        "num_batches_tracked left out",
        KindCase("BatchNorm2d", {"num_features": 6}),
        lambda kind: replace(
            kind,
            buffers=lambda **sizes: {
                name: shape for name, shape in kind.buffers(**sizes).items() if "num" not in name
            },
        ),
    ),
    PlantedKind("slope 0.01", KindCase("PReLU", {}), _valued(weight=Constant(0.01))),
    PlantedKind("layers of a stack apart", KindCase("TransformerEncoder", _STACK), _apart),
    PlantedKind(
        "the layers' own draws forgotten, since drawn again",
        KindCase("Transformer", {"d_model": 8, "nhead": 2, "num_encoder_layers": 1}),
        _drawn(lambda draws: list(dict(draws).items())),
    ),
    PlantedKind(
        "one norm for the whole weight",
        KindCase("weight_norm(Linear)", {"in_features": 12, "out_features": 5}),
        _of_all,
    ),
    PlantedKind(
        "15 rounds of the power method",
        KindCase("spectral_norm(Linear)", {"in_features": 12, "out_features": 5}),
        _fifteen_rounds,
    ),
    PlantedKind(
        "normals beside the weight not drawn",
        KindCase("orthogonal(Linear)", {"in_features": 12, "out_features": 5}),
        _drawn(lambda draws: draws[:-1]),
    ),
)
