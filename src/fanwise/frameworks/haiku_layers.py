"""What the layers of Haiku are in torch.

Each function takes a module and the shapes of the arrays below it by name, and gives a Claim, or
None where torch has no such layer.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from fanwise.frameworks import haiku_cells
from fanwise.frameworks.claims import Claim
from fanwise.layers import Piece, View

__all__ = ["CLAIMS", "Shapes", "claim_of", "source_of"]

Names: TypeAlias = tuple[str, ...]
Shapes: TypeAlias = Mapping[Names, tuple[int, ...]]
Pieces: TypeAlias = dict[Names, tuple[Piece, ...]]
Claimant: TypeAlias = Callable[[Any, Shapes], Claim | None]

_W, _B, _SCALE, _OFFSET = ("w",), ("b",), ("scale",), ("offset",)
_TRANSPOSED = View("o i -> i o")
_LETTERS = "hwd"
_PROJECTIONS = ("query", "key", "value", "linear")


def _per_channel(shape: tuple[int, ...]) -> View | None:
    """A vector kept with axes of one element around it; None if it is more than that."""
    if sum(size != 1 for size in shape) > 1:
        return None
    axis = next((axis for axis, size in enumerate(shape) if size != 1), len(shape) - 1)
    return View("c -> " + " ".join("c" if i == axis else "1" for i in range(len(shape))))


def _linear(module: Any, shapes: Shapes) -> Claim:
    pieces: Pieces = {_W: (Piece("weight", _TRANSPOSED),)}
    if _B in shapes:
        pieces[_B] = (Piece("bias"),)
    inputs, outputs = shapes[_W]
    sizes = {"in_features": inputs, "out_features": outputs, "bias": _B in shapes}
    return Claim("Linear", sizes, pieces)


def _conv(module: Any, shapes: Shapes) -> Claim | None:
    *field, inputs, outputs = shapes[_W]
    return _convolution(module, shapes, inputs, outputs, field, module.feature_group_count)


def _depthwise(module: Any, shapes: Shapes) -> Claim | None:
    *field, inputs, outputs = shapes[_W]
    groups = outputs // module.channel_multiplier
    return _convolution(module, shapes, inputs, outputs, field, groups)


def _convolution(
    module: Any, shapes: Shapes, inputs: int, outputs: int, field: list[int], groups: int
) -> Claim | None:
    if len(field) not in (1, 2, 3):
        return None
    axes = " ".join(_LETTERS[: len(field)])
    pieces: Pieces = {_W: (Piece("weight", View(f"o i {axes} -> {axes} i o")),)}
    return _with_bias("Conv", shapes, pieces, inputs * groups, outputs, field, groups)


def _conv_transpose(module: Any, shapes: Shapes) -> Claim | None:
    """The field is reversed."""
    *field, outputs, inputs = shapes[_W]
    if len(field) not in (1, 2, 3):
        return None
    letters = tuple(_LETTERS[: len(field)])
    axes = " ".join(letters)
    view = View(f"i o {axes} -> {axes} o i", flipped=letters)
    pieces: Pieces = {_W: (Piece("weight", view),)}
    return _with_bias("ConvTranspose", shapes, pieces, inputs, outputs, field, 1)


def _with_bias(
    kind: str,
    shapes: Shapes,
    pieces: Pieces,
    inputs: int,
    outputs: int,
    field: list[int],
    groups: int,
) -> Claim:
    if _B in shapes:
        # (out, 1, 1) where channels come first.
        pieces[_B] = (Piece("bias", View(f"o -> o {'1 ' * (len(shapes[_B]) - 1)}".strip())),)
    sizes = {
        "in_channels": inputs,
        "out_channels": outputs,
        "kernel_size": tuple(field),
        "groups": groups,
        "bias": _B in shapes,
    }
    return Claim(f"{kind}{len(field)}d", sizes, pieces)


def _embed(module: Any, shapes: Shapes) -> Claim:
    table = shapes[("embeddings",)]
    sizes = {"num_embeddings": table[0], "embedding_dim": table[1]}
    return Claim("Embedding", sizes, {("embeddings",): (Piece("weight"),)})


def _affine(kind: str, sizes: Mapping[str, Any], shapes: Shapes, view: View) -> Claim | None:
    pieces: Pieces = {
        names: (Piece(own, view),)
        for names, own in ((_SCALE, "weight"), (_OFFSET, "bias"))
        if names in shapes
    }
    return Claim(kind, sizes, pieces) if pieces else None


def _own_shape(shapes: Shapes) -> tuple[int, ...]:
    return next((shapes[names] for names in (_SCALE, _OFFSET) if names in shapes), ())


def _layer_norm(module: Any, shapes: Shapes) -> Claim | None:
    return _normalized("LayerNorm", module, shapes)


def _rms_norm(module: Any, shapes: Shapes) -> Claim | None:
    return _normalized("RMSNorm", module, shapes)


def _normalized(kind: str, module: Any, shapes: Shapes) -> Claim | None:
    """Where scale and offset have the axes that are normalized; a scale for each channel over
    all of an example's axes is torch's GroupNorm of one group.
    """
    shape = _own_shape(shapes)
    if len(shape) == 1 and module.axis == (-1,):
        return _affine(kind, {"normalized_shape": shape}, shapes, View("... -> ..."))
    if len(shape) == 1 and module.axis == slice(1, None) and kind == "LayerNorm":
        sizes = {"num_groups": 1, "num_channels": shape[0]}
        return _affine("GroupNorm", sizes, shapes, View("... -> ..."))
    normalized = shape[1:]
    if len(shape) > 1 and shape[0] == 1 and module.param_axis == module.axis == slice(1, None):
        names = " ".join(f"a{axis}" for axis in range(len(normalized)))
        view = View(f"{names} -> 1 {names}")
        return _affine(kind, {"normalized_shape": normalized}, shapes, view)
    return None


def _instance_norm(module: Any, shapes: Shapes) -> Claim | None:
    shape = _own_shape(shapes)
    view = _per_channel(shape)
    if not shape or view is None:
        return None
    sizes = {"num_features": math.prod(shape), "affine": True}
    return _affine("InstanceNorm", sizes, shapes, view)


def _group_norm(module: Any, shapes: Shapes) -> Claim | None:
    shape = _own_shape(shapes)
    view = _per_channel(shape)
    if not shape or view is None:
        return None
    sizes = {"num_groups": module.groups, "num_channels": math.prod(shape)}
    return _affine("GroupNorm", sizes, shapes, view)


def _batch_norm(module: Any, shapes: Shapes) -> Claim | None:
    """The averages of the state are torch's buffers; what they are made from keeps its own init."""
    averages: dict[Names, str] = {
        ("~", "mean_ema", "average"): "running_mean",
        ("~", "var_ema", "average"): "running_var",
    }
    own: dict[Names, str] = {_SCALE: "weight", _OFFSET: "bias"} | averages
    pieces: Pieces = {}
    width = 0
    for names, parameter in own.items():
        if names in shapes:
            view = _per_channel(shapes[names])
            if view is None:
                return None
            pieces[names] = (Piece(parameter, view),)
            width = math.prod(shapes[names])
    if not pieces:
        return None
    sizes = {
        "num_features": width,
        "affine": _SCALE in shapes or _OFFSET in shapes,
        "track_running_stats": any(names in shapes for names in averages),
    }
    return Claim("BatchNorm", sizes, pieces)


def _attention(module: Any, shapes: Shapes) -> Claim | None:
    """Where the widths are such that torch has it; else its four Linear layers by themselves."""
    inputs = [shapes[name, "w"][0] for name in _PROJECTIONS[:3]]
    embed_dim = inputs[0]
    outputs = [shapes[name, "w"][1] for name in _PROJECTIONS]
    if outputs != [embed_dim] * 4 or shapes["linear", "w"][0] != embed_dim:
        return None
    is_packed = inputs == [embed_dim] * 3
    has_bias = ("linear", "b") in shapes
    pieces: Pieces = {}
    for index, name in enumerate(_PROJECTIONS[:3]):
        weight = Piece(f"{name[0]}_proj_weight", _TRANSPOSED)
        if is_packed:
            weight = Piece("in_proj_weight", _TRANSPOSED, (index, 3))
        pieces[name, "w"] = (weight,)
        if has_bias:
            pieces[name, "b"] = (Piece("in_proj_bias", part=(index, 3)),)
    pieces["linear", "w"] = (Piece("out_proj.weight", _TRANSPOSED),)
    if has_bias:
        pieces["linear", "b"] = (Piece("out_proj.bias"),)
    sizes = {
        "embed_dim": embed_dim,
        "num_heads": module.num_heads,
        "kdim": inputs[1],
        "vdim": inputs[2],
        "bias": has_bias,
    }
    return Claim("MultiheadAttention", sizes, pieces)


CLAIMS: Mapping[str, tuple[Claimant, tuple[Names, ...]]] = {
    "Linear": (_linear, (_W,)),
    "ConvND": (_conv, (_W,)),
    "ConvNDTranspose": (_conv_transpose, (_W,)),
    "DepthwiseConvND": (_depthwise, (_W,)),
    "Embed": (_embed, (("embeddings",),)),
    "LayerNorm": (_layer_norm, ()),
    "RMSNorm": (_rms_norm, ()),
    "InstanceNorm": (_instance_norm, ()),
    "GroupNorm": (_group_norm, ()),
    "BatchNorm": (_batch_norm, ()),
    "MultiHeadAttention": (_attention, tuple((name, "w") for name in _PROJECTIONS)),
    "LSTM": (haiku_cells.lstm, (("linear", "w"), ("linear", "b"))),
    "GRU": (haiku_cells.gru, (("w_i",), ("w_h",), _B)),
    "VanillaRNN": (haiku_cells.vanilla_rnn, (("linear", "w"), ("linear", "b"), ("linear_1", "w"))),
}
"""By Haiku's class: the function, and the arrays without which it is some other layer."""


def claim_of(module: Any, shapes: Shapes) -> Claim | None:
    """What a module is in torch, by its class or the nearest of Haiku's that it is made from."""
    for cls in type(module).__mro__:
        if cls.__module__.startswith("haiku.") and cls.__name__ in CLAIMS:
            claim, needed = CLAIMS[cls.__name__]
            return claim(module, shapes) if set(needed) <= set(shapes) else None
    return None


def source_of(module: Any) -> str:
    """Haiku's class of a module, or the user's own."""
    for cls in type(module).__mro__:
        if cls.__module__.startswith("haiku.") and cls.__name__ not in ("Module", "RNNCore"):
            return cls.__name__
    return type(module).__name__
