"""What several recipes say of a layer: one law for its weights, zero for its biases."""

from collections.abc import Mapping
from dataclasses import replace

from fanwise.distributions import Distribution
from fanwise.initializers import Initializer, zeros
from fanwise.layers import Derived, Layer, kind_of
from fanwise.rules import Value

__all__ = ["attention", "dense", "embedding", "held"]


def held(layer: Layer, values: Mapping[str, Value]) -> dict[str, Value]:
    """Those of the values that the layer has a parameter for."""
    return {name: value for name, value in values.items() if name in layer.parameters}


def dense(layer: Layer, weight: Value) -> dict[str, Value]:
    """A weight, and a bias of zero if there is one."""
    return held(layer, {"weight": weight, "bias": zeros()})


def attention(layer: Layer, weight: Value, out: Value) -> dict[str, Value]:
    """One law for what projects in, packed or not, one for what projects out; biases zero.

    ``bias_k`` and ``bias_v`` are not spoken of: no published model that has a recipe here has
    them.
    """
    projections = dict.fromkeys(
        ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"), weight
    )
    biases = {"in_proj_bias": zeros(), "out_proj.bias": zeros()}
    return held(layer, {**projections, **biases, "out_proj.weight": out})


def embedding(layer: Layer, weight: Initializer, row: int | None = None) -> dict[str, Value]:
    """A table, and zero in the row of ``padding_idx``.

    Args:
        layer: an Embedding.
        weight: what the table is drawn from.
        row: the row of zeros where the layer itself tells of none: Flax's Embed has no
            ``padding_idx``.

    Raises:
        ValueError: if there is no such row.
    """
    hyperparameters = dict(layer.hyperparameters)
    if row is not None:
        rows = layer.parameters["weight"][0]
        if not -rows <= row < rows:
            raise ValueError(
                f"{layer.path}: row {row} was to be zero, and the table has {rows} rows; choose "
                f"one from {-rows} to {rows - 1}"
            )
        hyperparameters["padding_idx"] = row
    drawn: Distribution = weight.distribution(layer.parameters["weight"])
    default = kind_of("Embedding").default(**hyperparameters)["weight"]
    if not isinstance(default, Derived):
        return {"weight": drawn}
    text = default.text.replace(str(default.drawn), str(drawn))
    return {"weight": replace(default, text=text, drawn=drawn)}
