"""From layers and a rule to the arrays of a model, whatever the framework.

What is drawn independently is drawn straight in the shape in which the framework keeps it.
Everything else (orthogonal matrices, functions of the user's, values that follow from others) is
made in torch's shape and rearranged. All of it is drawn together, see :mod:`fanwise.filling`.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from fanwise import placement
from fanwise.filling import Parameter, fill
from fanwise.frameworks.answers import Answered, Slot, answered
from fanwise.keys import hidden_constant, path_keys
from fanwise.layers import Derived, Layer, Leaf
from fanwise.rules import Rule
from fanwise.typing import DType, Key, OutSharding, compute_dtype

__all__ = ["Target", "draw"]

# The number that a framework gives a module, at the end of its name.
_NUMBERED = re.compile(r"_(\d+)(?=[/:\[]|$)")

Path: TypeAlias = Any  # what a framework keeps its arrays by; it can be hashed
Arrays: TypeAlias = Mapping[Path, Any]


@dataclass(frozen=True)
class Target:
    """An array of the model as it will be, the axes of the stack included."""

    shape: tuple[int, ...]
    dtype: DType
    sharding: OutSharding = None


def draw(
    layers: Sequence[Layer],
    rule: Rule,
    key: Key,
    targets: Mapping[Path, Target],
    kept: Callable[[list[Path]], Arrays],
) -> dict[Path, Any]:
    """The arrays that the rule says something of.

    Args:
        layers: all layers of the model.
        rule: see :mod:`fanwise.rules`.
        key: the model's key; a parameter's is folded from it and its name.
        targets: what the arrays must be.
        kept: asked for the arrays of which a part stays as it was; gives them, by path.

    Returns:
        Arrays by path; nothing for those that the rule leaves alone.
    """
    key = hidden_constant(key)  # traced where anything is
    asked = [answered(layer, rule) for layer in layers]
    made = _drawn(asked, key, targets)
    by_path: dict[Path, list[tuple[Leaf, Answered]]] = defaultdict(list)
    for each in asked:
        for leaf in each.layer.leaves:
            by_path[leaf.path].append((leaf, each))
    touched = {
        path: members
        for path, members in by_path.items()
        if any(each.slots[leaf] for leaf, each in members)
    }
    partial = [path for path, members in touched.items() if not _is_complete(members)]
    base = kept(partial) if partial else {}
    return {
        path: _assembled(members, made, targets[path], base.get(path), key)
        for path, members in touched.items()
    }


def _is_complete(members: list[tuple[Leaf, Answered]]) -> bool:
    return all(each.is_complete(leaf) for leaf, each in members)


def _drawn(asked: list[Answered], key: Key, targets: Mapping[Path, Target]) -> dict[str, Any]:
    """Everything that is drawn, by name, and what follows from it."""
    wanted: dict[str, tuple[Any, tuple[int, ...], DType, OutSharding]] = {}
    for each in asked:
        for leaf, slots in each.slots.items():
            target = targets[leaf.path]
            for slot in slots:
                sharding = target.sharding if _is_whole(leaf, slot) else None
                for name, distribution, dtype in slot.direct(target.dtype):
                    wanted[name] = (distribution, slot.shape, dtype, sharding)
        for name, value in each.made.items():
            dtype = compute_dtype(each.dtype_of(name, targets))
            value = value.drawn if isinstance(value, Derived) else value
            if value is not None:
                wanted[each.name_of(name)] = (value, each.layer.shapes[name], dtype, None)
    keys = dict(zip(wanted, path_keys(key, _key_names(list(wanted))), strict=True))
    arrays: dict[str, Any] = fill(
        Parameter(name, shape, value, keys[name], dtype, sharding)
        for name, (value, shape, dtype, sharding) in wanted.items()
        if not _is_function(value)
    )
    for name, (value, shape, dtype, _) in wanted.items():
        if _is_function(value):
            arrays[name] = _called(value, keys[name], shape, dtype, name)
    for each in asked:
        each.derive(arrays)
    return arrays


def _key_names(names: list[str]) -> list[str]:
    """What keys are made from: ``blocks_0`` and ``blocks/0`` are the same layer.

    The one is how linen numbers a list of modules, the other how nnx does, and how stacked layers
    are listed. Should a model have both, the second keeps the name it has.
    """
    taken: dict[str, str] = {}
    for name in names:
        common = _NUMBERED.sub(r"/\1", name)
        # No other name begins so.
        taken[name] = f"={name}" if common in taken.values() else common
    return list(taken.values())


def _is_function(value: Any) -> bool:
    return not hasattr(value, "sample")


def _called(value: Any, key: Key, shape: tuple[int, ...], dtype: DType, name: str) -> Any:
    array = value(key, shape, dtype)
    if tuple(np.shape(array)) != shape:
        raise ValueError(f"{name}: {value!r} was asked for {shape} and gave {np.shape(array)}")
    return array


def _is_whole(leaf: Leaf, slot: Slot) -> bool:
    return slot.at is None and not leaf.stack


def _assembled(
    members: list[tuple[Leaf, Answered]],
    made: Mapping[str, Any],
    target: Target,
    base: Any,
    key: Key,
) -> Any:
    """One array of the model from its layers' parts."""
    leaf, each = members[0]
    slots = each.slots[leaf]
    if len(members) == 1 and slots and _is_whole(leaf, slots[0]) and slots[0].is_drawn_as_it_is:
        return made[slots[0].names[0]]
    is_host = _is_host(key, target) and not isinstance(base, jax.core.Tracer)
    entries = [
        (leaf.stack, _of_leaf(leaf, each, made, base, target, is_host)) for leaf, each in members
    ]
    array = _stacked(entries, np.stack if is_host else jnp.stack)
    if is_host:
        return jax.device_put(np.ascontiguousarray(array))
    if target.sharding is None:
        return array
    return placement.moved(array, target.sharding)


def _is_host(key: Key, target: Target) -> bool:
    """Whether numpy may move the elements, which costs no compilation."""
    return (
        not isinstance(key, jax.core.Tracer)
        and target.sharding is None
        and jax.default_backend() == "cpu"
    )


def _of_leaf(
    leaf: Leaf, each: Answered, made: Mapping[str, Any], base: Any, target: Target, is_host: bool
) -> Any:
    """The array of one layer, without the axes of the stack."""
    slots = each.slots[leaf]
    before = None if base is None else _slice(base, leaf.stack)
    if not slots:
        return before
    xp: Any = np if is_host else jnp
    parts = [(slot.at, xp.asarray(slot.value(made, xp)).astype(target.dtype)) for slot in slots]
    if parts[0][0] is None:
        return parts[0][1].reshape(leaf.shape)
    whole = xp.zeros(leaf.shape, target.dtype) if before is None else xp.array(before)
    for at, part in parts:
        region = tuple(slice(start, stop) for start, stop in at or ())
        if is_host:
            whole[region] = part
        else:
            whole = whole.at[region].set(part)
    return whole


def _slice(array: Any, stack: tuple[tuple[int, int], ...]) -> Any:
    for axis, index in stack:
        array = array[(slice(None),) * axis + (index,)]
    return array


def _stacked(entries: list[tuple[tuple[tuple[int, int], ...], Any]], stack: Any) -> Any:
    (first, array), *_ = entries
    if not first:
        return array
    axis = first[0][0]
    groups: dict[int, list[Any]] = defaultdict(list)
    for (outer, *inner), part in entries:
        groups[outer[1]].append((tuple(inner), part))
    return stack([_stacked(groups[index], stack) for index in sorted(groups)], axis)
