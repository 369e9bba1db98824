"""torch's side of a model that is there only in Flax: the same layers, stored as torch does."""

import numpy as np

from fanwise.layers import Layer, Leaf, Piece
from fanwise.porting import Correspondence, Pair

__all__ = ["correspond", "random_arrays", "random_state", "twin"]


def twin(layer: Layer) -> Layer:
    """A torch layer, its parameters under its own path, the count of a BatchNorm among them."""
    buffers = dict(layer.buffers)
    if "running_mean" in buffers:
        buffers["num_batches_tracked"] = ()
    path = layer.path.replace("/", ".")
    shapes = {**layer.parameters, **buffers}
    leaves = []
    for name, shape in shapes.items():
        dtype = np.dtype(np.int64 if name == "num_batches_tracked" else layer.leaves[0].dtype)
        stored = f"{path}.{name}".lstrip(".")
        leaves.append(Leaf(stored, stored, shape, dtype, (Piece(name),)))
    return Layer(
        layer.path, layer.kind, layer.hyperparameters, layer.parameters, buffers, leaves=leaves
    )


def correspond(layers, **options) -> Correspondence:
    return Correspondence(tuple(Pair(twin(layer), layer, "twin") for layer in layers), **options)


def random_arrays(layer: Layer, generator) -> dict:
    """A random array for each leaf, without stacks."""
    return {leaf.path: _random(generator, leaf.shape, leaf.dtype) for leaf in layer.leaves}


def random_state(correspondence: Correspondence, generator) -> dict:
    """A random state dict."""
    return {
        leaf.path: _random(generator, leaf.shape, leaf.dtype)
        for pair in correspondence.pairs
        for leaf in pair.torch.leaves
    }


def _random(generator, shape, dtype):
    if np.dtype(dtype).kind in "iu":
        return generator.integers(0, 100, shape).astype(dtype)
    # Positive too, as variances must be.
    return np.asarray(generator.normal(2.0, 0.3, size=shape)).astype(dtype)
