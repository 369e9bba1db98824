"""A model as a function of its arrays in which every layer's input and output is marked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from fanwise.layers import Layer
from fanwise.rules import Rule
from fanwise.typing import Key

__all__ = [
    "INPUT",
    "OUTPUT",
    "Arrays",
    "Mark",
    "Names",
    "Observed",
    "Starting",
    "marked_input",
    "marked_output",
]

Names: TypeAlias = tuple[str, ...]
Arrays: TypeAlias = dict[Any, Any]

INPUT, OUTPUT = "input", "output"

Mark: TypeAlias = Callable[[jax.Array, Names, str, str], jax.Array]
"""What is done to a layer's input or output: the array, where the layer is (without positions in
stacks), the framework's class, and ``INPUT`` or ``OUTPUT``."""


@dataclass(frozen=True)
class Observed:
    """A model, marked.

    Args:
        layers: its layers.
        owners: for each array, the module that has it, by names without positions in stacks.
        weights: the arrays to differentiate by.
        inputs: the model's inputs as arrays.
        run: the outputs, from arrays by path, inputs and a key.
        given: the user's arrays by path, from what the framework keeps them in.
        rebuilt: what the framework keeps them in, from what the user keeps them in, and new arrays
            by path for some of them.
    """

    layers: Sequence[Layer]
    owners: Mapping[Any, Names]
    weights: frozenset[Any]
    inputs: Sequence[Any]
    run: Callable[[Arrays, Sequence[Any], Any], Any]
    given: Callable[[Any], Arrays]
    rebuilt: Callable[[Any, Arrays], Any]


@dataclass(frozen=True)
class Starting:
    """How a model's arrays are started, one time after another.

    Args:
        observed: the model.
        start: all arrays by path, from a rule and a key.
    """

    observed: Observed
    start: Callable[[Rule, Key], Arrays]


def marked_input(args: Any, mark: Mark, names: Names, source: str) -> Any:
    """Arguments of which the first floating array is marked."""
    return _marked(args, 0, mark, names, source, INPUT)


def marked_output(result: Any, mark: Mark, names: Names, source: str, is_cell: bool) -> Any:
    """A result of which the first floating array is marked; of recurrent cells the last.

    Cells give the state that they carry on, and then their output.
    """
    return _marked(result, -1 if is_cell else 0, mark, names, source, OUTPUT)


def _marked(tree: Any, which: int, mark: Mark, names: Names, source: str, role: str) -> Any:
    leaves, treedef = jax.tree.flatten(tree)
    floating = [index for index, leaf in enumerate(leaves) if _is_floating(leaf)]
    if not floating:
        return tree
    at = floating[which]
    leaves[at] = mark(leaves[at], names, source, role)
    return jax.tree.unflatten(treedef, leaves)


def _is_floating(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.floating)
