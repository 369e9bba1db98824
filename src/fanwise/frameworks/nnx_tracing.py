"""What is known of an nnx model without computing anything: its layers, and where arrays belong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
from flax import nnx
from flax.nnx.variablelib import is_array_ref
from jax.extend.core import jaxpr_as_fun
from jax.sharding import NamedSharding

from fanwise.frameworks.claims import layers_of
from fanwise.frameworks.drawing import Target, draw
from fanwise.frameworks.nnx_claims import found_in
from fanwise.frameworks.nnx_modules import Names, Path, Walked, walk
from fanwise.frameworks.nnx_stacks import stacks_in
from fanwise.layers import Layer
from fanwise.rules import Rule
from fanwise.typing import Key

__all__ = ["Traced", "current_sharding", "described", "raw", "refilled", "targets_of", "trace"]

Factory = Callable[[nnx.Rngs], nnx.Module]


@dataclass(frozen=True)
class Traced:
    """A model that was built abstractly.

    Args:
        graphdef: its structure.
        state: its arrays, abstractly, by path; the Variables that hold them where there are any.
        layers: its layers.
        targets: the arrays to be made.
        compute: the factory as a function of the key's leaves, traced.
        places: for each path, where its values are among what ``compute`` gives.
        owners: for each path, the names of the module that has it.
        programs: compiled parts of ``compute``, by what they give.
    """

    graphdef: Any
    state: dict[Path, Any]
    layers: list[Layer]
    targets: dict[Path, Target]
    compute: Callable[..., list[Any]]
    places: dict[Path, Any]
    owners: dict[Path, Names]
    programs: dict[tuple[Path, ...], Any] = field(default_factory=dict, compare=False)

    def own_init(self, key: Key, paths: Sequence[Path]) -> dict[Path, Any]:
        """The model's own init, of the paths asked for and no others."""

        def chosen(key: Key) -> list[Any]:
            arrays = self.compute(key)
            return [jax.tree.map(lambda at: arrays[at], self.places[path]) for path in paths]

        # One program for any number of keys.
        program = self.programs.setdefault(tuple(paths), jax.jit(chosen))
        return dict(zip(paths, program(key), strict=True))

    def started(self, key: Key, rule: Rule) -> dict[Path, Any]:
        """All arrays, started by a rule; what it leaves alone is what the model draws itself."""
        own_init = partial(self.own_init, key)
        values = draw(self.layers, rule, key, self.targets, own_init)
        rest = [path for path in self.state if path not in values]
        return values | own_init(rest) if rest else values

    def filled(self, values: dict[Path, Any]) -> Any:
        """The model with a value for each path."""
        return refilled(self.graphdef, self.state, values)


def refilled(graphdef: Any, leaves: Mapping[Path, Any], values: Mapping[Path, Any]) -> Any:
    """A model of this structure with a value for each path, in Variables like those given."""
    state = [(path, _put(leaf, values[path])) for path, leaf in leaves.items()]
    return nnx.merge(graphdef, nnx.from_flat_state(state))


def trace(factory: Factory, key: Key) -> Traced:
    """Build a model abstractly.

    Raises:
        TypeError: if ``factory`` is no function that gives a module.
    """
    if not callable(factory) or isinstance(factory, nnx.Module):
        raise TypeError(
            f"factory must be a function of nnx.Rngs that gives an nnx.Module, got "
            f"{type(factory).__name__}; pass lambda rngs: Model(..., rngs=rngs)"
        )
    seen: list[Any] = []

    def build(key: Key) -> Any:
        model = factory(nnx.Rngs(key))
        if not isinstance(model, nnx.Module):
            raise TypeError(
                f"factory must give an nnx.Module, got {model!r} of type {type(model).__name__}"
            )
        graphdef, state = nnx.split(model)
        walked = walk(model)
        seen.extend((graphdef, layers_of(found_in(walked, stacks_in(walked))), walked))
        return jax.tree.map(_read, state)

    # Traced once, for what it gives and for computing some of it.
    jaxpr, tree = jax.make_jaxpr(build, return_shape=True)(key)
    numbered = jax.tree.unflatten(jax.tree.structure(tree), range(len(jax.tree.leaves(tree))))
    places = {path: raw(leaf) for path, leaf in nnx.to_flat_state(numbered)}
    state, (graphdef, layers, walked) = dict(nnx.to_flat_state(tree)), seen
    targets = targets_of(walked, state, _sharding)
    owners = {entry.path: entry.owner for entry in walked.entries}
    return Traced(graphdef, state, layers, targets, jaxpr_as_fun(jaxpr), places, owners)


def described(model: nnx.Module) -> tuple[list[Layer], Walked]:
    """The layers of a model that is there, and its arrays."""
    walked = walk(model)
    return layers_of(found_in(walked, stacks_in(walked))), walked


def targets_of(
    walked: Walked, state: dict[Path, Any], sharding: Callable[[Any], NamedSharding | None]
) -> dict[Path, Target]:
    """What the arrays must be, random generators left out."""
    return {
        entry.path: Target(entry.shape, entry.dtype, sharding(state[entry.path]))
        for entry in walked.entries
        if not entry.is_random
    }


def raw(leaf: Any) -> Any:
    """What a Variable holds; an array as it is."""
    return jax.tree.map(_read, leaf.get_raw_value() if isinstance(leaf, nnx.Variable) else leaf)


def _read(value: Any) -> Any:
    """Values that are kept by reference cannot leave a trace."""
    return value[...] if is_array_ref(value) else value


def _put(leaf: Any, value: Any) -> Any:
    """The value in a Variable like the one given, without its hooks being called."""
    if not isinstance(leaf, nnx.Variable):
        return value
    if leaf.get_metadata("ref", False):
        value = jax.tree.map(jax.new_ref, value)
    return jax.tree.unflatten(jax.tree.structure(leaf), jax.tree.leaves(value))


def current_sharding(leaf: Any) -> NamedSharding | None:
    """Where an array is laid out over a mesh; if it is not, where it says it belongs."""
    value = raw(leaf)
    if isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer):
        return value.sharding if isinstance(value.sharding, NamedSharding) else None
    return _sharding(leaf)


def _sharding(leaf: Any) -> NamedSharding | None:
    """Where a Variable with sharding metadata belongs, if its mesh is known."""
    if not isinstance(leaf, nnx.Variable) or not leaf.get_metadata("out_sharding", None):
        return None
    mesh = leaf.get_metadata("mesh", None) or _current_mesh()
    spec: Any = nnx.get_partition_spec(leaf).get_raw_value()
    axes = {name for entry in spec for name in (entry if isinstance(entry, tuple) else (entry,))}
    if mesh.empty or not axes - {None} <= set(mesh.axis_names):
        return None
    return NamedSharding(mesh, spec)


def _current_mesh() -> Any:
    """The mesh that is set; its devices are not known inside of jit."""
    try:
        return jax.sharding.get_mesh()
    except ValueError:
        return jax.sharding.get_abstract_mesh()
