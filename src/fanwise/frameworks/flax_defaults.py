"""What Flax draws where nobody says otherwise.

The same for linen and nnx, in the axes of Flax's own array. ``lecun_normal`` is a normal truncated
at two of its own std whose std after the cut is 1/sqrt(fan_in).
"""

import math

from fanwise.distributions import Constant, Distribution, Normal, Orthogonal, TruncatedNormal
from fanwise.distributions.truncated_normal import std_of_cut_normal
from fanwise.layers import Layer, Leaf, family

__all__ = ["flax_default", "name_of_default"]

_CONSTANTS = {
    "bias": 0.0,
    "scale": 1.0,
    "mean": 0.0,
    "var": 1.0,
    "negative_slope": 0.01,
}

_RECURRENT = ("RNN", "LSTM", "GRU")


def flax_default(layer: Layer, leaf: Leaf) -> Distribution | None:
    """What Flax draws for one array of a layer.

    linen's WeightNorm then divides the kernel it has drawn by its norm, which changes nothing of
    what it computes: the norm is divided out either way.

    Args:
        layer: one of ``fanwise.linen.layers`` or ``fanwise.nnx.layers``.
        leaf: one of its leaves.

    Returns:
        A Distribution of the leaf's own shape, without the axes of a stack; None for parameters
        of the user's own modules, which have no default.

    Example:
        >>> from fanwise.layers import Piece, View
        >>> leaf = Leaf(("kernel",), "kernel", (16, 8), "float32", (Piece("weight"),))
        >>> layer = Layer("", "Linear", {}, {"weight": (8, 16)}, leaves=(leaf,))
        >>> flax_default(layer, leaf).std
        0.25
    """
    if layer.kind is None:
        return None
    names = leaf.name.split("/")
    last = names[-1]
    if "scales" in names[-2:-1]:  # nnx's WeightNorm has one for each array that it scales
        return Constant(1.0)
    if last in _CONSTANTS:
        return Constant(_CONSTANTS[last])
    if last == "embedding":
        return Normal(0.0, 1 / math.sqrt(leaf.shape[-1]))
    if last != "kernel":
        return None
    inner = layer.kind.partition("(")[2].removesuffix(")") or layer.kind
    if inner.removesuffix("Cell") in _RECURRENT and _is_hidden(names[-2]):
        return Orthogonal()
    return _lecun_normal(_fan_in(inner, layer, leaf, names))


def name_of_default(law: Distribution) -> str:
    """Its name in Flax."""
    match law:
        case TruncatedNormal():
            return f"lecun_normal, std {law.std:.4g}"
        case Orthogonal():
            return "orthogonal"
        case Constant(value):
            return f"{value:g}"
    return str(law)


def _lecun_normal(fan_in: int) -> Distribution:
    scale = 1 / math.sqrt(max(fan_in, 1)) / std_of_cut_normal()
    return TruncatedNormal(0.0, scale, -2 * scale, 2 * scale)


def _fan_in(kind: str, layer: Layer, leaf: Leaf, names: list[str]) -> int:
    if kind == "MultiheadAttention" and len(leaf.shape) == 3 and names[-2] != "out":
        return leaf.shape[0]  # (inputs, heads, width)
    if family(kind) == "Linear" and "weight" in layer.parameters:
        return layer.parameters["weight"][1]  # the kernel may have several axes on either side
    return math.prod(leaf.shape[:-1])


def _is_hidden(gate: str) -> bool:
    """Whether a gate's matrix multiplies the state: ``hi``, ``hn``, ``h``, ``dense_h``."""
    return gate == "dense_h" or (gate.startswith("h") and len(gate) <= 2)
