"""Finding the modules of a linen model, and putting arrays back where they were found."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.core import meta
from jax.sharding import NamedSharding

from fanwise.frameworks.claims import Array, Claim, Found, layers_of
from fanwise.frameworks.drawing import Target
from fanwise.frameworks.flax_cells import CELLS, UNKNOWN_CELLS, cell_claim
from fanwise.frameworks.flax_layers import CLAIMS
from fanwise.frameworks.linen_weight_norm import weight_norm_claim
from fanwise.frameworks.stacking import is_ambiguous, stacks_of
from fanwise.layers import Layer
from fanwise.typing import Key

__all__ = ["Traced", "trace"]

Names: TypeAlias = tuple[str, ...]
Path: TypeAlias = tuple[str, ...]
"""The collection and the names below it."""


def _is_box(leaf: Any) -> bool:
    return isinstance(leaf, meta.AxisMetadata)


def _flat(tree: Any) -> dict[Path, Any]:
    """Leaves by path, boxes and all."""
    leaves = jax.tree_util.tree_leaves_with_path(tree, is_leaf=_is_box)
    return {tuple(str(getattr(k, "key", k)) for k in path): leaf for path, leaf in leaves}


def _unboxed(leaf: Any) -> Any:
    return (
        leaf.unbox(apply_constraint=False)
        if isinstance(leaf, nn.Partitioned)
        else (leaf.unbox() if _is_box(leaf) else leaf)
    )


@dataclass(frozen=True)
class Traced:
    """What is known of a model without computing anything.

    Args:
        layers: the model's layers.
        variables: what ``model.init`` would give, abstractly.
        targets: the arrays to be made.
        compute: ``model.init`` of keys, compiled for the paths asked for.
    """

    layers: list[Layer]
    variables: Any
    targets: Mapping[Path, Target]
    compute: Callable[[Any, list[Path]], dict[Path, Any]]

    def own_init(self, rngs: Mapping[str, Key]) -> Callable[[list[Path]], dict[Path, Any]]:
        """The model's own init, of the paths asked for and no others."""
        return lambda paths: self.compute(rngs, paths)

    def of(self, variables: Any) -> "Traced":
        """The same for variables that the user has: their dtypes, and only what is there."""
        given = {path: _unboxed(leaf) for path, leaf in _flat(variables).items()}
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
        if wrong or missing:
            raise ValueError(
                "variables are not those of the model with these inputs:\n  "
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
        return {path: _unboxed(leaf) for path, leaf in _flat(variables).items()}

    def rebuilt(self, variables: Any, arrays: Mapping[Path, Any]) -> Any:
        """``variables`` with some arrays in other's place, boxes kept."""

        def place(path: Any, leaf: Any) -> Any:
            names = tuple(str(getattr(k, "key", k)) for k in path)
            if names not in arrays:
                return leaf
            return leaf.replace_boxed(arrays[names]) if _is_box(leaf) else arrays[names]

        return jax.tree_util.tree_map_with_path(place, variables, is_leaf=_is_box)


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
    values, treedef = jax.tree.flatten((tuple(inputs), dict(options)))
    is_array = [isinstance(v, jax.Array | np.ndarray | jax.ShapeDtypeStruct) for v in values]

    def run(rngs: Any, arrays: Sequence[Any]) -> Any:
        given = iter(arrays)
        merged = [next(given) if array else v for v, array in zip(values, is_array, strict=True)]
        args, kwargs = jax.tree.unflatten(treedef, merged)
        return model.init(rngs, *args, method=method, **kwargs)

    arrays = [value for value, array in zip(values, is_array, strict=True) if array]
    if rngs is None:
        rngs = jax.eval_shape(lambda: {"params": jax.random.key(0)})
    seen = _Seen()
    with nn.intercept_methods(seen.intercept):
        variables = jax.eval_shape(run, rngs, arrays)

    def compute(rngs: Any, paths: list[Path]) -> dict[Path, Any]:
        def chosen(rngs: Any) -> dict[Path, Any]:
            concrete = [
                jnp.zeros(a.shape, a.dtype) if isinstance(a, jax.ShapeDtypeStruct) else a
                for a in arrays
            ]
            flat = _flat(run(rngs, concrete))
            return {path: _unboxed(flat[path]) for path in paths}

        return dict(jax.jit(chosen)(rngs))

    final = {path: _unboxed(leaf) for path, leaf in _flat(variables).items()}
    targets = {
        path: Target(tuple(leaf.shape), np.dtype(leaf.dtype), _sharding(box))
        for (path, box), leaf in zip(_flat(variables).items(), final.values(), strict=True)
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    }

    def probe(paths: list[Path]) -> dict[Path, Any]:
        """The arrays, each of its owner's shape and equal in all positions of a stack."""
        marking = nn.intercept_methods(partial(_mark, frozenset(paths)))
        # The answer is needed now, under the user's jit as well.
        with marking, jax.ensure_compile_time_eval():
            rngs = {name: jax.random.key(0) for name in ("params", "dropout")}
            return compute(rngs, paths)

    return Traced(layers_of(seen.found(targets, probe)), variables, targets, compute)


def _mark(
    paths: frozenset[Path], call: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext
) -> Any:
    """Put into a module's own arrays values that change along each of their axes."""
    module = context.module
    result = call(*args, **kwargs)
    if module.scope is None or context.method_name == "<lambda>":
        return result
    for collection, *names in paths:
        *owner, name = names
        if tuple(owner) != module.path or not module.has_variable(collection, name):
            continue
        box: Any = module.get_variable(collection, name)
        value = _unboxed(box)
        marks = jnp.zeros(value.shape, jnp.int32)
        for axis in range(value.ndim):
            marks += jax.lax.broadcasted_iota(jnp.int32, value.shape, axis) % 2
        marks = marks.astype(value.dtype)
        module.put_variable(collection, name, box.replace_boxed(marks) if _is_box(box) else marks)
    return result


def _sharding(box: Any) -> NamedSharding | None:
    """Where a partitioned parameter belongs, if its mesh is known."""
    if not isinstance(box, nn.Partitioned):
        return None
    mesh = box.mesh if box.mesh is not None else jax.sharding.get_abstract_mesh()
    spec = box.get_partition_spec()
    axes = {name for entry in spec for name in (entry if isinstance(entry, tuple) else (entry,))}
    if mesh.empty or not axes - {None} <= set(mesh.axis_names):
        return None
    return NamedSharding(mesh, spec)


class _Seen:
    """The modules that ran, in order, and the shapes of their variables at every level."""

    def __init__(self) -> None:
        self.modules: dict[Names, nn.Module] = {}
        self.shapes: dict[Names, dict[Path, set[tuple[int, ...]]]] = defaultdict(
            lambda: defaultdict(set)
        )

    def intercept(
        self, call: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext
    ) -> Any:
        module = context.module
        # Constructors of lifted classes come by as lambdas of modules that are bound to nothing.
        is_bound = module.scope is not None and context.method_name != "<lambda>"
        if is_bound:
            self.modules.setdefault(module.path, module)
        result = call(*args, **kwargs)
        if is_bound:
            self.modules[module.path] = module
            for path, leaf in _flat(dict(module.variables)).items():
                collection, *names = path
                shape = tuple(_unboxed(leaf).shape)
                self.shapes[module.path][(collection, *module.path, *names)].add(shape)
        return result

    def found(
        self, targets: Mapping[Path, Target], probe: Callable[[list[Path]], dict[Path, Any]]
    ) -> list[Found]:
        """Every array in one layer, in the order in which the modules ran."""
        doubtful = [
            p for p, target in targets.items() if is_ambiguous(target.shape, self._levels(p))
        ]
        known = {
            path: [axis for axis in range(array.ndim) if _is_constant(np.asarray(array), axis)]
            for path, array in (probe(doubtful) if doubtful else {}).items()
        }
        arrays = {
            path: self._array(path, target, known.get(path, ())) for path, target in targets.items()
        }
        free = dict(arrays)
        found = []
        for names, module in self.modules.items():
            if _source(module) in UNKNOWN_CELLS:
                # Not as the Dense and Conv that they are made of.
                below = {a.names[len(names) :]: a for a in _below(names, free)}
                free = {path: a for path, a in free.items() if a not in below.values()}
                found.append(Found(names, _source(module), below))
            for at, base, claim in _claims(module, names, free):
                taken = {rest: self._at(free, base, rest) for rest in claim.pieces}
                for array in taken.values():
                    del free[array.path]
                found.append(Found(at, _source(module), taken, claim))
        order = {names: index for index, names in enumerate(self.modules)}
        rest: dict[Names, dict[Names, Array]] = defaultdict(dict)
        for path, array in free.items():
            owner = self._owner(path)
            rest[owner][path[1 + len(owner) :]] = array
        for names, own in rest.items():
            source = _source(self.modules[names]) if names in self.modules else "variables"
            found.append(Found(names, source, own))
        return sorted(found, key=lambda each: order.get(each.names, len(order)))

    def _owner(self, path: Path) -> Names:
        """The deepest module that ran above an array."""
        names = path[1:-1]
        while names and names not in self.modules:
            names = names[:-1]
        return names

    @staticmethod
    def _at(free: Mapping[Path, Array], base: Names, rest: Names) -> Array:
        return next(array for array in free.values() if array.names == (*base, *rest))

    def _levels(self, path: Path) -> list[set[tuple[int, ...]]]:
        """The shapes that the modules above an array saw, from the model to its owner."""
        owner = self._owner(path)
        seen = (self.shapes.get(owner[:length], {}) for length in range(len(owner) + 1))
        return [level.get(path, set()) for level in seen]

    def _array(self, path: Path, target: Target, known: Sequence[int]) -> Array:
        shape, stack = stacks_of(target.shape, self._levels(path), known)
        return Array(path, path[1:], shape, target.dtype, stack)


def _is_constant(array: Any, axis: int) -> bool:
    return bool((array == np.take(array, [0], axis)).all())


def _source(module: nn.Module) -> str:
    for cls in type(module).__mro__:
        if cls.__module__.startswith("flax.linen."):
            return cls.__name__ if cls is not nn.Module else type(module).__name__
    return type(module).__name__


def _claims(
    module: nn.Module, names: Names, free: Mapping[Path, Array]
) -> list[tuple[Names, Names, Claim]]:
    """What a module is in torch: where it is listed, what its arrays are below, and the claim."""
    source = _source(module)
    if source in ("RNN", "Bidirectional"):
        return _recurrent(module, names, source, free)
    if source == "WeightNorm":
        return _weight_norm(module, names, free)
    shapes = _shapes_below(names, free)
    claim = None
    if not shapes:
        return []
    if source in CELLS:
        claim = cell_claim(source, shapes)
    elif source in CLAIMS:
        claim = CLAIMS[source](module, shapes)
    return [] if claim is None else [(names, names, claim)]


def _shapes_below(names: Names, free: Mapping[Path, Array]) -> dict[Names, tuple[int, ...]]:
    return {array.names[len(names) :]: array.shape for array in _below(names, free)}


def _below(names: Names, free: Mapping[Path, Array]) -> list[Array]:
    return [array for array in free.values() if array.names[: len(names)] == names]


def _recurrent(
    module: Any, names: Names, source: str, free: Mapping[Path, Array]
) -> list[tuple[Names, Names, Claim]]:
    """A cell that is run over a sequence, in one direction or in two."""
    runs = [module] if source == "RNN" else [module.forward_rnn, module.backward_rnn]
    cells = [run.cell for run in runs]
    bases = [cell.path for cell in cells]
    common = _common(bases)
    pieces: dict[Names, Any] = {}
    claim = None
    for cell, base, suffix in zip(cells, bases, ("_l0", "_l0_reverse"), strict=False):
        shapes = _shapes_below(base, free)
        claim = cell_claim(_source(cell), shapes, suffix, base[len(common) :]) if shapes else None
        if claim is None:
            return []
        pieces |= claim.pieces
    assert claim is not None
    sizes = {**claim.hyperparameters, "num_layers": 1, "bidirectional": len(runs) == 2}
    at = common if len(bases) == 1 else names
    return [(at, common, replace(claim, hyperparameters=sizes, pieces=pieces))]


def _weight_norm(
    module: Any, names: Names, free: Mapping[Path, Array]
) -> list[tuple[Names, Names, Claim]]:
    """The layer in it and its own scale, as one layer; listed where the layer is."""
    at = module.layer_instance.path
    claims = _claims(module.layer_instance, at, free)
    if [base for _, base, _ in claims] != [at]:
        return []
    common = _common([names, at])
    inside, outside = at[len(common) :], names[len(common) :]
    own = [rest for rest in _shapes_below(names, free) if (*names, *rest)[: len(at)] != at]
    claim = weight_norm_claim(module, claims[0][2], inside, outside, own)
    return [] if claim is None else [(at, common, claim)]


def _common(paths: Sequence[Names]) -> Names:
    common = paths[0]
    for path in paths[1:]:
        while path[: len(common)] != common:
            common = common[:-1]
    return common
