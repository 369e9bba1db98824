"""linen's variables as arrays by path, boxes of partitioned parameters opened and put back."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import jax
from flax import core
from flax import linen as nn
from flax.core import meta

__all__ = ["Names", "Path", "flat", "init_around", "is_box", "replaced", "unboxed", "unflat"]

Names: TypeAlias = tuple[str, ...]
Path: TypeAlias = tuple[str, ...]
"""The collection and the names below it."""


def is_box(leaf: Any) -> bool:
    """Whether a leaf is a box around an array."""
    return isinstance(leaf, meta.AxisMetadata)


def flat(tree: Any) -> dict[Path, Any]:
    """Leaves by path, boxes and all."""
    leaves = jax.tree_util.tree_leaves_with_path(tree, is_leaf=is_box)
    return {tuple(str(getattr(k, "key", k)) for k in path): leaf for path, leaf in leaves}


def unboxed(leaf: Any) -> Any:
    """The array in a box; an array as it is."""
    return (
        leaf.unbox(apply_constraint=False)
        if isinstance(leaf, nn.Partitioned)
        else (leaf.unbox() if is_box(leaf) else leaf)
    )


def replaced(leaf: Any, array: Any) -> Any:
    """The array in the leaf's place, in a box like its own."""
    return leaf.replace_boxed(array) if is_box(leaf) else array


def unflat(arrays: Mapping[Path, Any]) -> dict[str, Any]:
    """Nested dictionaries from arrays by path."""
    tree: dict[str, Any] = {}
    for path, array in arrays.items():
        *outer, last = path
        branch = tree
        for name in outer:
            branch = branch.setdefault(name, {})
        branch[last] = array
    return tree


def init_around(
    model: nn.Module, variables: Any, rngs: Any, args: Any, kwargs: Any, method: Any
) -> Any:
    """``model.init`` where some variables are already there."""

    def run(scope: Any, *args: Any, **kwargs: Any) -> Any:
        module = model.clone(parent=scope, _deep_clone=True)
        if callable(method):
            return method(module, *args, **kwargs)
        return getattr(module, method or "__call__")(*args, **kwargs)

    start = core.apply(run, mutable=core.DenyList("intermediates"), flags={"initializing": True})
    _, made = start(variables, *args, rngs=rngs, **kwargs)
    return made
