"""The variables of a model as nested dictionaries, and where each array belongs on devices."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from fanwise.adoption import adopted
from fanwise.frameworks.drawing import Target
from fanwise.layers import Layer, Leaf
from fanwise.placement import out_sharding_of
from fanwise.typing import DTypeLike

__all__ = [
    "Path",
    "Sharding",
    "placed",
    "shapes_of",
    "sharding_of",
    "targets_of",
    "text_of",
    "tree_of",
]

Path: TypeAlias = tuple[Hashable, ...]
"""Of an array: linen's collection and names, nnx's attributes."""

Chosen: TypeAlias = jax.sharding.Sharding | PartitionSpec | None
Sharding: TypeAlias = Chosen | Callable[[Path, tuple[int, ...]], Chosen] | Mapping[Any, Any]
"""One for all, a function of path and shape, or a tree like the variables."""


def tree_of(arrays: Mapping[Any, Any]) -> dict[Any, Any]:
    """Nested dictionaries from arrays by path.

    Example:
        >>> tree_of({("params", "fc", "bias"): 0, ("params", "fc", "kernel"): 1})
        {'params': {'fc': {'bias': 0, 'kernel': 1}}}
    """
    tree: dict[Any, Any] = {}
    for (*outer, last), array in arrays.items():
        branch = tree
        for name in outer:
            branch = branch.setdefault(name, {})
        branch[last] = array
    return tree


def text_of(path: Any) -> str:
    """A path for people."""
    return "/".join(map(str, path)) if isinstance(path, tuple) else str(path)


def shapes_of(layers: Iterable[Layer]) -> dict[Any, tuple[int, ...]]:
    """The shape of each array of a model, the axes of stacks included."""
    members: dict[Any, list[Leaf]] = {}
    for layer in layers:
        for leaf in layer.leaves:
            members.setdefault(leaf.path, []).append(leaf)
    return {path: _stacked_shape(leaves) for path, leaves in members.items()}


def _stacked_shape(leaves: list[Leaf]) -> tuple[int, ...]:
    shape = list(leaves[0].shape)
    # The innermost axis stands where it says in what is left once those outside are taken away.
    for level in reversed(range(len(leaves[0].stack))):
        axis = leaves[0].stack[level][0]
        shape.insert(axis, 1 + max(leaf.stack[level][1] for leaf in leaves))
    return tuple(shape)


def targets_of(
    layers: Iterable[Layer], dtype: DTypeLike | None = None, sharding: Sharding = None
) -> dict[Any, Target]:
    """What the arrays of a model must be.

    Args:
        layers: all of the model.
        dtype: of the floating-point arrays; each array's own if None.
        sharding: see :data:`Sharding`.
    """
    layers = list(layers)
    own = {leaf.path: leaf.dtype for layer in layers for leaf in layer.leaves}
    targets = {}
    for path, shape in shapes_of(layers).items():
        is_float = jnp.issubdtype(own[path], jnp.floating)
        chosen = np.dtype(dtype) if dtype is not None and is_float else own[path]
        targets[path] = Target(shape, chosen, _named(sharding_of(sharding, path, shape), path))
    return targets


def _named(sharding: Any, path: Path) -> NamedSharding | None:
    if sharding is None or isinstance(sharding, NamedSharding):
        return sharding
    if isinstance(sharding, jax.sharding.SingleDeviceSharding):
        mesh = jax.sharding.Mesh(list(sharding.device_set), ("device",))
        return NamedSharding(mesh, PartitionSpec())
    raise TypeError(
        f"sharding of {text_of(path)} must be a NamedSharding or a PartitionSpec, got {sharding!r}"
    )


def sharding_of(sharding: Sharding, path: Path, shape: tuple[int, ...]) -> Any:
    """The sharding of one array.

    Raises:
        TypeError: for what is no sharding.
        ValueError: for a PartitionSpec outside of any mesh.
    """
    if isinstance(sharding, Mapping):
        chosen: Any = _at(sharding, path)
    elif callable(sharding):
        chosen = sharding(path, shape)
    else:
        chosen = sharding
    if isinstance(chosen, jax.sharding.Sharding):
        return chosen
    return out_sharding_of(chosen)


def _at(tree: Any, path: Path) -> Any:
    """What a tree has at a path, out of the box it may be in; None if it has nothing there."""
    for name in path:
        if not isinstance(tree, Mapping) or name not in tree:
            return None
        tree = tree[name]
    return tree.get_raw_value() if hasattr(tree, "get_raw_value") else tree


def placed(buffer: np.ndarray[Any, Any], sharding: jax.sharding.Sharding | None) -> jax.Array:
    """An array over memory that nobody else writes to; on other devices each has only its part."""
    if sharding is None:
        return adopted(buffer)
    if isinstance(sharding, NamedSharding) and not isinstance(sharding.mesh, jax.sharding.Mesh):
        # Of a PartitionSpec; the devices of the mesh that was entered are known here.
        sharding = NamedSharding(jax.sharding.get_mesh(), sharding.spec)
    return jax.make_array_from_callback(buffer.shape, sharding, lambda index: buffer[index])
