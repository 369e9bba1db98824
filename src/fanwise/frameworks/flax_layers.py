"""What the layers of Flax are in torch, linen's and nnx's alike.

Each function takes the module and the shapes of its arrays by name, and gives a Claim, or None
where torch has no such layer.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from fanwise.frameworks.claims import Claim
from fanwise.layers import Piece, View

__all__ = ["CLAIMS", "Shapes"]

Names: TypeAlias = tuple[str, ...]
Shapes: TypeAlias = Mapping[Names, tuple[int, ...]]
Pieces: TypeAlias = dict[Names, tuple[Piece, ...]]

_KERNEL, _BIAS, _SCALE = ("kernel",), ("bias",), ("scale",)
_LETTERS = "hwdxyz"


def _same(name: str) -> tuple[Piece, ...]:
    return (Piece(name),)


def _linear(module: Any, shapes: Shapes) -> Claim | None:
    kernel = shapes[_KERNEL]
    if len(kernel) != 2:
        return None
    pieces: Pieces = {_KERNEL: (Piece("weight", View("o i -> i o")),)}
    if _BIAS in shapes:
        pieces[_BIAS] = _same("bias")
    sizes = {"in_features": kernel[0], "out_features": kernel[1], "bias": _BIAS in shapes}
    return Claim("Linear", sizes, pieces)


def _linear_general(module: Any, shapes: Shapes) -> Claim | None:
    """A Linear over several axes: kernel (*inputs, *outputs)."""
    if getattr(module, "batch_dims", ()) or getattr(module, "batch_axis", {}):
        return None  # independent weights for each position, which torch does not have
    # linen's name, and nnx's.
    outputs: Any = module.features if hasattr(module, "features") else module.out_features
    count = 1 if np.ndim(outputs) == 0 else len(outputs)
    return _flattened(shapes, len(shapes[_KERNEL]) - count)


def _flattened(shapes: Shapes, inputs: int) -> Claim:
    kernel = shapes[_KERNEL]
    pieces: Pieces = {_KERNEL: (Piece("weight", _general(kernel, inputs)),)}
    if _BIAS in shapes:
        pieces[_BIAS] = (Piece("bias", _merged("o", kernel[inputs:])),)
    sizes = {
        "in_features": math.prod(kernel[:inputs]),
        "out_features": math.prod(kernel[inputs:]),
        "bias": _BIAS in shapes,
    }
    return Claim("Linear", sizes, pieces)


def _general(kernel: tuple[int, ...], inputs: int) -> View:
    ins = [f"i{axis}" for axis in range(inputs)]
    outs = [f"o{axis}" for axis in range(len(kernel) - inputs)]
    sizes = tuple(zip([*ins, *outs], kernel, strict=True))
    pattern = f"({' '.join(outs)}) ({' '.join(ins)}) -> {' '.join([*ins, *outs])}"
    return View(pattern, sizes)


def _merged(letter: str, shape: tuple[int, ...]) -> View:
    names = [f"{letter}{axis}" for axis in range(len(shape))]
    return View(f"({' '.join(names)}) -> {' '.join(names)}", tuple(zip(names, shape, strict=True)))


def _conv(module: Any, shapes: Shapes) -> Claim | None:
    *field, inputs, outputs = shapes[_KERNEL]
    groups = module.feature_group_count
    if len(field) not in (1, 2, 3):
        return None
    axes = " ".join(_LETTERS[: len(field)])
    pieces: Pieces = {_KERNEL: (Piece("weight", View(f"o i {axes} -> {axes} i o")),)}
    return _convolution(
        f"Conv{len(field)}d", shapes, pieces, inputs * groups, outputs, field, groups
    )


def _conv_transpose(module: Any, shapes: Shapes) -> Claim | None:
    """With ``transpose_kernel`` the kernel is torch's; without, its field is reversed."""
    *field, inputs, outputs = shapes[_KERNEL]
    if len(field) not in (1, 2, 3):
        return None
    letters = tuple(_LETTERS[: len(field)])
    axes = " ".join(letters)
    if module.transpose_kernel:
        inputs, outputs = outputs, inputs
        view = View(f"i o {axes} -> {axes} o i")
    else:
        view = View(f"i o {axes} -> {axes} i o", flipped=letters)
    pieces: Pieces = {_KERNEL: (Piece("weight", view),)}
    return _convolution(f"ConvTranspose{len(field)}d", shapes, pieces, inputs, outputs, field, 1)


def _convolution(
    kind: str,
    shapes: Shapes,
    pieces: Pieces,
    inputs: int,
    outputs: int,
    field: list[int],
    groups: int,
) -> Claim:
    if _BIAS in shapes:
        pieces[_BIAS] = _same("bias")
    sizes = {
        "in_channels": inputs,
        "out_channels": outputs,
        "kernel_size": tuple(field),
        "groups": groups,
        "bias": _BIAS in shapes,
    }
    return Claim(kind, sizes, pieces)


def _embed(module: Any, shapes: Shapes) -> Claim:
    table = shapes[("embedding",)]
    sizes = {"num_embeddings": table[0], "embedding_dim": table[1]}
    return Claim("Embedding", sizes, {("embedding",): _same("weight")})


_NORMALIZING = {
    _SCALE: "weight",
    _BIAS: "bias",
    ("mean",): "running_mean",
    ("var",): "running_var",
}


def _norm(kind: str, width: str) -> Callable[[Any, Shapes], Claim | None]:
    def claim(module: Any, shapes: Shapes) -> Claim | None:
        pieces: Pieces = {
            names: _same(own) for names, own in _NORMALIZING.items() if names in shapes
        }
        if not pieces:
            return None
        shape = next(shapes[names] for names in pieces)
        sizes: dict[str, Any] = {width: shape if width == "normalized_shape" else shape[0]}
        if width == "num_features":
            sizes |= {
                "affine": _SCALE in shapes or _BIAS in shapes,
                "track_running_stats": ("mean",) in shapes,
            }
        return Claim(kind, sizes, pieces)

    return claim


def _prelu(module: Any, shapes: Shapes) -> Claim:
    names, shape = next(iter(shapes.items()))
    view = View("1 ->") if shape == () else View("n -> n")
    return Claim("PReLU", {"num_parameters": math.prod(shape)}, {names: (Piece("weight", view),)})


def _attention(module: Any, shapes: Shapes) -> Claim | None:
    """Where the widths are such that torch has it; else query, key, value and out by themselves."""
    kernels = [shapes[(name, "kernel")] for name in ("query", "key", "value")]
    inputs = [kernel[0] for kernel in kernels]
    heads, width = kernels[0][1:]
    embed_dim = heads * width
    if (inputs[0], shapes[("out", "kernel")]) != (embed_dim, (heads, width, embed_dim)):
        return None
    is_packed = inputs == [embed_dim] * 3
    has_bias = ("query", "bias") in shapes
    sizes = (("n", heads),)
    pieces: Pieces = {}
    for index, name in enumerate(("query", "key", "value")):
        part = (index, 3)
        view = View("(n d) i -> i n d", sizes)
        weight = Piece(f"{name[0]}_proj_weight", view)
        pieces[(name, "kernel")] = (Piece("in_proj_weight", view, part) if is_packed else weight,)
        if has_bias:
            pieces[(name, "bias")] = (Piece("in_proj_bias", View("(n d) -> n d", sizes), part),)
    pieces[("out", "kernel")] = (Piece("out_proj.weight", View("o (n d) -> n d o", sizes)),)
    if has_bias:
        pieces[("out", "bias")] = _same("out_proj.bias")
    hyperparameters = {
        "embed_dim": embed_dim,
        "num_heads": heads,
        "kdim": inputs[1],
        "vdim": inputs[2],
        "bias": has_bias,
    }
    return Claim("MultiheadAttention", hyperparameters, pieces)


Claimant = Callable[[Any, Shapes], Claim | None]

CLAIMS: Mapping[str, Claimant] = {
    # linen and nnx
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Embed": _embed,
    "BatchNorm": _norm("BatchNorm", "num_features"),
    "LayerNorm": _norm("LayerNorm", "normalized_shape"),
    "GroupNorm": _norm("GroupNorm", "num_channels"),
    "InstanceNorm": _norm("InstanceNorm", "num_features"),
    "RMSNorm": _norm("RMSNorm", "normalized_shape"),
    "PReLU": _prelu,
    # linen
    "Dense": _linear,
    "DenseGeneral": _linear_general,
    "MultiHeadDotProductAttention": _attention,
    "SelfAttention": _attention,
    "MultiHeadAttention": _attention,
    # nnx
    "Linear": _linear,
    "LinearGeneral": _linear_general,
}
