"""The variables of a model as torch's state dict."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fanwise.porting.assemble import assembled
from fanwise.porting.convert import Array, hub_arrays
from fanwise.porting.correspondence import Correspondence, Pair
from fanwise.porting.given import given_arrays
from fanwise.porting.weights_lost import is_count, not_carried

__all__ = ["state_dict"]


def state_dict(variables: Any, correspondence: Correspondence) -> dict[str, Array]:
    """The variables of a model under torch's names and in torch's shapes.

    The way back of :func:`fanwise.port.weights`, to the bit. Where the model has one bias for two
    of torch's, the first of them, ``bias_ih``, is all of it and ``bias_hh`` is zero, so that torch
    computes the same.

    Args:
        variables: linen's variables, boxes of partitioned parameters or not; an nnx model or its
            state; or what :func:`fanwise.port.weights` gives.
        correspondence: of :func:`fanwise.port.match`.

    Returns:
        A numpy array for each name in torch's state dict, ties under all their names, counts of
        batches 0. ``module.load_state_dict({name: torch.from_numpy(array) for name, array in
        ...})`` takes it. numpy has no bfloat16 that torch knows: there
        ``torch.from_numpy(array.view("uint16")).view(torch.bfloat16)``. Buffers that the model
        has no array for, ``correspondence.unused``, are left out: put the arrays over those of
        ``module.state_dict()``.

    Raises:
        TypeError: if the variables are none of these.
        ValueError: if they are not those of the model that was matched, if torch has parameters
            of which the model has nothing, or if tied tensors differ here.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from flax import linen
        >>> import fanwise as fw
        >>> from fanwise.layers import Layer, Leaf, Piece
        >>> model, x = linen.Dense(2, use_bias=False), jnp.zeros((1, 3))
        >>> weight = Leaf("weight", "weight", (2, 3), np.dtype("f4"), (Piece("weight"),))
        >>> torch = Layer("", "Linear", {}, {"weight": (2, 3)}, leaves=(weight,))
        >>> correspondence = Correspondence((Pair(torch, *fw.linen.layers(model, x)),))
        >>> state_dict(model.init(jax.random.key(0), x), correspondence)["weight"].shape
        (2, 3)
    """
    pairs = correspondence.pairs
    _verify(pairs)
    paths = dict.fromkeys(leaf.path for pair in pairs for leaf in pair.flax.leaves)
    arrays = given_arrays(variables, paths)

    def hub(index: int) -> Mapping[str, Array]:
        pair = pairs[index]
        counts = {
            name: np.zeros(shape, np.int64)
            for name, shape in pair.torch.shapes.items()
            if name not in pair.flax.shapes
        }
        own = {leaf.path: _host(arrays[leaf.path]) for leaf in pair.flax.leaves}
        return {**hub_arrays(pair.flax, own), **counts}

    result: dict[str, Array] = {}
    for name, array in assembled([pair.torch for pair in pairs], hub):
        _put(result, name, array)
    for name, first in correspondence.ties.items():
        if first in result:
            # Its own copy, as torch takes what it gets as its memory.
            _put(result, name, result[first].copy())
    return result


def _verify(pairs: tuple[Pair, ...]) -> None:
    lines = [
        f"{name} ({pair.flax.source} {pair.flax.path or '.'})"
        for pair in pairs
        for name in not_carried(pair)
        if not is_count(name)
    ]
    if lines:
        raise ValueError(
            "torch has parameters of which the model has nothing, and which therefore have no "
            "value here: " + ", ".join(sorted(lines))
        )


def _host(array: Any) -> Array:
    if not getattr(array, "is_fully_addressable", True):
        raise ValueError(
            "variables must be on devices of this process; gather them first, with "
            "jax.experimental.multihost_utils.process_allgather"
        )
    return np.asarray(array)


def _put(result: dict[str, Array], name: str, array: Array) -> None:
    """Set an array of the result, once or several times alike."""
    if name not in result:
        result[name] = array
    elif not np.array_equal(result[name], array):
        raise ValueError(
            f"{name} is one tensor in torch, and the arrays that it would be here differ; tie them"
        )
