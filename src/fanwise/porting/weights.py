"""torch's weights as the variables of another framework's model."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from fanwise.layers import Layer
from fanwise.porting.assemble import assembled
from fanwise.porting.convert import Array, hub_array
from fanwise.porting.correspondence import Correspondence
from fanwise.porting.read import Source, opened
from fanwise.porting.variables import Sharding, placed, shapes_of, sharding_of, tree_of
from fanwise.porting.weights_verify import verified
from fanwise.typing import DTypeLike

__all__ = ["weights"]


def weights(
    state_dict: Mapping[str, Any] | str | Path | Any,
    correspondence: Correspondence,
    *,
    dtype: DTypeLike | None = None,
    lossy: Collection[str] = (),
    sharding: Sharding = None,
) -> dict[Any, Any]:
    """The weights of a torch model as variables.

    Everything is verified before anything is converted; nothing is returned of what does not fit.
    Then one tensor after the other is read, rearranged and placed. Values are moved and not
    computed: they keep their bits, but where torch has two biases that are one here, which is
    their sum.

    Args:
        state_dict: torch's state dict, of torch, numpy or JAX; a torch module; the path of a
            ``.safetensors`` file, of the ``.safetensors.index.json`` of several, of a ``.pt``
            (``.pth``, ``.bin``) file, or of a folder with one of them. No code in a file is run.
        correspondence: of :func:`fanwise.port.match`.
        dtype: None if tensors have the dtypes of the model's arrays; ``"keep"`` for the dtypes
            that are stored, ``"model"`` for those of the model, or one dtype for all
            floating-point arrays. Integers always have the model's.
        lossy: layers of which values may be dropped for which there is no place: torch's names or
            Flax's, ``"."`` for the model itself. A hidden bias of zeros is no loss, and needs no
            permission.
        sharding: None for the default device; a sharding for all, a function of an array's path
            and shape that gives one, or a tree of them like the variables.

    Returns:
        Nested dictionaries by the paths of the arrays. For linen they are what ``model.apply``
        takes, ``{"params": ..., "batch_stats": ...}``, without boxes of partitioned parameters.
        For nnx, ``nnx.update(model, variables)`` puts them into the model; random states are not
        among them.

    Raises:
        ValueError: with a line for each name that is missing or not expected, each wrong shape
            and dtype, each tensor with NaN or too large for the dtype, tied tensors that differ,
            and values for which there is no place. Infinities are values like others.
        FileNotFoundError, TypeError, ImportError: if ``state_dict`` cannot be read.

    Example:
        >>> import jax.numpy as jnp, numpy as np
        >>> from flax import linen
        >>> import fanwise as fw
        >>> from fanwise.layers import Layer, Leaf, Piece
        >>> from fanwise.porting import Pair
        >>> model, x = linen.Dense(2), jnp.zeros((1, 3))
        >>> weight = Leaf("weight", "weight", (2, 3), np.dtype("f4"), (Piece("weight"),))
        >>> bias = Leaf("bias", "bias", (2,), np.dtype("f4"), (Piece("bias"),))
        >>> torch = Layer("", "Linear", {}, {"weight": (2, 3), "bias": (2,)}, leaves=(weight, bias))
        >>> correspondence = Correspondence((Pair(torch, *fw.linen.layers(model, x)),))
        >>> state_dict = {"weight": np.ones((2, 3), "f4"), "bias": np.zeros(2, "f4")}
        >>> variables = weights(state_dict, correspondence)
        >>> variables["params"]["kernel"].shape
        (3, 2)
    """
    source = opened(state_dict)
    plan = verified(source, correspondence, dtype, lossy)
    reader = _Reader(source, plan.names)

    def hub(index: int) -> Mapping[str, Array]:
        pair = correspondence.pairs[index]
        return reader.hub(pair.torch, pair.flax)

    layers = [pair.flax for pair in correspondence.pairs]
    shapes = shapes_of(layers)
    places = {path: sharding_of(sharding, path, shape) for path, shape in shapes.items()}
    arrays = assembled(layers, hub, plan.dtypes)
    return tree_of({path: placed(array, places[path]) for path, array in arrays})


class _Reader:
    """Tensors for one layer at a time; the last is kept, as several layers may be parts of it."""

    def __init__(self, source: Source, names: Mapping[Any, str]) -> None:
        self._source = source
        self._names = names
        self._last: dict[Any, Array] = {}

    def hub(self, torch: Layer, flax: Layer) -> dict[str, Array]:
        """What the counterpart of a torch layer is made of."""
        needed = {
            leaf.path
            for leaf in torch.leaves
            if any(piece.name in flax.shapes for piece in leaf.pieces)
        }
        # What is no longer needed is let go before anything else is read.
        self._last = {path: array for path, array in self._last.items() if path in needed}
        for path in needed - self._last.keys():
            self._last[path] = self._source.read(self._names[path])
        return {name: hub_array(torch, name, self._last) for name in flax.shapes}
