"""A linen model as it would be initialized: its layers, its variables, its own init."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.linen import spmd
from jax.sharding import NamedSharding, PartitionSpec

from fanwise.frameworks.arguments import Arguments
from fanwise.frameworks.claims import layers_of
from fanwise.frameworks.drawing import Target, draw
from fanwise.frameworks.linen_seen import Seen, mark
from fanwise.frameworks.linen_tree import (
    Path,
    flat,
    init_around,
    is_box,
    replaced,
    unboxed,
    unflat,
)
from fanwise.layers import Layer
from fanwise.rules import Rule
from fanwise.typing import Key

__all__ = ["Traced", "trace"]


@dataclass(frozen=True)
class Traced:
    """What is known of a model without computing anything.

    Args:
        layers: the model's layers.
        variables: what ``model.init`` would give, abstractly.
        targets: the arrays to be made.
        compute: ``model.init`` of keys, compiled for the paths asked for, where some arrays are
            already there.
    """

    layers: list[Layer]
    variables: Any
    targets: Mapping[Path, Target]
    compute: Callable[[Any, list[Path], Mapping[Path, Any]], dict[Path, Any]]

    @property
    def paths(self) -> list[Path]:
        """Of all variables, keys among them."""
        return list(flat(self.variables))

    def started(self, rngs: Mapping[str, Key], rule: Rule) -> dict[Path, Any]:
        """All arrays, started by a rule; what it leaves alone is what the model draws itself."""

        def own_init(paths: list[Path]) -> dict[Path, Any]:
            return self.compute(rngs, paths, {})

        arrays = draw(self.layers, rule, rngs["params"], self.targets, own_init)
        rest = [path for path in self.paths if path not in arrays]
        if parameters := [path for path in rest if path[0] == "params"]:
            arrays |= own_init(parameters)
        if state := [path for path in rest if path[0] != "params"]:
            # It may follow from parameters, as a spectral norm's does, and so sees these.
            arrays |= self.compute(rngs, state, arrays)
        return arrays

    def of(self, variables: Any) -> "Traced":
        """The same for variables that the user has: their dtypes, and only what is there."""
        given = {path: unboxed(leaf) for path, leaf in flat(variables).items()}
        wrong = [
            f"{'/'.join(path)}: {target.shape}, got {tuple(np.shape(given[path]))}"
            for path, target in self.targets.items()
            if path in given and tuple(np.shape(given[path])) != target.shape
        ]
        missing = [
            f"{'/'.join(path)}: missing"
            for path in self.targets
            if path not in given and path[0] in variables
        ]
        if self.targets and not set(self.targets) & set(given):
            missing = [f"{'/'.join(path)}: missing" for path in self.targets]
        if wrong or missing:
            raise ValueError(
                "variables must be those of the model with these inputs, collections included:\n  "
                + "\n  ".join(wrong + missing)
            )
        targets = {
            path: replace(target, dtype=given[path].dtype)
            for path, target in self.targets.items()
            if path in given
        }
        layers = [
            replace(layer, leaves=tuple(leaf for leaf in layer.leaves if leaf.path in targets))
            for layer in self.layers
        ]
        kept = [_restricted(layer) for layer in layers]
        return replace(self, layers=kept, targets=targets)

    def given(self, variables: Any) -> dict[Path, Any]:
        """The user's arrays by path."""
        return {path: unboxed(leaf) for path, leaf in flat(variables).items()}

    def rebuilt(self, variables: Any, arrays: Mapping[Path, Any]) -> Any:
        """``variables`` with some arrays in other's place, boxes kept."""

        def place(path: Any, leaf: Any) -> Any:
            names = tuple(str(getattr(k, "key", k)) for k in path)
            if names not in arrays:
                return leaf
            return replaced(leaf, arrays[names])

        return jax.tree_util.tree_map_with_path(place, variables, is_leaf=is_box)


def _restricted(layer: Layer) -> Layer:
    """Without the parameters of which no array is there."""
    named = {piece.name for leaf in layer.leaves for piece in leaf.pieces}
    parameters = {name: shape for name, shape in layer.parameters.items() if name in named}
    buffers = {name: shape for name, shape in layer.buffers.items() if name in named}
    return replace(layer, parameters=parameters, buffers=buffers)


def trace(
    model: nn.Module, rngs: Any, inputs: Sequence[Any], options: Mapping[str, Any], method: Any
) -> Traced:
    """Trace ``model.init`` and describe what was seen."""
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model must be a flax.linen.Module, got {model!r} of type {type(model).__name__}"
        )
    arguments = Arguments.of(inputs, options)

    def run(rngs: Any, arrays: Sequence[Any], there: Mapping[Path, Any] | None = None) -> Any:
        args, kwargs = arguments.filled(arrays)
        if not there:
            return model.init(rngs, *args, method=method, **kwargs)
        return init_around(model, unflat(there), rngs, args, kwargs, method)

    arrays = arguments.arrays
    if rngs is None:
        rngs = jax.eval_shape(lambda: {"params": jax.random.key(0)})
    seen = Seen()
    with nn.intercept_methods(seen.intercept):
        variables = jax.eval_shape(run, rngs, arrays)

    def own_init(paths: Sequence[Path], known: Sequence[Path], inputs: Sequence[Any]) -> Any:
        def chosen(rngs: Any, there: list[Any]) -> list[Any]:
            concrete = [
                jnp.zeros(a.shape, a.dtype) if isinstance(a, jax.ShapeDtypeStruct) else a
                for a in inputs
            ]
            leaves = flat(run(rngs, concrete, dict(zip(known, there, strict=True))))
            return [unboxed(leaves[path]) for path in paths]

        return jax.jit(chosen)

    # One program for any number of keys.
    programs = cache(lambda paths, known: own_init(paths, known, arrays))

    def compute(rngs: Any, paths: list[Path], there: Mapping[Path, Any]) -> dict[Path, Any]:
        program = programs(tuple(paths), tuple(there))
        return dict(zip(paths, program(rngs, list(there.values())), strict=True))

    final = {path: unboxed(leaf) for path, leaf in flat(variables).items()}
    targets = {
        path: Target(tuple(leaf.shape), np.dtype(leaf.dtype), _sharding(box))
        for (path, box), leaf in zip(flat(variables).items(), final.values(), strict=True)
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    }

    def probe(paths: list[Path]) -> dict[Path, Any]:
        """The arrays, each of its owner's shape and equal in all positions of a stack."""
        marking = nn.intercept_methods(partial(mark, frozenset(paths)))
        # The answer is needed now, under the user's jit as well.
        is_traced = isinstance(jnp.zeros(()), jax.core.Tracer)
        now = jax.ensure_compile_time_eval() if is_traced else nullcontext()
        zeros = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays]
        with marking, now:
            marked = own_init(paths, (), zeros)({name: jax.random.key(0) for name in rngs}, [])
        return dict(zip(paths, marked, strict=True))

    return Traced(layers_of(seen.found(targets, probe)), variables, targets, compute)


def _sharding(box: Any) -> NamedSharding | None:
    """Where a partitioned parameter belongs, if its mesh is known."""
    if not isinstance(box, nn.Partitioned):
        return None
    mesh = box.mesh if box.mesh is not None else jax.sharding.get_abstract_mesh()
    if isinstance(box, nn.LogicallyPartitioned):
        spec = spmd.logical_to_mesh_axes(box.names, box.rules) or PartitionSpec()
    else:
        spec = box.get_partition_spec()
    axes = {name for entry in spec for name in (entry if isinstance(entry, tuple) else (entry,))}
    if mesh.empty or not axes - {None} <= set(mesh.axis_names):
        return None
    return NamedSharding(mesh, spec)
