"""linen's side of the pairs."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fanwise.frameworks import linen
from fanwise.layers import Layer
from parity.conversions_compare import Framework
from parity.conversions_pair import Array, Pair

__all__ = ["LINEN", "nested"]

# Draws of the module's own init, from which its default is read off.
_DRAWS = 400


def nested(arrays: dict[tuple[str, ...], Any]) -> dict[str, Any]:
    """The tree of arrays by path."""
    tree: dict[str, Any] = {}
    for (*outer, name), array in arrays.items():
        branch = tree
        for part in outer:
            branch = branch.setdefault(part, {})
        branch[name] = jnp.asarray(array)
    return tree


def _layers(pair: Pair, inputs: Sequence[Array]) -> list[Layer]:
    assert pair.linen is not None
    return linen.layers(pair.linen(), *map(jnp.asarray, inputs))


def _run(pair: Pair, arrays: Any, inputs: Sequence[Array]) -> Array:
    assert pair.linen is not None
    result: Any = pair.linen().apply(
        nested(arrays), *map(jnp.asarray, inputs), mutable=["batch_stats"]
    )
    return np.asarray(pair.output(result[0]))


def _own(pair: Pair, inputs: Sequence[Array]) -> dict[Any, Array]:
    assert pair.linen is not None
    module = pair.linen()
    keys = jax.random.split(jax.random.key(0), _DRAWS)
    given = [jnp.asarray(array) for array in inputs]
    drawn = jax.jit(jax.vmap(lambda key: module.init(key, *given)))(keys)
    flat = jax.tree_util.tree_leaves_with_path(drawn)
    return {tuple(part.key for part in path): np.asarray(array) for path, array in flat}


LINEN = Framework("linen", _layers, _run, _own)
