"""The shapes that the arrays of nnx's modules have where they are not stacked.

``nnx.vmap`` makes a module whose arrays are longer by an axis and whose hyperparameters are those
of one layer, so that the two together tell the axis.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from fanwise.frameworks.nnx_modules import Names, layer_class

__all__ = ["LAYERS", "own_shape"]

Shape: TypeAlias = tuple[int, ...]
Shapes: TypeAlias = Mapping[str, Shape]


def _linear(module: Any) -> Shapes:
    return {"kernel": (module.in_features, module.out_features), "bias": (module.out_features,)}


def _linear_general(module: Any) -> Shapes:
    batch = tuple(module.batch_axis.values())
    outputs = tuple(module.out_features)
    return {"kernel": (*batch, *module.in_features, *outputs), "bias": (*batch, *outputs)}


def _conv(module: Any) -> Shapes:
    return {"kernel": tuple(module.kernel_shape), "bias": (module.out_features,)}


def _einsum(module: Any) -> Shapes:
    return {"kernel": tuple(module.kernel_shape), "bias": tuple(module.bias_shape or ())}


def _embed(module: Any) -> Shapes:
    return {"embedding": (module.num_embeddings, module.features)}


def _norm(module: Any) -> Shapes:
    return dict.fromkeys(("scale", "bias", "mean", "var"), (module.num_features,))


def _group_norm(module: Any) -> Shapes:
    return dict.fromkeys(("scale", "bias"), (module.num_groups * module.group_size,))


_KNOWN: Mapping[str, Callable[[Any], Shapes]] = {
    "Linear": _linear,
    "LoRALinear": _linear,
    "LinearGeneral": _linear_general,
    "Conv": _conv,
    "ConvTranspose": _conv,
    "Einsum": _einsum,
    "Embed": _embed,
    "BatchNorm": _norm,
    "LayerNorm": _norm,
    "RMSNorm": _norm,
    "InstanceNorm": _norm,
    "GroupNorm": _group_norm,
}

# Of which only the number of axes is known, counted from the last.
_RANKS: Mapping[tuple[str, str], int] = {
    ("LoRA", "lora_a"): 2,
    ("LoRA", "lora_b"): 2,
    ("SpectralNorm", "u"): 2,
    ("SpectralNorm", "sigma"): 0,
    ("RngStream", "count"): 0,
}

# A stack is rather of what these are in than of themselves.
LAYERS = frozenset(
    {
        *_KNOWN,
        "LoRA",
        "PReLU",
        "Dropout",
        "MultiHeadAttention",
        "LSTMCell",
        "OptimizedLSTMCell",
        "GRUCell",
        "SimpleCell",
        "RNN",
        "Bidirectional",
        "WeightNorm",
        "SpectralNorm",
        "RngStream",
    }
)


def own_shape(module: Any, rest: Names, shape: Shape) -> Shape | None:
    """The shape without any stack of an array of a module; None if it is not known.

    Args:
        module: the module that the array belongs to.
        rest: the array's names below the module.
        shape: of the array as it is.
    """
    source = layer_class(module)
    if source in _KNOWN and len(rest) == 1:
        return _KNOWN[source](module).get(rest[0])
    rank = _RANKS.get((source, rest[-1]))
    if rank is None and source == "WeightNorm" and rest[0] == "scales":
        axes = module.feature_axes
        rank = 1 if isinstance(axes, int) else len(axes)
    return None if rank is None or rank > len(shape) else shape[len(shape) - rank :]
