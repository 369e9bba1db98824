"""The identity matrix."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from fanwise.distributions.constant import check_holds
from fanwise.distributions.structured import StructuredDistribution, WeightShape
from fanwise.typing import DType, Key

__all__ = ["Eye"]


@dataclass(frozen=True, repr=False)
class Eye(StructuredDistribution):
    """Ones where output and input index are equal, zeros elsewhere; nothing is random.

    The matrix is (output, input), as torch's weight; axes that share a role are flattened, so an
    attention query kernel with layout ``IOO`` is the identity from the model's width to
    heads * head_dim.

    Args:
        layout: the roles of the parameter's axes, without receptive-field axes.

    Raises:
        ValueError: on sampling, if the shape has a receptive field: torch takes matrices only.

    Example:
        >>> Eye().sample(jax.random.key(0), (2, 3))
        Array([[1., 0., 0.],
               [0., 1., 0.]], dtype=float32)

    References:
        ``torch.nn.init.eye_``.
    """

    def _check_dtype(self, dtype: DType) -> DType:
        check_holds(str(self), 1.0, dtype)
        return dtype

    def _check_weight(self, weight: WeightShape) -> None:
        if weight.spatial:
            raise ValueError(
                f"{self}: an identity matrix has one output and one input axis, got a shape "
                f"with {len(weight.spatial)} more; use dirac() for convolutions, or a layout "
                f"that gives every axis a role, such as 'IOO'"
            )

    def _make(self, key: Key, weight: WeightShape, dtype: DType) -> jax.Array:
        return jnp.broadcast_to(jnp.eye(weight.rows, weight.columns, dtype=dtype), weight.flat)
