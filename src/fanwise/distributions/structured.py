"""How structured distributions read a layout.

Eye, Dirac, Orthogonal, DeltaOrthogonal and Sparse are defined, as in torch, for a weight whose
axes are output, input, receptive field. They are made in that order, with any batch axes in
front, and transposed to the layout of the parameter.
"""

import math
from dataclasses import dataclass, field

import jax
import numpy as np
from jax.sharding import NamedSharding

from fanwise import placement, rounding
from fanwise.distributions.base import Distribution
from fanwise.layouts import FLAX, axes_of, check_layout
from fanwise.typing import DType, Key

__all__ = ["StructuredDistribution", "WeightShape"]


@dataclass(frozen=True)
class WeightShape:
    """A parameter's shape read in torch's order, several axes of a role flattened into one."""

    batch: int
    rows: int
    columns: int
    spatial: tuple[int, ...]
    unflattened: tuple[int, ...]
    permutation: tuple[int, ...]

    @classmethod
    def of(cls, shape: tuple[int, ...], layout: str) -> "WeightShape":
        """Read ``shape`` by ``layout``; raises ValueError where they do not fit."""
        axes = axes_of(shape, layout)
        order = axes.torch_order
        return cls(
            batch=math.prod(shape[a] for a in axes.batch),
            rows=math.prod(shape[a] for a in axes.output),
            columns=math.prod(shape[a] for a in axes.input),
            spatial=tuple(shape[a] for a in axes.spatial),
            unflattened=tuple(shape[a] for a in order),
            permutation=tuple(int(a) for a in np.argsort(order)),
        )

    @property
    def flat(self) -> tuple[int, ...]:
        """(batch, rows, columns, *spatial)."""
        return (self.batch, self.rows, self.columns, *self.spatial)

    def to_layout(self, weight: jax.Array) -> jax.Array:
        """Reshape and transpose an array of shape ``flat`` to the parameter's own layout."""
        return weight.reshape(self.unflattened).transpose(self.permutation)


@dataclass(frozen=True, repr=False)
class StructuredDistribution(Distribution):
    """A distribution whose elements depend on one another and on their position.

    Args:
        layout: the roles of the parameter's axes; batch axes are independent weights.
    """

    layout: str = field(default=FLAX, kw_only=True)

    def __post_init__(self) -> None:
        check_layout(self.layout)

    def _check(self, shape: tuple[int, ...], dtype: DType) -> None:
        self._check_weight(WeightShape.of(shape, self.layout))

    def _check_weight(self, weight: WeightShape) -> None:
        """Refuse shapes that torch refuses."""

    def _draw(
        self, key: Key, shape: tuple[int, ...], dtype: DType, sharding: NamedSharding | None
    ) -> jax.Array:
        drawn: jax.Array = _draw_structured(self, key, shape, dtype, sharding)
        return drawn

    def _make(self, key: Key, weight: WeightShape, dtype: DType) -> jax.Array:
        """Make an array of shape ``weight.flat`` in ``dtype``."""
        raise NotImplementedError


# A structured distribution is static here: its numbers decide shapes and positions, and there
# are few of them in a model.
@jax.jit(static_argnames=("distribution", "shape", "dtype", "sharding"))
def _draw_structured(
    distribution: StructuredDistribution,
    key: Key,
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None,
) -> jax.Array:
    weight = WeightShape.of(shape, distribution.layout)

    def make(key: Key) -> jax.Array:
        return weight.to_layout(rounding.finished(distribution._make(key, weight, dtype)))

    return placement.placed(make, key, sharding)
