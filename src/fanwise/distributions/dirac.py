"""The Dirac delta kernel."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from fanwise.distributions.constant import check_holds
from fanwise.distributions.structured import StructuredDistribution, WeightShape
from fanwise.typing import DType, Key
from fanwise.validation import positive_integer

__all__ = ["Dirac"]


@dataclass(frozen=True, repr=False)
class Dirac(StructuredDistribution):
    r"""A convolution kernel that passes its input channels on unchanged; nothing is random.

    .. math::
        w[g \cdot n + d,\ d,\ k_1 // 2,\ \ldots] = 1, \quad
        n = \text{out} / \text{groups},\ d < \min(n, \text{in} / \text{groups})

    and 0 elsewhere. The one stands at ``k // 2``, as in torch. With kernels of even size that
    is the identity under torch's ``padding=k//2``; under the ``SAME`` padding of Flax and XLA,
    which pads less in front, it shifts by one pixel.

    Args:
        groups: number of groups of the convolution.
        layout: the roles of the parameter's axes, one to three of them receptive field.

    Raises:
        TypeError: if ``groups`` is no integer.
        ValueError: if ``groups`` is not positive; on sampling, if the shape does not have one to
            three receptive-field axes, one of these is empty, or the output axis is not
            divisible by ``groups``.

    Example:
        >>> Dirac().sample(jax.random.key(0), (3, 1, 1))[:, 0, 0]
        Array([0., 1., 0.], dtype=float32)

    References:
        ``torch.nn.init.dirac_``.
    """

    groups: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "groups", positive_integer("Dirac", "groups", self.groups))

    def _check_dtype(self, dtype: DType) -> DType:
        check_holds(str(self), 1.0, dtype)
        return dtype

    def _check_weight(self, weight: WeightShape) -> None:
        if len(weight.spatial) not in (1, 2, 3):
            raise ValueError(
                f"{self}: a convolution kernel has 1, 2 or 3 receptive-field axes, got "
                f"{len(weight.spatial)}; use eye() for matrices"
            )
        if weight.rows % self.groups:
            raise ValueError(
                f"{self}: the output axis of size {weight.rows} must be divisible by "
                f"groups={self.groups}"
            )
        if 0 in weight.spatial and weight.rows and weight.columns:
            raise ValueError(
                f"{self}: the receptive field {weight.spatial} is empty and has no centre; "
                f"torch refuses it as well"
            )

    def _make(self, key: Key, weight: WeightShape, dtype: DType) -> jax.Array:
        if 0 in weight.flat:
            return jnp.zeros(weight.flat, dtype)
        block = jnp.eye(weight.rows // self.groups, weight.columns, dtype=dtype)
        kernel = jnp.zeros(weight.flat, dtype)
        centre = tuple(size // 2 for size in weight.spatial)
        return kernel.at[(..., *centre)].set(jnp.tile(block, (self.groups, 1)))
