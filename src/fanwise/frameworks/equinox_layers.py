"""What the layers of Equinox are in torch.

Equinox keeps torch's layouts, transposed convolutions and the biases of convolutions and recurrent
cells excepted. Each function takes a module and gives a Claim, or None where torch has no such
layer. It goes by the module's own fields and not by shapes, since arrays may be stacked, and
speaks of every array the module could have: which it has is for the caller to see.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from fanwise.frameworks import equinox_cells
from fanwise.frameworks.claims import Claim
from fanwise.layers import Piece, View

__all__ = ["CLAIMS", "claim_of", "prelu_claim", "source_of"]

Names: TypeAlias = tuple[str, ...]
Pieces: TypeAlias = dict[Names, tuple[Piece, ...]]

_WEIGHT, _BIAS = ("weight",), ("bias",)
_LETTERS = "hwd"


def _same(*names: str) -> Pieces:
    return {(name,): (Piece(name),) for name in names}


def _width(features: Any) -> int:
    """Of Linear, that calls an input or output without axes "scalar"."""
    return 1 if features == "scalar" else int(features)


def _linear(module: Any) -> Claim:
    sizes = {
        "in_features": _width(module.in_features),
        "out_features": _width(module.out_features),
        "bias": module.use_bias,
    }
    return Claim("Linear", sizes, _same("weight", "bias"))


def _conv(module: Any) -> Claim | None:
    return _convolution(module, "Conv", View("... -> ..."))


def _conv_transpose(module: Any) -> Claim | None:
    """The weight is that of the convolution that is run: (out, in / groups, *reversed field)."""
    letters = tuple(_LETTERS[: module.num_spatial_dims])
    axes = " ".join(letters)
    view = View(f"(g i) o {axes} -> (g o) i {axes}", (("g", module.groups),), letters)
    return _convolution(module, "ConvTranspose", view)


def _convolution(module: Any, name: str, view: View) -> Claim | None:
    rank = module.num_spatial_dims
    if rank not in (1, 2, 3):
        return None
    sizes = {
        "in_channels": module.in_channels,
        "out_channels": module.out_channels,
        "kernel_size": tuple(module.kernel_size),
        "groups": module.groups,
        "bias": module.use_bias,
    }
    bias = View(f"o -> o {'1 ' * rank}".strip())
    pieces: Pieces = {_WEIGHT: (Piece("weight", view),), _BIAS: (Piece("bias", bias),)}
    return Claim(f"{name}{rank}d", sizes, pieces)


def _embedding(module: Any) -> Claim:
    sizes = {"num_embeddings": module.num_embeddings, "embedding_dim": module.embedding_size}
    return Claim("Embedding", sizes, _same("weight"))


def _layer_norm(module: Any) -> Claim:
    sizes = {"normalized_shape": tuple(module.shape), "bias": module.use_bias}
    return Claim("LayerNorm", sizes, _same("weight", "bias"))


def _rms_norm(module: Any) -> Claim:
    """torch's has no bias."""
    return Claim("RMSNorm", {"normalized_shape": tuple(module.shape)}, _same("weight"))


def _group_norm(module: Any) -> Claim | None:
    if module.channels is None:
        return None
    sizes = {"num_groups": module.groups, "num_channels": module.channels}
    return Claim("GroupNorm", sizes, _same("weight", "bias"))


def _batch_norm(module: Any) -> Claim:
    """The statistics are in the State, and start by Equinox's own rules."""
    sizes = {"num_features": module.input_size, "track_running_stats": False}
    return Claim("BatchNorm", sizes, _same("weight", "bias"))


def _attention(module: Any) -> Claim | None:
    """Where the widths are such that torch has it; else its four Linear layers by themselves."""
    embed_dim = module.query_size
    widths = (
        module.num_heads * module.qk_size,
        module.num_heads * module.vo_size,
        module.output_size,
    )
    if widths != (embed_dim,) * 3:
        return None
    is_packed = (module.key_size, module.value_size) == (embed_dim, embed_dim)
    pieces: Pieces = {}
    lost = []
    own = {
        "query": module.use_query_bias,
        "key": module.use_key_bias,
        "value": module.use_value_bias,
    }
    for index, (name, has_bias) in enumerate(own.items()):
        weight = Piece(f"{name[0]}_proj_weight")
        if is_packed:
            weight = Piece("in_proj_weight", part=(index, 3))
        pieces[(f"{name}_proj", "weight")] = (weight,)
        pieces[(f"{name}_proj", "bias")] = (Piece("in_proj_bias", part=(index, 3)),)
        if any(own.values()) and not has_bias:
            lost.append(f"in_proj_bias of the {name}")
    pieces[("output_proj", "weight")] = (Piece("out_proj.weight"),)
    pieces[("output_proj", "bias")] = (Piece("out_proj.bias"),)
    sizes = {
        "embed_dim": embed_dim,
        "num_heads": module.num_heads,
        "kdim": module.key_size,
        "vdim": module.value_size,
        "bias": any(own.values()) or module.use_output_bias,
    }
    return Claim("MultiheadAttention", sizes, pieces, tuple(lost))


def prelu_claim(shape: tuple[int, ...]) -> Claim | None:
    """Of the slope's shape, without stacks: the one layer whose fields do not tell its sizes.

    torch's slopes are those of channels, which come first in Equinox.
    """
    if any(size != 1 for size in shape[1:]):
        return None
    view = View(f"c -> c {'1 ' * (len(shape) - 1)}".strip() if shape else "1 ->")
    sizes = {"num_parameters": shape[0] if shape else 1}
    return Claim("PReLU", sizes, {("negative_slope",): (Piece("weight", view),)})


_PARAMETRIZED = "parametrizations.weight."


def _wrapped(module: Any, kind: str) -> tuple[Claim, Pieces, View, bool] | None:
    """What a wrapper does to a layer's weight: the claim and its arrays without the weight, the
    weight's view, and whether the layer is a transposed convolution. None where torch's wrapper
    reads the weight otherwise.
    """
    inner = claim_of(module.layer)
    if inner is None or module.weight_name != "weight" or _WEIGHT not in inner.pieces:
        return None
    is_transposed = inner.kind.startswith("ConvTranspose")
    is_matrix = inner.kind in ("Linear", "Embedding") or "Conv" in inner.kind
    if not is_matrix or (is_transposed and module.layer.groups != 1):
        return None
    rest = {("layer", *names): own for names, own in inner.pieces.items() if names != _WEIGHT}
    view = inner.pieces[_WEIGHT][0].view
    return replace(inner, kind=f"{kind}({inner.kind})"), rest, view, is_transposed


def _weight_norm(module: Any) -> Claim | None:
    """torch's axis 0 is the input for transposed convolutions, which here is axis 1."""
    found = _wrapped(module, "weight_norm")
    if found is None:
        return None
    claim, pieces, view, is_transposed = found
    if module.axis != (1 if is_transposed else 0):
        return None
    pieces[("g",)] = (Piece(f"{_PARAMETRIZED}original0", view),)
    pieces[("layer", "weight")] = (Piece(f"{_PARAMETRIZED}original1", view),)
    return replace(claim, pieces=pieces)


def _spectral_norm(module: Any) -> Claim | None:
    """Both read the weight as a matrix of the outputs by all else."""
    found = _wrapped(module, "spectral_norm")
    if found is None:
        return None
    claim, pieces, view, is_transposed = found
    pieces[("layer", "weight")] = (Piece(f"{_PARAMETRIZED}original", view),)
    right = View("... -> ...")
    if is_transposed:
        letters = tuple(_LETTERS[: module.layer.num_spatial_dims])
        sizes = tuple(zip(letters, module.layer.kernel_size, strict=True))
        axes = f"(i {' '.join(letters)})"
        right = View(f"{axes} -> {axes}", sizes, letters)
    vectors = ("uv_index", "init")
    pieces[(*vectors, "0")] = (Piece(f"{_PARAMETRIZED}0._u"),)
    pieces[(*vectors, "1")] = (Piece(f"{_PARAMETRIZED}0._v", right),)
    return replace(claim, pieces=pieces)


CLAIMS: Mapping[str, Callable[[Any], Claim | None]] = {
    "Linear": _linear,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Embedding": _embedding,
    "LayerNorm": _layer_norm,
    "RMSNorm": _rms_norm,
    "GroupNorm": _group_norm,
    "BatchNorm": _batch_norm,
    "LSTMCell": equinox_cells.lstm_cell,
    "GRUCell": equinox_cells.gru_cell,
    "MultiheadAttention": _attention,
    "WeightNorm": _weight_norm,
    "SpectralNorm": _spectral_norm,
}


def claim_of(module: Any) -> Claim | None:
    """What a module is in torch; None if it is nothing there, or if its fields do not tell."""
    for cls in type(module).__mro__:
        if cls.__module__.startswith("equinox.nn.") and cls.__name__ in CLAIMS:
            return CLAIMS[cls.__name__](module)
    return None


def source_of(module: Any) -> str:
    """Equinox's class of a module, or the user's own."""
    for cls in type(module).__mro__:
        if cls.__module__.startswith("equinox.nn."):
            return cls.__name__
    return type(module).__name__
