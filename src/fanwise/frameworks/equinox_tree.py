"""The arrays and modules of an Equinox model, and the stacks that its modules stand in."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp

from fanwise.frameworks.claims import Array, Claim, Found
from fanwise.frameworks.drawing import Target
from fanwise.frameworks.equinox_layers import claim_of, prelu_claim, source_of
from fanwise.frameworks.equinox_stacks import Stack, Stacks
from fanwise.layers import kind_of

__all__ = ["Tree"]

Names: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Tree:
    """A model, alone or with its State, whose arrays may be abstract.

    Args:
        model: any pytree.
        state: what ``eqx.nn.make_with_state`` gives beside the model.
    """

    model: Any
    state: Any = None

    @classmethod
    def of(cls, made: Any) -> "Tree":
        """Of a model, or of a pair of model and State."""
        if isinstance(made, tuple) and len(made) == 2 and isinstance(made[1], eqx.nn.State):
            return cls(*made)
        return cls(made)

    @property
    def made(self) -> Any:
        """What this is the tree of."""
        return self.model if self.state is None else (self.model, self.state)

    def arrays(self) -> dict[str, Any]:
        """Every array by its path in the pytree, keys of random numbers too."""
        leaves = jax.tree_util.tree_leaves_with_path((self.model, self.state))
        return {jax.tree_util.keystr(path): leaf for path, leaf in leaves if _is_array(leaf)}

    def targets(self) -> dict[str, Target]:
        """The arrays that a rule can speak of."""
        return {
            path: Target(tuple(leaf.shape), jnp.dtype(leaf.dtype))
            for path, leaf in self.arrays().items()
            if not _is_key(leaf)
        }

    def replaced(self, arrays: Mapping[str, Any]) -> Any:
        """The same with some arrays in others' place; all else are the same objects."""
        leaves, treedef = jax.tree_util.tree_flatten_with_path((self.model, self.state))
        new = [arrays.get(jax.tree_util.keystr(path), leaf) for path, leaf in leaves]
        model, state = jax.tree_util.tree_unflatten(treedef, new)
        return model if self.state is None else (model, state)

    def found(self) -> list[Found]:
        """Every array in one layer, in the order in which modules define their fields."""
        seen = _Seen()
        seen.walk(self.model, (), (jax.tree_util.SequenceKey(0),))
        if self.state is not None:
            seen.walk_state(self.state)
        return seen.found()


def _is_array(leaf: Any) -> bool:
    return eqx.is_array(leaf) or isinstance(leaf, jax.ShapeDtypeStruct)


def _is_key(array: Any) -> bool:
    return bool(jnp.issubdtype(array.dtype, jax.dtypes.prng_key))


def _children(node: Any) -> Iterator[tuple[Any, Any]]:
    """The key and value of each child of a node of a pytree."""
    below = jax.tree_util.tree_flatten_with_path(node, is_leaf=lambda each: each is not node)[0]
    for path, child in below:
        if path:
            yield path[0], child


def _name(key: Any) -> str:
    for attribute in ("name", "key", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


@dataclass
class _Seen:
    """What was met on the way down.

    Args:
        modules: all modules by names, outer ones first.
        paths: of each array in the pytree, by names.
        leaves: the arrays.
        indices: where the values of a State are said to be.
    """

    modules: dict[Names, Any] = field(default_factory=dict)
    paths: dict[Names, str] = field(default_factory=dict)
    leaves: dict[Names, Any] = field(default_factory=dict)
    indices: dict[Any, Names] = field(default_factory=dict)

    def walk(self, node: Any, names: Names, path: tuple[Any, ...]) -> None:
        if _is_array(node):
            if _is_key(node):
                return
            while names in self.leaves:
                names = (*names[:-1], f"{names[-1]}_")  # as of keys 1 and "1"
            self.leaves[names] = node
            self.paths[names] = jax.tree_util.keystr(path)
            return
        if isinstance(node, eqx.nn.StateIndex):
            self.indices[node.marker] = names
        elif isinstance(node, eqx.Module) and jax.tree.leaves(node):
            # Without leaves are stand-ins too, as for the state that is kept elsewhere.
            self.modules[names] = node
        for key, child in _children(node):
            self.walk(child, (*names, _name(key)), (*path, key))

    def walk_state(self, state: eqx.nn.State) -> None:
        """As if the values were still in the StateIndex that they were in at first."""
        values, markers = state.tree_flatten()  # type: ignore[no-untyped-call]
        for position, (marker, value) in enumerate(zip(markers, values, strict=True)):
            names = (*self.indices[marker], "init") if marker in self.indices else ("state",)
            key = jax.tree_util.FlattenedIndexKey(position)
            self.walk(value, names, (jax.tree_util.SequenceKey(1), key))

    def found(self) -> list[Found]:
        claims: dict[Names, Claim] = {}
        owned: dict[Names, Names] = {}
        extra: dict[Names, int] = {}
        for names, module in self.modules.items():
            claim, depths = self._claim(names, module, owned)
            if claim is not None:
                claims[names] = claim
                owned |= dict.fromkeys(depths, names)
                extra |= depths
        shapes = {names: tuple(leaf.shape) for names, leaf in self.leaves.items()}
        is_own = () in self.modules and type(self.modules[()]).__module__.startswith("equinox.")
        stacks = Stacks(shapes, extra, is_own)
        arrays = {names: self._array(names, stacks) for names in self.leaves}
        for names, module in self.modules.items():
            slope = (*names, "negative_slope")
            if source_of(module) == "PReLU" and slope in arrays and slope not in owned:
                claim = prelu_claim(arrays[slope].shape)
                if claim is not None:
                    claims[names], owned[slope] = claim, names
        found = []
        for owner, claim in claims.items():
            below = {rest: arrays[(*owner, *rest)] for rest in claim.pieces}
            found.append(Found(owner, source_of(self.modules[owner]), below, claim))
        rest: dict[tuple[Names, Stack], dict[Names, Array]] = defaultdict(dict)
        for names in self.leaves:
            if names not in owned:
                owner = self._owner(names)
                rest[owner, arrays[names].stack][names[len(owner) :]] = arrays[names]
        for (owner, _), below in rest.items():
            module = self.modules.get(owner)
            found.append(Found(owner, "pytree" if module is None else source_of(module), below))
        order = {names: index for index, names in enumerate(self.modules)}
        return sorted(found, key=lambda each: order.get(each.names, -1))

    def _claim(
        self, names: Names, module: Any, owned: Mapping[Names, Names]
    ) -> tuple[Claim | None, dict[Names, int]]:
        """What a module is, of the arrays that it has, and how many axes of stacks each has.

        Nothing if an array is already owned, is not of the shape that the module's fields say, or
        is stacked otherwise than the rest.
        """
        claim = claim_of(module)
        if claim is None:
            return None, {}
        pieces = {rest: own for rest, own in claim.pieces.items() if (*names, *rest) in self.leaves}
        kind = kind_of(claim.kind)
        shapes = kind.shapes(**claim.hyperparameters) | kind.buffers(**claim.hyperparameters)
        depths: dict[Names, int] = {}
        leading = set()
        for rest, own in pieces.items():
            array = (*names, *rest)
            given = tuple(self.leaves[array].shape)
            expected = _expected(own, shapes)
            depth = len(given) - len(expected)
            if array in owned or depth < 0 or given[depth:] != expected:
                return None, {}
            depths[array] = depth
            leading.add(given[:depth])
        if len(leading) != 1:
            return None, {}
        return Claim(claim.kind, claim.hyperparameters, pieces, claim.lost), depths

    def _owner(self, names: Names) -> Names:
        """The innermost module that an array is in."""
        names = names[:-1]
        while names and names not in self.modules:
            names = names[:-1]
        return names

    def _array(self, names: Names, stacks: Stacks) -> Array:
        prefixes = [
            names[:length] for length in range(len(names)) if names[:length] in self.modules
        ]
        stack = stacks.of(names, prefixes)
        leaf = self.leaves[names]
        shape = tuple(leaf.shape)[len(stack) :]
        return Array(self.paths[names], names, shape, jnp.dtype(leaf.dtype), stack)


def _expected(pieces: tuple[Any, ...], shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The shape of an array made of these pieces."""
    parts = [(each.at, each.view.shape(each.torch_shape(shapes[each.name]))) for each in pieces]
    at, shape = parts[-1]
    return shape if at is None else tuple(stop for _, stop in at)
