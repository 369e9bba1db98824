"""The modules and arrays of an nnx model, in the order in which they were defined.

``nnx.iter_graph`` goes through attributes in alphabetical order. Their order of definition is in
the table of attributes that every ``nnx.Pytree`` keeps, which nnx's transformations keep as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from fanwise.typing import DType

__all__ = ["Entry", "Names", "Path", "Walked", "layer_class", "source_of", "walk"]

Names: TypeAlias = tuple[str, ...]
Path: TypeAlias = tuple[Any, ...]

# They say nothing of what a module is.
_BASES = (nnx.Module, nnx.Pytree, nnx.RNNCellBase)


@dataclass(frozen=True)
class Entry:
    """An array of the model.

    Args:
        names: where it is, by the names under which it was reached first.
        path: where ``nnx.state`` has it.
        shape: its shape.
        dtype: its dtype.
        owner: the names of the module that it is an attribute of, or in an attribute of.
        is_random: whether it is the state of a random number generator.
    """

    names: Names
    path: Path
    shape: tuple[int, ...]
    dtype: DType
    owner: Names
    is_random: bool


@dataclass
class Walked:
    """What was found in a model.

    Args:
        modules: by names; shared ones only where they were reached first.
        entries: the arrays, each once.
    """

    modules: dict[Names, Any] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)


def layer_class(module: Any) -> str:
    """nnx's class of a module, also of one derived from it; nothing for a user's own."""
    for cls in type(module).__mro__:
        if not issubclass(cls, nnx.Pytree) or cls in _BASES:
            break
        if cls.__module__.startswith("flax.nnx."):
            return cls.__name__
    return ""


def source_of(module: Any) -> str:
    """The name under which a module is listed."""
    return layer_class(module) or type(module).__name__


def walk(model: nnx.Module) -> Walked:
    """Go through a model: constructed, abstract, or being traced."""
    graph = list(nnx.iter_graph(model))
    paths = {id(node): path for path, node in graph if isinstance(node, nnx.Variable | nnx.Pytree)}
    walked = Walked()
    seen = _Seen(paths)
    _visit(model, (), (), (), walked, seen)
    # What is in containers of the user's own, outermost first.
    for path, node in sorted(graph, key=lambda each: len(each[0])):
        names = tuple(map(str, path))
        if isinstance(node, nnx.Pytree):
            _visit(node, names, path, (), walked, seen)
        elif isinstance(node, nnx.Variable):
            _add_once(node, names, (), walked, seen)
    return walked


@dataclass
class _Seen:
    paths: dict[int, Path]
    ids: set[int] = field(default_factory=set)


def _visit(node: Any, names: Names, path: Path, owner: Names, walked: Walked, seen: _Seen) -> None:
    if isinstance(node, nnx.Pytree):
        if id(node) in seen.ids:
            return
        seen.ids.add(id(node))
        owner, path = names, seen.paths[id(node)]
        walked.modules[names] = node
    for key, child in _children(node):
        own = (*names, *(map(str, key) if isinstance(key, tuple) else (str(key),)))
        if isinstance(child, nnx.Variable):
            _add_once(child, own, owner, walked, seen)
        elif isinstance(child, nnx.Pytree) or _is_container(child):
            _visit(child, own, (*path, key), owner, walked, seen)
        else:
            _add(child, own, (*path, key), owner, False, walked)


def _add_once(variable: Any, names: Names, owner: Names, walked: Walked, seen: _Seen) -> None:
    if id(variable) not in seen.ids:
        seen.ids.add(id(variable))
        path, is_random = seen.paths[id(variable)], isinstance(variable, nnx.RngState)
        _add(variable.get_raw_value(), names, path, owner, is_random, walked)


def _add(
    value: Any, names: Names, path: Path, owner: Names, is_random: bool, walked: Walked
) -> None:
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        return  # no array: a Variable may hold anything
    is_random = is_random or jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
    dtype = value.dtype if is_random else np.dtype(value.dtype)
    walked.entries.append(Entry(names, path, tuple(value.shape), dtype, owner, is_random))


def _is_container(node: Any) -> bool:
    return type(node) in (dict, list, tuple)


def _children(node: Any) -> Iterator[tuple[Any, Any]]:
    """The parts of a node under the keys that nnx gives them, in order of definition."""
    if isinstance(node, dict):
        yield from node.items()
    elif _is_container(node):
        yield from enumerate(node)
    else:
        attributes = vars(node)
        # By name: whether it is part of the state.
        is_data = attributes.get("_pytree__nodes", {})
        has_numbers = getattr(node, "_pytree__has_int_keys", False)
        for name in is_data or attributes:
            if name in attributes and not name.startswith("_pytree__") and is_data.get(name, True):
                is_number = has_numbers and name.isdigit()
                yield (int(name) if is_number else name), attributes[name]
