"""nnx's side of the pairs."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx as flax_nnx

from fanwise.frameworks import nnx
from fanwise.layers import Layer
from parity.conversions_compare import Framework
from parity.conversions_pair import Array, Pair

__all__ = ["NNX"]

# Draws of the module's own init, from which its default is read off.
_DRAWS = 400


def _layers(pair: Pair, inputs: Sequence[Array]) -> list[Layer]:
    assert pair.nnx is not None
    return nnx.layers(pair.nnx)


def _run(pair: Pair, arrays: Any, inputs: Sequence[Array]) -> Array:
    assert pair.nnx is not None
    return np.asarray(pair.output(_filled(pair.nnx, arrays)(*map(jnp.asarray, inputs))))


def _filled(build: Any, arrays: Any) -> Any:
    """The module with these arrays."""
    # Abstract, since its own init would be thrown away.
    model: Any = flax_nnx.eval_shape(lambda: build(flax_nnx.Rngs(0)))
    abstract = flax_nnx.to_flat_state(flax_nnx.state(model))
    if arrays.keys() - dict(abstract).keys():
        # WeightNorm's scales, which are no Variables, are lost in abstract modules.
        model = build(flax_nnx.Rngs(0))
        abstract = flax_nnx.to_flat_state(flax_nnx.state(model))
    state = {path: jnp.asarray(array) for path, array in arrays.items()}
    rest = {path: leaf.get_value() for path, leaf in abstract if path not in state}
    state |= {path: _of_generator(leaf) for path, leaf in rest.items()}
    flax_nnx.update(model, flax_nnx.from_flat_state(list(state.items())))
    return model


def _of_generator(leaf: Any) -> jax.Array:
    """The state of nnx's random generators: a key and a count."""
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.key(0) if is_key else jnp.zeros(leaf.shape, leaf.dtype)


def _own(pair: Pair, inputs: Sequence[Array]) -> dict[Any, Array]:
    assert pair.nnx is not None
    build = pair.nnx

    def draw(key: jax.Array) -> Any:
        state = flax_nnx.to_flat_state(flax_nnx.state(build(flax_nnx.Rngs(key))))
        return [(getattr(leaf, "get_value", lambda leaf=leaf: leaf)()) for _, leaf in state]

    paths = [path for path, _ in flax_nnx.to_flat_state(flax_nnx.state(build(flax_nnx.Rngs(0))))]
    drawn = jax.jit(jax.vmap(draw))(jax.random.split(jax.random.key(0), _DRAWS))
    return {
        path: np.asarray(array)
        for path, array in zip(paths, drawn, strict=True)
        if not jnp.issubdtype(array.dtype, jax.dtypes.prng_key)
    }


NNX = Framework("nnx", _layers, _run, _own)
