"""linen's WeightNorm around a layer as torch's ``weight_norm`` of that layer.

linen keeps ``kernel`` in the layer and ``scale`` in the wrapper, one for each position of the
kernel's last axis; its own init leaves the scale at 1, whatever the kernel's norm is (flax #4138).
torch's scale is the norm that the weight is drawn with, so that the layer starts as it would
without the wrapper, one for each position of the weight's first axis. The two are the same where
the first axis of torch is the last one of Flax: for Dense and Conv, and for a ConvTranspose with
``transpose_kernel``.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, TypeAlias

from fanwise.frameworks.claims import Claim
from fanwise.layers import Piece, View, kind_of

__all__ = ["weight_norm_claim"]

Names: TypeAlias = tuple[str, ...]

_PREFIX = "parametrizations.weight."


def weight_norm_claim(
    module: Any, claim: Claim, inside: Names, outside: Names, scales: Collection[Names]
) -> Claim | None:
    """What a WeightNorm and the layer in it are in torch.

    Args:
        module: the WeightNorm.
        claim: what the layer is by itself.
        inside: names of the layer below what both have in common.
        outside: names of the WeightNorm below it.
        scales: names of the WeightNorm's own arrays below it.

    Returns:
        None where torch has no counterpart: other axes, norms of biases, of several kernels.
    """
    kernel, scale = ("kernel",), (f"{module.layer_instance.name}/kernel/scale",)
    is_last = module.feature_axes in (-1, (-1,))
    if list(scales) != [scale] or not is_last or kernel not in claim.pieces:
        return None
    (weight,) = claim.pieces[kernel]
    if weight.name != "weight" or not _first_is_last(weight.view):
        return None
    rank = len(kind_of(claim.kind).shapes(**claim.hyperparameters)["weight"])
    size = View(f"o {'1 ' * (rank - 1)}-> o")
    pieces = {(*inside, *rest): own for rest, own in claim.pieces.items()}
    pieces[(*inside, *kernel)] = (replace(weight, name=f"{_PREFIX}original1"),)
    pieces[(*outside, *scale)] = (Piece(f"{_PREFIX}original0", size),)
    return replace(claim, kind=f"weight_norm({claim.kind})", pieces=pieces)


def _first_is_last(view: View) -> bool:
    """Whether torch's first axis is the framework's last."""
    left, _, right = view.pattern.partition("->")
    # Of a parenthesis the whole, so that one of several axes is none of its own.
    first = left.split(")")[0].strip(" (") if left.lstrip().startswith("(") else left.split()[0]
    return first == right.split()[-1]
