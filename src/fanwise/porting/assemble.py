"""The arrays of a model, put together from its layers one after the other."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fanwise.adoption import aligned
from fanwise.layers import Layer
from fanwise.porting.convert import Array, is_whole, leaf_array, write_leaf
from fanwise.porting.variables import shapes_of
from fanwise.typing import DType

__all__ = ["assembled"]


def assembled(
    layers: Iterable[Layer],
    hub: Callable[[int], Mapping[str, Array]],
    dtypes: Mapping[Any, DType] | None = None,
) -> Iterator[tuple[Any, Array]]:
    """Every array of a model as soon as its last part is known.

    What several layers share, as those of a stack do, is kept until then; nothing else is.

    Args:
        layers: of the model.
        hub: the parameters and buffers of a layer in torch's shapes, by the layer's position.
        dtypes: of the arrays by path; those of the parameters if None.

    Yields:
        Paths and numpy arrays of their own memory, which JAX adopts. A path comes twice if two
        layers have the whole of its array.

    Raises:
        ValueError: if a part of an array is in no layer.
    """
    layers = list(layers)
    shapes = shapes_of(layers)
    left = Counter(leaf.path for layer in layers for leaf in layer.leaves if not is_whole(leaf))
    started: dict[Any, Array] = {}
    written: Counter[Any] = Counter()
    values: Mapping[str, Array] = {}
    for index, layer in enumerate(layers):
        del values  # before more is read
        values = hub(index)
        for leaf in layer.leaves:
            path = leaf.path
            dtype = None if dtypes is None else dtypes[path]
            if is_whole(leaf):
                yield path, _own(leaf_array(layer, leaf, values), dtype)
                continue
            if path not in started:
                started[path] = aligned(shapes[path], dtype or values[leaf.pieces[0].name].dtype)
            written[path] += write_leaf(started[path], layer, leaf, values)
            left[path] -= 1
            if not left[path]:
                array = started.pop(path)
                if written[path] != array.size:
                    raise ValueError(
                        f"{path} has {array.size} elements, and layers say of {written[path]} "
                        f"what they are"
                    )
                yield path, array


def _own(array: Array, dtype: DType | None) -> Array:
    buffer = aligned(array.shape, dtype or array.dtype)
    buffer[...] = array
    return buffer
