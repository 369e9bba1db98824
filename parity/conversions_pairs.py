"""Layers of torch and Flax that compute the same: all pairs."""

from typing import Any

from flax import linen, nnx
from torch import nn
from torch.nn.utils import parametrizations

from parity import conversions_sequences, conversions_spatial
from parity.conversions_pair import Pair, channels_first

__all__ = ["PAIRS"]

_ROWS, _IMAGE = ((3, 8),), ((4, 6, 5, 8),)


def _norm(label: str, theirs: Any, name: str, shape: Any, given: dict[str, Any]) -> Pair:
    """A normalization that is the same in linen and nnx; nnx is told the number of features."""
    kind = type(theirs()).__name__
    is_image = len(shape[0]) > 2 and "LayerNorm" not in kind
    return Pair(
        kind if kind[-2:] not in ("1d", "2d") else kind[:-2],
        f"{name}{label}",
        theirs,
        lambda: getattr(linen, name)(**given),
        shape,
        channels_first if is_image else Pair.call,
        lambda rngs: getattr(nnx, name)(8, **given, rngs=rngs),
    )


def _batch_norms() -> list[Pair]:
    pairs = []
    for running in (True, False):
        text = "" if running else ", in training"
        given = {"use_running_average": running, "epsilon": 1e-5}
        for cls, shape in ((nn.BatchNorm1d, ((6, 8),)), (nn.BatchNorm2d, _IMAGE)):
            pairs.append(
                _norm(
                    f", {cls.__name__[-2:]}{text}",
                    lambda cls=cls, running=running: cls(8).train(not running),
                    "BatchNorm",
                    shape,
                    given,
                )
            )
    return pairs


_NORMALIZING: tuple[Pair, ...] = (
    _norm("", lambda: nn.LayerNorm(8), "LayerNorm", _ROWS, {"epsilon": 1e-5}),
    _norm(
        ", no bias",
        lambda: nn.LayerNorm(8, bias=False),
        "LayerNorm",
        _ROWS,
        {"epsilon": 1e-5, "use_bias": False},
    ),
    Pair(
        "LayerNorm",
        "LayerNorm, two axes",
        lambda: nn.LayerNorm((5, 8)),
        lambda: linen.LayerNorm(1e-5, reduction_axes=(-2, -1), feature_axes=(-2, -1)),
        _IMAGE,
    ),
    _norm("", lambda: nn.GroupNorm(4, 8), "GroupNorm", _IMAGE, {"num_groups": 4, "epsilon": 1e-5}),
    _norm("", lambda: nn.RMSNorm(8, eps=1e-6), "RMSNorm", _ROWS, {}),
    _norm("", lambda: nn.InstanceNorm2d(8, affine=True), "InstanceNorm", _IMAGE, {"epsilon": 1e-5}),
    *_batch_norms(),
)

_FLAT: tuple[Pair, ...] = (
    Pair(
        "Linear",
        "Dense",
        lambda: nn.Linear(9, 4),
        lambda: linen.Dense(4),
        ((3, 9),),
        nnx=lambda rngs: nnx.Linear(9, 4, rngs=rngs),
    ),
    Pair(
        "Linear",
        "Dense, no bias",
        lambda: nn.Linear(9, 4, bias=False),
        lambda: linen.Dense(4, use_bias=False),
        ((3, 9),),
        nnx=lambda rngs: nnx.Linear(9, 4, use_bias=False, rngs=rngs),
    ),
    Pair(
        "Linear",
        "DenseGeneral",
        lambda: nn.Linear(12, 10),
        lambda: linen.DenseGeneral((2, 5), axis=(-2, -1)),
        ((7, 3, 4),),
        lambda module, x: module(x.flatten(1)).unflatten(1, (2, 5)),
        lambda rngs: nnx.LinearGeneral((3, 4), (2, 5), axis=(-2, -1), rngs=rngs),
    ),
    Pair(
        "Embedding",
        "Embed",
        lambda: nn.Embedding(11, 6),
        lambda: linen.Embed(11, 6),
        ((3, 4),),
        nnx=lambda rngs: nnx.Embed(11, 6, rngs=rngs),
        integers=11,
    ),
    Pair(
        "PReLU",
        "PReLU",
        lambda: nn.PReLU(),
        lambda: linen.PReLU(),
        ((3, 4),),
        nnx=lambda rngs: nnx.PReLU(),
    ),
)

_WEIGHT_NORMS: tuple[Pair, ...] = (
    Pair(
        "weight_norm(Linear)",
        "WeightNorm(Dense)",
        lambda: parametrizations.weight_norm(nn.Linear(9, 4)),
        lambda: linen.WeightNorm(linen.Dense(4)),
        ((3, 9),),
        nnx=lambda rngs: nnx.WeightNorm(nnx.Linear(9, 4, rngs=rngs), rngs=rngs),
    ),
    Pair(
        "weight_norm(Conv2d)",
        "WeightNorm(Conv)",
        lambda: parametrizations.weight_norm(nn.Conv2d(6, 12, (3, 2))),
        lambda: linen.WeightNorm(linen.Conv(12, (3, 2), padding="VALID")),
        ((2, 9, 8, 6),),
        channels_first,
        lambda rngs: nnx.WeightNorm(nnx.Conv(6, 12, (3, 2), padding="VALID", rngs=rngs), rngs=rngs),
    ),
    Pair(
        "weight_norm(ConvTranspose2d)",
        "WeightNorm(ConvTranspose)",
        lambda: parametrizations.weight_norm(nn.ConvTranspose2d(5, 7, (4, 3))),
        lambda: linen.WeightNorm(
            linen.ConvTranspose(7, (4, 3), padding="VALID", transpose_kernel=True)
        ),
        ((2, 9, 8, 5),),
        channels_first,
        lambda rngs: nnx.WeightNorm(
            nnx.ConvTranspose(5, 7, (4, 3), padding="VALID", transpose_kernel=True, rngs=rngs),
            rngs=rngs,
        ),
    ),
)

PAIRS: tuple[Pair, ...] = (
    *_FLAT,
    *conversions_spatial.PAIRS,
    *conversions_sequences.PAIRS,
    *_NORMALIZING,
    *_WEIGHT_NORMS,
)
