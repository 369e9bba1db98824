"""The arrays of variables that a user has: linen's, nnx's, in boxes or not."""

import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from fanwise.porting.variables import Path, text_of

__all__ = ["given_arrays"]


def given_arrays(variables: Any, paths: Collection[Any]) -> dict[Any, Any]:
    """The arrays at the paths of a model's leaves.

    Args:
        variables: linen's variables, an nnx model, its state, or nested dictionaries by path.
        paths: of all arrays that are wanted.

    Raises:
        TypeError: if it is none of these.
        ValueError: if an array is missing or abstract, or if there is a parameter at no path.
    """
    tree = _state(variables)
    if not isinstance(tree, Mapping):
        raise TypeError(
            f"variables must be linen's variables, an nnx model or its state, got "
            f"{type(variables).__name__}"
        )
    leaves = dict(_leaves(tree, ()))
    missing = [path for path in paths if path not in leaves]
    unknown = [
        path for path, leaf in leaves.items() if path not in paths and _is_weight(path, leaf, paths)
    ]
    arrays = {path: _array(leaves[path]) for path in paths if path in leaves}
    abstract = [path for path, array in arrays.items() if isinstance(array, jax.ShapeDtypeStruct)]
    lines = [
        f"{title}: {', '.join(map(text_of, found))}"
        for title, found in (
            ("missing", missing),
            ("not expected", unknown),
            ("without values", abstract),
        )
        if found
    ]
    if lines:
        raise ValueError(
            "variables must be those of the model that was matched\n  " + "\n  ".join(lines)
        )
    return arrays


def _state(variables: Any) -> Any:
    nnx = sys.modules.get("flax.nnx")
    return nnx.state(variables) if nnx and isinstance(variables, nnx.Module) else variables


def _leaves(tree: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(tree, Mapping):
        for name, branch in tree.items():
            yield from _leaves(branch, (*path, name))
    else:
        yield path, tree


def _array(leaf: Any) -> Any:
    if hasattr(leaf, "get_raw_value"):
        from fanwise.frameworks.nnx_tracing import raw

        return raw(leaf)
    if hasattr(leaf, "unbox"):
        from fanwise.frameworks.linen_tree import unboxed

        return unboxed(leaf)
    return leaf


def _is_weight(path: Path, leaf: Any, paths: Collection[Path]) -> bool:
    """Whether a leaf that no layer has is a loss: not a cache, nor a random generator's state."""
    nnx = sys.modules.get("flax.nnx")
    if nnx and isinstance(leaf, nnx.Variable):
        return isinstance(leaf, nnx.Param)
    if "params" in {known[0] for known in paths} and path[0] != "params":
        return False
    dtype = getattr(_array(leaf), "dtype", None)
    return dtype is None or not jnp.issubdtype(dtype, jax.dtypes.prng_key)
