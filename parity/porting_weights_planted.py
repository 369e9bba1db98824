"""Errors that ports make by hand, put into variables that are right.

Each keeps all shapes, so that the model runs: only its outputs can tell.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from fanwise.layers import Layer, Leaf, family
from fanwise.porting import Correspondence

__all__ = ["Variables", "planted"]

Variables: TypeAlias = dict[Any, Any]
Array = npt.NDArray[Any]
Change = Callable[[Array], Array]


def planted(correspondence: Correspondence, variables: Variables) -> dict[str, Variables]:
    """Variables with one error each, by what the error is; those that the model can have."""
    layers = [pair.flax for pair in correspondence.pairs]
    found: dict[str, Variables] = {}
    for name, changes in _errors(layers):
        if changes:
            found.setdefault(name, _changed(variables, changes))
    for name, (one, other) in _swaps(layers).items():
        found[name] = _swapped(variables, one, other)
    return found


def _errors(layers: list[Layer]) -> Iterator[tuple[str, dict[Any, Change]]]:
    for layer in layers:
        kind = family(layer.kind or "")
        kernels = [leaf for leaf in layer.leaves if leaf.path[-1] == "kernel"]
        if kind == "Linear" and len(layer.parameters["weight"]) == 2:
            yield "a kernel reshaped and not transposed", _each(kernels, _reshaped)
        if kind in ("Conv", "ConvTranspose") and max(kernels[0].shape[:2]) > 1:
            yield f"the field of a {kind} reversed", _each(kernels, _reversed)
        if kind == "BatchNorm":
            statistics = [leaf for leaf in layer.leaves if leaf.path[-1] in ("mean", "var")]
            yield "running statistics left as Flax starts them", _each(statistics, _fresh)
        if kind in ("LayerNorm", "BatchNorm"):
            scales = [leaf for leaf in layer.leaves if leaf.path[-1] == "scale"]
            yield f"the scale of a {kind} left as it starts", _each(scales, np.ones_like)
        if kind == "Embedding":
            yield "an embedding's rows off by one", _each(list(layer.leaves), _rolled)
        if layer.kind is None:
            yield (
                "a parameter of the model's own left at zero",
                _each(list(layer.leaves), np.zeros_like),
            )


def _swaps(layers: list[Layer]) -> dict[str, tuple[Any, Any]]:
    """Arrays of equal shape, each in the other's place."""
    found: dict[str, tuple[Any, Any]] = {}
    for layer in layers:
        paths = {leaf.path[-2:]: leaf.path for leaf in layer.leaves}
        if layer.kind == "LSTM":
            found["the input and forget gates swapped"] = (
                paths["hi", "kernel"],
                paths["hf" if ("hf", "kernel") in paths else "hf_", "kernel"],
            )
        if layer.kind == "MultiheadAttention":
            found["query and value swapped"] = (paths["query", "kernel"], paths["value", "kernel"])
    kernels = [
        leaf
        for layer in layers
        for leaf in layer.leaves
        if leaf.path[-1] == "kernel" and not leaf.stack
    ]
    pairs = ((one, other) for i, one in enumerate(kernels) for other in kernels[i + 1 :])
    for one, other in pairs:
        if one.shape == other.shape:
            found["two layers of equal shape swapped"] = (one.path, other.path)
            break
    return found


def _each(leaves: list[Leaf], change: Change) -> dict[Any, Change]:
    return {leaf.path: _within(leaf, change) for leaf in leaves}


def _within(leaf: Leaf, change: Change) -> Change:
    """The change of a leaf's own part of a stack."""
    index: tuple[Any, ...] = ()
    for axis, position in leaf.stack:
        index = (*(slice(None),) * axis, position)

    def changed(array: Array) -> Array:
        array = np.array(array)
        array[(*index, ...)] = change(array[(*index, ...)])
        return array

    return changed


def _reshaped(kernel: Array) -> Array:
    return kernel.T.reshape(kernel.shape)


def _reversed(kernel: Array) -> Array:
    return kernel[::-1, ::-1]


def _rolled(table: Array) -> Array:
    return np.roll(table, 1, axis=0)


def _fresh(statistic: Array) -> Array:
    return np.zeros_like(statistic) if statistic.mean() < 0.5 else np.ones_like(statistic)


def _at(variables: Variables, path: Any) -> Any:
    for name in path:
        variables = variables[name]
    return variables


def _changed(variables: Any, changes: dict[Any, Change], at: tuple[Any, ...] = ()) -> Any:
    """Other variables, with some arrays changed."""
    if isinstance(variables, dict):
        return {name: _changed(own, changes, (*at, name)) for name, own in variables.items()}
    return jnp.asarray(changes[at](np.asarray(variables))) if at in changes else variables


def _swapped(variables: Variables, one: Any, other: Any) -> Variables:
    first, second = np.array(_at(variables, one)), np.array(_at(variables, other))
    return _changed(variables, {one: lambda _: second, other: lambda _: first})
