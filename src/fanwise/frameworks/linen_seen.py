"""Watching a linen model's modules run, abstractly, and sorting their arrays into layers."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from fanwise.frameworks.claims import Array, Found
from fanwise.frameworks.drawing import Target
from fanwise.frameworks.flax_cells import UNKNOWN_CELLS
from fanwise.frameworks.linen_claims import below, claims_of, layer_class, source_of
from fanwise.frameworks.linen_tree import Names, Path, flat, replaced, unboxed
from fanwise.frameworks.stacking import is_ambiguous, is_stack, stacks_of

__all__ = ["Seen", "mark"]


# Where Flax's own layers keep what torch has as well.
COLLECTIONS = ("params", "batch_stats")


class Seen:
    """The modules that ran, in order, and the shapes of their variables at every level."""

    def __init__(self) -> None:
        # By path; where scopes are shared several modules have the same.
        self.modules: dict[Names, list[nn.Module]] = {}
        self.shapes: dict[Names, dict[Path, set[tuple[int, ...]]]] = defaultdict(
            lambda: defaultdict(set)
        )

    def intercept(
        self, call: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext
    ) -> Any:
        """What ``nn.intercept_methods`` calls around every method of a module."""
        module = context.module
        # Constructors of lifted classes come by as lambdas of modules that are bound to nothing.
        is_bound = module.scope is not None and context.method_name != "<lambda>"
        if is_bound:
            self.modules.setdefault(module.path, [])
        result = call(*args, **kwargs)
        if is_bound:
            same = [m for m in self.modules[module.path] if type(m) is not type(module)]
            self.modules[module.path] = [*same, module]
            for path, leaf in flat(dict(module.variables)).items():
                collection, *names = path
                shape = tuple(unboxed(leaf).shape)
                self.shapes[module.path][(collection, *module.path, *names)].add(shape)
        return result

    def found(
        self, targets: Mapping[Path, Target], probe: Callable[[list[Path]], dict[Path, Any]]
    ) -> list[Found]:
        """Every array in one layer, in the order in which the modules ran."""
        doubtful = [
            path
            for path, target in targets.items()
            if is_stack(target.shape, self._levels(path))
            and is_ambiguous(target.shape, self._levels(path))
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
        for names, module in self._each():
            if layer_class(module) in UNKNOWN_CELLS:
                # Not as the Dense and Conv that they are made of.
                taken = {array.names[len(names) :]: array for array in below(names, free)}
                free = {path: array for path, array in free.items() if array not in taken.values()}
                found.append(Found(names, source_of(module), taken))
            for at, base, claim in claims_of(module, names, free):
                taken = {rest: self._at(free, base, rest) for rest in claim.pieces}
                for array in taken.values():
                    del free[array.path]
                found.append(Found(at, source_of(module), taken, claim))
        order = {names: index for index, names in enumerate(self.modules)}
        rest: dict[Names, dict[Names, Array]] = defaultdict(dict)
        for path, array in free.items():
            owner = self._owner(path)
            rest[owner][array.names[len(owner) :]] = array
        for names, own in rest.items():
            # The last to end is the one around the others.
            source = source_of(self.modules[names][-1]) if self.modules.get(names) else "variables"
            found.append(Found(names, source, own))
        return sorted(found, key=lambda each: order.get(each.names, len(order)))

    def _each(self) -> Iterator[tuple[Names, nn.Module]]:
        for names, modules in self.modules.items():
            for module in modules:
                yield names, module

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
        levels = self._levels(path)
        collection, *names = path
        shape: tuple[int, ...] = target.shape
        stack: tuple[tuple[int, int, int], ...] = ()
        if is_stack(target.shape, levels):
            shape, stack = stacks_of(target.shape, levels, known)
        else:
            # nn.map_variables: what is kept is not what the layer sees, and so not torch's.
            names[-1] = f"{names[-1]}@mapped"
        if collection not in COLLECTIONS:
            # Another collection may have a variable of the same name.
            names[-1] = f"{names[-1]}@{collection}"
        return Array(path, tuple(names), shape, target.dtype, stack)


def _is_constant(array: Any, axis: int) -> bool:
    return bool((array == np.take(array, [0], axis)).all())


def mark(
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
        value = unboxed(box)
        marks = jnp.zeros(value.shape, jnp.int32)
        for axis in range(value.ndim):
            marks += jax.lax.broadcasted_iota(jnp.int32, value.shape, axis) % 2
        marks = marks.astype(value.dtype)
        module.put_variable(collection, name, replaced(box, marks))
    return result
