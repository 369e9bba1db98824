"""linen's variables as arrays by path, boxes of partitioned parameters opened and put back."""

from typing import Any, TypeAlias

import jax
from flax import linen as nn
from flax.core import meta

__all__ = ["Names", "Path", "flat", "is_box", "replaced", "unboxed"]

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
