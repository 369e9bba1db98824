"""Normalizations: weight 1, bias 0, and the running statistics of those that keep them."""

from typing import Any

from fanwise.distributions import Constant
from fanwise.layers.kind import Kind, Shapes, Values

__all__ = ["KINDS"]

# BatchNorm and InstanceNorm without a number of dimensions: in JAX a layer serves all of them.
_RANKS = ("", "1d", "2d", "3d")


def _affine(features: tuple[int, ...], affine: bool, bias: bool) -> Shapes:
    if not affine:
        return {}
    return {"weight": features} | ({"bias": features} if bias else {})


def _per_feature(num_features: int, affine: bool = True, bias: bool = True, **_: Any) -> Shapes:
    return _affine((num_features,), affine, bias)


def _instance(num_features: int, affine: bool = False, bias: bool = True, **_: Any) -> Shapes:
    return _affine((num_features,), affine, bias)


def _group(num_channels: int, affine: bool = True, bias: bool = True, **_: Any) -> Shapes:
    return _affine((num_channels,), affine, bias)


def _layer(
    normalized_shape: int | tuple[int, ...],
    elementwise_affine: bool = True,
    bias: bool = True,
    **_: Any,
) -> Shapes:
    return _affine(_tuple(normalized_shape), elementwise_affine, bias)


def _rms(
    normalized_shape: int | tuple[int, ...], elementwise_affine: bool = True, **_: Any
) -> Shapes:
    return _affine(_tuple(normalized_shape), elementwise_affine, bias=False)


def _tuple(shape: int | tuple[int, ...]) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


def _statistics(num_features: int, track_running_stats: bool = True, **_: Any) -> Shapes:
    if not track_running_stats:
        return {}
    return {
        "running_mean": (num_features,),
        "running_var": (num_features,),
        "num_batches_tracked": (),
    }


def _instance_statistics(num_features: int, track_running_stats: bool = False, **_: Any) -> Shapes:
    return _statistics(num_features, track_running_stats)


_VALUES = {
    "weight": 1.0,
    "bias": 0.0,
    "running_mean": 0.0,
    "running_var": 1.0,
    "num_batches_tracked": 0.0,
}


def _kind(name: str, shapes: Any, buffers: Any = None) -> Kind:
    def default(**hyperparameters: Any) -> Values:
        made = dict(shapes(**hyperparameters))
        if buffers is not None:
            made |= buffers(**hyperparameters)
        return {name: Constant(_VALUES[name]) for name in made}

    if buffers is None:
        return Kind(name, shapes, default)
    return Kind(name, shapes, default, buffers=buffers)


KINDS = (
    *(_kind(f"BatchNorm{rank}", _per_feature, _statistics) for rank in _RANKS),
    *(_kind(f"LazyBatchNorm{rank}", _per_feature, _statistics) for rank in _RANKS[1:]),
    _kind("SyncBatchNorm", _per_feature, _statistics),
    *(_kind(f"InstanceNorm{rank}", _instance, _instance_statistics) for rank in _RANKS),
    # Affine by default, unlike the others.
    *(_kind(f"LazyInstanceNorm{rank}", _per_feature, _statistics) for rank in _RANKS[1:]),
    _kind("LayerNorm", _layer),
    _kind("GroupNorm", _group),
    _kind("RMSNorm", _rms),
)
