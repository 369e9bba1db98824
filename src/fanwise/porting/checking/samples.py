"""Draws of a Flax model's arrays by anybody's code, for as many keys as each array needs."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from fanwise.layers import Layer
from fanwise.typing import Key

__all__ = ["FlaxModel", "draws_of", "flax_model"]

Array = npt.NDArray[Any]
Path = Any

# Numbers of keys: two show what a key changes, and small arrays need many to be known well.
# More than _LOOPED are drawn in one compiled loop.
_KEYS = (2, 8, 64, 512)

_LOOPED = 8

# Up to this many elements it takes longer to compile well than to run badly.
_SHORT = 2**24

# Where the code cannot be compiled everything is drawn each time.
_EAGER_KEYS = 8


@dataclass(frozen=True)
class FlaxModel:
    """A model and how it is started.

    Args:
        layers: its layers.
        draw: from a key to its arrays by path.
        takes_jit: whether ``draw`` may be tried under jit.
    """

    layers: tuple[Layer, ...]
    draw: Callable[[Key], Mapping[Path, Any]]
    takes_jit: bool = True


def flax_model(
    flax: Any,
    inputs: Sequence[Any],
    options: Mapping[str, Any],
    init: Callable[[Key], Any] | None,
) -> FlaxModel:
    """Read a linen module, a function that builds an nnx model, or a list of layers.

    Args:
        flax: a linen module, a function of ``nnx.Rngs``, or layers.
        inputs: of a linen module.
        options: keyword arguments of the linen module's call.
        init: from a key to variables, an nnx model or its state; what the model itself does if
            None.

    Raises:
        TypeError: if it is none of these.
        ValueError: for layers without ``init``, or inputs that are not used.
    """
    from flax import linen as nn

    if isinstance(flax, nn.Module):
        from fanwise.frameworks import linen

        module: Any = flax
        own = init or (lambda key: module.init(key, *inputs, **options))
        layers = linen.layers(flax, *inputs, **options)
        return FlaxModel(tuple(layers), lambda key: _by_path(own(key)))
    if inputs or options:
        raise ValueError(
            f"inputs are for linen modules, whose layers they decide; got {len(inputs)} and "
            f"{', '.join(options) or 'no options'} with {type(flax).__name__}; leave them out"
        )
    if isinstance(flax, Sequence) and all(isinstance(layer, Layer) for layer in flax):
        if init is None:
            raise ValueError("layers alone draw nothing; give init=, a function of a key")
        return FlaxModel(tuple(flax), lambda key: _by_path(init(key)))
    from flax import nnx

    from fanwise.frameworks import nnx as adapter

    if not callable(flax) or isinstance(flax, nnx.Module):
        raise TypeError(
            f"flax must be a linen module, a function of nnx.Rngs that builds an nnx model, or "
            f"layers, got {flax!r} of type {type(flax).__name__}; pass "
            f"lambda rngs: Model(rngs=rngs)"
        )
    start = init or (lambda key: flax(nnx.Rngs(key)))
    return FlaxModel(tuple(adapter.layers(flax)), lambda key: _by_path(start(key)))


def _by_path(made: Any) -> dict[Path, Any]:
    """Arrays by the paths that leaves have: of variables, of a model or of its state."""
    from flax import nnx

    if isinstance(made, nnx.Module):
        made = nnx.state(made)
    if isinstance(made, nnx.State):
        from fanwise.frameworks.nnx_tracing import raw

        flat = nnx.to_flat_state(made)
        return {path: value for path, leaf in flat if _is_array(value := raw(leaf))}
    if isinstance(made, Mapping) and all(isinstance(path, tuple) for path in made):
        return dict(made)
    return dict(_flat(made, ()))


def _flat(tree: Any, path: tuple[Any, ...]) -> Iterator[tuple[Path, Any]]:
    """The arrays of nested mappings, whose keys are numbers where nnx has lists."""
    from fanwise.frameworks.linen_tree import unboxed

    if isinstance(tree, Mapping):
        for name, branch in tree.items():
            yield from _flat(branch, (*path, name))
    else:
        yield path, unboxed(tree)


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and not jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def draws_of(
    model: FlaxModel, key: Key, sizes: Mapping[Path, int], samples: int
) -> dict[Path, Array]:
    """Draw arrays for as many keys as make ``samples`` values of each, from 2 to 512.

    Under jit, so that large arrays are not drawn where only small ones are asked for; as it is
    where the code cannot be traced, or draws from generators that jit would freeze.

    Args:
        model: the model.
        key: the root of all keys.
        sizes: elements of each array wanted, by path.
        samples: the number of values aimed at.

    Returns:
        Arrays by path, of shape (keys, ...).

    Raises:
        ValueError: naming the arrays that the model's init does not give.
    """
    keys = [jax.random.fold_in(key, index) for index in range(_KEYS[-1])]
    groups: dict[int, list[Path]] = {count: [] for count in _KEYS}
    for path, size in sizes.items():
        enough = (count for count in _KEYS if count * size >= samples)
        groups[next(enough, _KEYS[-1])].append(path)
    if model.takes_jit:
        compiled = _compiled(model, keys, groups, sizes)
        if compiled is not None:
            return compiled
    made = [_chosen(model.draw(own), list(sizes)) for own in keys[:_EAGER_KEYS]]
    return {path: np.stack([each[path] for each in made]) for path in sizes}


def _compiled(
    model: FlaxModel,
    keys: Sequence[Key],
    groups: Mapping[int, list[Path]],
    sizes: Mapping[Path, int],
) -> dict[Path, Array] | None:
    """The draws, or None where the code cannot be compiled."""
    before = _host_generators()
    found: dict[Path, Array] = {}
    try:
        for count, paths in groups.items():
            if not paths:
                continue
            found |= zip(paths, _drawn(model, paths, keys[:count], sizes), strict=True)
            if _host_generators() != before:
                return None  # numbers that were drawn while tracing are the same for every key
    except (jax.errors.JAXTypeError, jax.errors.UnexpectedTracerError):
        return None
    return found


def _drawn(
    model: FlaxModel, paths: Sequence[Path], keys: Sequence[Key], sizes: Mapping[Path, int]
) -> list[Array]:
    every = list(sizes)
    elements = sum(sizes[path] for path in paths)

    def draw(key: Key) -> list[Any]:
        # All are looked for, so that all that are missing are named at once.
        found = dict(zip(every, _picked(model.draw(key), every), strict=True))
        return [found[path] for path in paths]

    options: Any = None
    if jax.default_backend() == "cpu" and elements * len(keys) < _SHORT:
        options = {"xla_backend_optimization_level": 0}
    if len(keys) > _LOOPED:
        looped = jax.jit(lambda keys: jax.lax.map(draw, keys), compiler_options=options)
        return [np.asarray(arrays) for arrays in looped(jnp.stack(keys))]
    compiled = jax.jit(draw, compiler_options=options)
    made = [[np.asarray(array) for array in compiled(key)] for key in keys]
    return [np.stack(arrays) for arrays in zip(*made, strict=True)]


def _host_generators() -> tuple[Any, ...]:
    state: Any = np.random.get_state(legacy=True)  # noqa: NPY002 (it is the user's own)
    return (random.getstate(), state[0], state[1].tobytes(), state[2:])


def _chosen(arrays: Mapping[Path, Any], paths: Sequence[Path]) -> dict[Path, Array]:
    picked = _picked(arrays, paths)
    return {path: np.asarray(array) for path, array in zip(paths, picked, strict=True)}


def _picked(arrays: Mapping[Path, Any], paths: Sequence[Path]) -> list[Any]:
    """The arrays asked for; the collection of parameters may be left out, or be all there is."""
    found, missing = [], []
    for path in paths:
        for name in (path, path[1:] if isinstance(path, tuple) and path[:1] == ("params",) else ()):
            if name in arrays:
                found.append(arrays[name])
                break
        else:
            missing.append(path)
    if missing:
        names = ", ".join("/".join(map(str, path)) for path in missing[:8])
        raise ValueError(
            f"init gives no array for {len(missing)} of the model's, among them {names}; it must "
            f"return all variables of the model, as model.init does"
        )
    return found
