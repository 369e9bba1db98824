"""Finding the modules of a Haiku function, and putting arrays back where they were found."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from fanwise.frameworks.claims import Array, Found, layers_of
from fanwise.frameworks.drawing import Target
from fanwise.frameworks.haiku_layers import claim_of, source_of
from fanwise.layers import Layer
from fanwise.typing import Key

__all__ = ["Traced", "flat", "rebuilt", "trace"]

Names: TypeAlias = tuple[str, ...]
Path: TypeAlias = tuple[str, ...]
"""``params`` or ``state``, the module as Haiku names it, and the name below it."""


@dataclass(frozen=True)
class Traced:
    """What is known of a function without computing anything.

    Args:
        variables: ``{"params": ...}``, and ``"state"`` if there is one, abstractly.
        seen: the modules that made them.
        compute: init of a key, compiled for the paths asked for.
    """

    variables: Mapping[str, Any]
    seen: "_Seen"
    compute: Callable[[Key, list[Path]], dict[Path, Any]]

    def targets(self) -> dict[Path, Target]:
        """The arrays that a rule can speak of."""
        return {
            path: Target(tuple(leaf.shape), np.dtype(leaf.dtype))
            for path, leaf in flat(self.variables).items()
            if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        }

    def layers(self) -> list[Layer]:
        """Every array in one layer, in order of execution."""
        return layers_of(self.seen.found(self.targets()))

    def of(self, params: Any) -> "Traced":
        """The same for parameters that the user has, and without the state.

        Raises:
            ValueError: if they are not those of the function.
        """
        given = flat({"params": params})
        own = {path: leaf for path, leaf in flat(self.variables).items() if path[0] == "params"}
        wrong = [f"{'/'.join(path[1:])}: missing" for path in own if path not in given]
        wrong += [f"{'/'.join(path[1:])}: not known" for path in given if path not in own]
        wrong += [
            f"{'/'.join(path[1:])}: {tuple(own[path].shape)}, got {tuple(np.shape(leaf))}"
            for path, leaf in given.items()
            if path in own and tuple(np.shape(leaf)) != tuple(own[path].shape)
        ]
        if wrong:
            raise ValueError(
                "params are not those of the function with these inputs:\n  " + "\n  ".join(wrong)
            )
        return replace(self, variables={"params": params})


def flat(variables: Any) -> dict[Path, Any]:
    """Leaves by path."""
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    return {_path(path): leaf for path, leaf in leaves}


def rebuilt(variables: Any, arrays: Mapping[Path, Any]) -> Any:
    """``variables`` with some arrays in others' place."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: arrays.get(_path(path), leaf), variables
    )


def _path(path: Sequence[Any]) -> Path:
    return tuple(str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", k)))) for k in path)


def trace(transformed: Any, key: Any, inputs: Sequence[Any]) -> Traced:
    """Trace ``transformed.init`` and describe what was seen."""
    if not callable(getattr(transformed, "init", None)):
        raise TypeError(
            f"transformed must be what hk.transform or hk.transform_with_state gives, got "
            f"{transformed!r} of type {type(transformed).__name__}"
        )
    values, treedef = jax.tree.flatten(tuple(inputs))
    is_array = [isinstance(v, jax.Array | np.ndarray | jax.ShapeDtypeStruct) for v in values]
    arrays = [value for value, array in zip(values, is_array, strict=True) if array]
    has_state = isinstance(transformed, hk.TransformedWithState | hk.MultiTransformedWithState)

    def run(key: Key, arrays: Sequence[Any]) -> Any:
        given = iter(arrays)
        merged = [next(given) if array else v for v, array in zip(values, is_array, strict=True)]
        made = transformed.init(key, *jax.tree.unflatten(treedef, merged))
        return {"params": made[0], "state": made[1]} if has_state else {"params": made}

    if key is None:
        key = jax.eval_shape(lambda: jax.random.key(0))
    seen = _Seen()
    with hk.intercept_methods(seen.intercept):
        variables = jax.eval_shape(run, key, arrays)

    def compute(key: Key, paths: list[Path]) -> dict[Path, Any]:
        def chosen(key: Key, arrays: Sequence[Any]) -> dict[Path, Any]:
            made = flat(run(key, arrays))
            return {path: made[path] for path in paths}

        concrete = [
            jnp.zeros(a.shape, a.dtype) if isinstance(a, jax.ShapeDtypeStruct) else a
            for a in arrays
        ]
        return dict(jax.jit(chosen)(key, concrete))

    return Traced(variables, seen, compute)


@dataclass(frozen=True)
class _Made:
    """How an array was made.

    Args:
        shape: as the module asked for it, without the axes of a stack.
        prefix: of the names of a module that is lifted, as ``hk.layer_stack`` does.
    """

    shape: tuple[int, ...]
    prefix: str


class _Seen:
    """The modules that made arrays, and those that they ran in, in order."""

    def __init__(self) -> None:
        self.active: list[Any] = []
        self.modules: dict[Names, Any] = {}
        self.made: dict[Path, _Made] = {}
        self.given: list[hk.Module] = []

    def intercept(self, call: Any, args: Any, kwargs: Any, context: hk.MethodContext) -> Any:
        if isinstance(context.module, hk.Embed) and context.method_name == "__init__":
            matrix = kwargs.get("embedding_matrix", args[2] if len(args) > 2 else None)
            if matrix is not None:
                self.given.append(context.module)  # a table from elsewhere, which is to stay
        is_outermost = not self.active
        self.active.append(context.module)
        try:
            if not is_outermost:
                return call(*args, **kwargs)
            with (
                hk.custom_creator(self._creator("params")),
                hk.custom_creator(self._creator("state"), params=False, state=True),
            ):
                return call(*args, **kwargs)
        finally:
            self.active.pop()

    def _creator(self, collection: str) -> Any:
        def create(next_creator: Any, shape: Any, dtype: Any, init: Any, context: Any) -> Any:
            prefix = context.lifted_prefix_name or ""
            for module in (*self.active, context.module):
                name = getattr(module, "module_name", None)
                if name is not None and context.full_name.startswith(f"{name}/"):
                    self.modules.setdefault(tuple(f"{prefix}{name}".split("/")), module)
            path = (collection, f"{prefix}{context.module_name}", context.name)
            self.made.setdefault(path, _Made(tuple(context.original_shape), prefix))
            return next_creator(shape, dtype, init)

        return create

    def found(self, targets: Mapping[Path, Target]) -> list[Found]:
        """Every array in one layer, in the order in which they were made."""
        arrays = self._arrays(targets)
        free = dict(arrays)
        found: list[tuple[int, Found]] = []
        order = {path: position for position, path in enumerate(self.made)}
        names_of = {array.path: names for names, array in arrays.items()}

        def first(taken: Mapping[Names, Array]) -> int:
            return min(order.get(array.path, len(order)) for array in taken.values())

        inside: dict[Names, list[Names]] = defaultdict(list)
        for names in arrays:
            for length in range(len(names)):
                inside[names[:length]].append(names)
        # Outer modules before those that they are made of.
        for base in sorted(self.modules, key=len):
            module = self.modules[base]
            if any(module is each for each in self.given):
                continue
            below = {names[len(base) :]: free[names] for names in inside[base] if names in free}
            claim = claim_of(module, {rest: array.shape for rest, array in below.items()})
            if claim is None:
                continue
            taken = {rest: below[rest] for rest in claim.pieces}
            if len({array.stack for array in taken.values()}) > 1:
                continue
            for array in taken.values():
                del free[names_of[array.path]]
            found.append((first(taken), Found(base, source_of(module), taken, claim)))
        groups: dict[tuple[Names, Any], dict[Names, Array]] = defaultdict(dict)
        for names, array in free.items():
            owner = self._owner(names, array)
            groups[owner, array.stack][names[len(owner) :]] = array
        for (owner, _), own in groups.items():
            module = self.modules.get(owner)
            source = "variables" if module is None else source_of(module)
            found.append((first(own), Found(owner, source, own)))
        return [each for _, each in sorted(found, key=lambda entry: entry[0])]

    def _owner(self, names: Names, array: Array) -> Names:
        """The module that Haiku keeps an array with; nothing for those outside of modules."""
        owner = tuple(array.path[1].split("/"))
        return () if owner == ("~",) else owner

    def _arrays(self, targets: Mapping[Path, Target]) -> dict[Names, Array]:
        arrays: dict[Names, Array] = {}
        for path, target in targets.items():
            names = (*path[1].split("/"), *path[2:])
            if names in arrays:
                names = (*names[:-1], f"{names[-1]}@{path[0]}")  # state of a parameter's name
            shape, stack = self._unstacked(path, target.shape)
            arrays[names] = Array(path, names, shape, target.dtype, stack)
        return arrays

    def _unstacked(
        self, path: Path, shape: tuple[int, ...]
    ) -> tuple[tuple[int, ...], tuple[tuple[int, int, int], ...]]:
        """The shape that the module asked for, and the axes that lifting put in front."""
        made = self.made.get(path[:3])
        if made is None or not made.prefix:
            return shape, ()
        depth = len(shape) - len(made.shape)
        if depth <= 0 or shape[depth:] != made.shape:
            return shape, ()
        # Each lifting puts one name and one axis in front.
        names = len(made.prefix.strip("/").split("/"))
        ats = (max(names - depth + 1 + level, 1) for level in range(depth))
        return made.shape, tuple((0, size, at) for size, at in zip(shape, ats, strict=False))
