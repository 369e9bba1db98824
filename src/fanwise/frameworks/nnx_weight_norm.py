"""nnx's WeightNorm as torch's weight_norm.

The kernel is original1 and the scale original0. torch takes the norm over all axes but the first
of its weight, nnx over all but those it is told: the two are one where these are the same.
"""

from collections.abc import Mapping
from typing import Any

from fanwise.frameworks.claims import Claim
from fanwise.frameworks.nnx_modules import Names
from fanwise.layers import KINDS, Piece, View

__all__ = ["weight_norm_claim"]

_PREFIX = "parametrizations.weight."


def weight_norm_claim(
    module: Any, wrapped: Claim, shapes: Mapping[Names, tuple[int, ...]]
) -> Claim | None:
    """What a WeightNorm is in torch; None if it normalizes along other axes, or without a scale.

    Args:
        module: the WeightNorm.
        wrapped: what the layer in it is.
        shapes: of all arrays below the WeightNorm.
    """
    weights = [names for names, own in wrapped.pieces.items() if own[0].name == "weight"]
    if wrapped.kind not in KINDS or len(weights) != 1:
        return None
    (kernel,) = weights
    scale, view = ("scales", *kernel), wrapped.pieces[kernel][0].view
    first = _first_axis(view)
    ndim = len(shapes[("layer_instance", *kernel)])
    given = module.feature_axes
    axes = tuple(axis % ndim for axis in ((given,) if isinstance(given, int) else given))
    if scale not in shapes or axes != tuple(first.values()):
        return None
    names = " ".join(first)
    ones = " 1" * _rest_of(view)
    sizes = tuple((name, size) for name, size in view.sizes if name in first)
    pieces = {("layer_instance", *rest): own for rest, own in wrapped.pieces.items()}
    pieces[("layer_instance", *kernel)] = (Piece(f"{_PREFIX}original1", view),)
    size = View(f"({names}){ones} -> {names}", sizes)
    pieces[scale] = (Piece(f"{_PREFIX}original0", size),)
    return Claim(f"weight_norm({wrapped.kind})", wrapped.hyperparameters, pieces)


def _first_axis(view: View) -> dict[str, int]:
    """The axes of the kernel that torch's first axis is split into, by name."""
    torch_axes, flax_axes = (side.strip() for side in view.pattern.split("->"))
    is_split = torch_axes.startswith("(")
    first = torch_axes[1 : torch_axes.index(")")].split() if is_split else torch_axes.split()[:1]
    places = flax_axes.split()
    return {name: places.index(name) for name in first}


def _rest_of(view: View) -> int:
    """The number of torch's axes but the first."""
    torch_axes = view.pattern.split("->")[0].strip()
    if not torch_axes.startswith("("):
        return len(torch_axes.split()) - 1
    return torch_axes.count("(") - 1
