"""Normal weights with a fixed number of zeros."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from fanwise.distributions.normal import Normal
from fanwise.distributions.structured import StructuredDistribution, WeightShape
from fanwise.typing import DType, Key
from fanwise.validation import real

__all__ = ["Sparse"]


@dataclass(frozen=True, repr=False)
class Sparse(StructuredDistribution):
    r"""Normals of mean 0, with exactly ``ceil(sparsity * out)`` zeros for every input.

    In torch's (out, in) matrix these are the zeros of a column, in a Flax kernel (in, out) those
    of a row. Which outputs an input loses is uniform and independent of the other inputs.

    Args:
        sparsity: fraction of zeros, from 0 to 1. torch takes any number and then behaves like a
            Python slice; here anything else is an error.
        std: standard deviation of the values that remain, at least 0.
        layout: the roles of the parameter's axes, without receptive-field axes.

    Raises:
        TypeError: if an argument is no real number.
        ValueError: if one is out of range; on sampling, if the shape has a receptive field.

    Example:
        >>> w = Sparse(0.5).sample(jax.random.key(0), (3, 4))
        >>> (w == 0).sum(axis=1)
        Array([2, 2, 2], dtype=int32)

    References:
        ``torch.nn.init.sparse_``; Martens (2010), Deep learning via Hessian-free optimization.
    """

    sparsity: float
    std: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        sparsity = real("Sparse", "sparsity", self.sparsity, minimum=0.0, maximum=1.0)
        object.__setattr__(self, "sparsity", sparsity)
        object.__setattr__(self, "std", real("Sparse", "std", self.std, minimum=0.0))

    def zeros_per_input(self, rows: int) -> int:
        """The number of zeros among the ``rows`` outputs of one input."""
        return math.ceil(self.sparsity * rows)

    def _check(self, shape: tuple[int, ...], dtype: DType) -> None:
        super()._check(shape, dtype)
        Normal(0.0, self.std)._check(shape, dtype)

    def _check_weight(self, weight: WeightShape) -> None:
        if weight.spatial:
            raise ValueError(
                f"{self}: a sparse matrix has one output and one input axis, got a shape with "
                f"{len(weight.spatial)} more; give every axis a role with layout="
            )

    def _make(self, key: Key, weight: WeightShape, dtype: DType) -> jax.Array:
        value_key, zero_key = jax.random.split(key)
        values = Normal(0.0, self.std).sample(value_key, weight.flat, dtype)
        first = np.arange(weight.rows) < self.zeros_per_input(weight.rows)
        is_zero = jnp.broadcast_to(first[None, :, None], weight.flat)
        is_zero = jax.random.permutation(zero_key, is_zero, axis=1, independent=True)
        return jnp.where(is_zero, jnp.zeros((), dtype), values)
