"""Matrices with orthonormal rows or columns."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from fanwise import rounding
from fanwise.distributions.constant import check_holds
from fanwise.distributions.structured import StructuredDistribution, WeightShape
from fanwise.haar import haar
from fanwise.typing import DType, Key, compute_dtype
from fanwise.validation import real

__all__ = ["DeltaOrthogonal", "Orthogonal"]


@dataclass(frozen=True, repr=False)
class Orthogonal(StructuredDistribution):
    r"""A (semi-)orthogonal matrix, uniform in the sense of Haar, times ``gain``.

    The weight is read as the matrix W of its output axis by everything else. With at most as
    many rows as columns :math:`W W^T = \text{gain}^2 I`, otherwise
    :math:`W^T W = \text{gain}^2 I`; an element has mean 0 and std
    :math:`\text{gain} / \sqrt{\max(\text{rows}, \text{columns})}`. It is the Q of a matrix of
    normals with the signs of R's diagonal fixed to plus, which makes it Haar. float16 and
    bfloat16 are computed in float32 and rounded once; torch on CPU and JAX refuse them.

    Args:
        gain: factor, any finite number.
        layout: the roles of the parameter's axes; batch axes are independent matrices.

    Raises:
        TypeError: if ``gain`` is no real number; on sampling, for complex dtypes, which torch
            refuses.
        ValueError: if ``gain`` is not finite; on sampling, if the shape has fewer than two axes.

    Example:
        >>> w = Orthogonal().sample(jax.random.key(0), (2, 4))
        >>> jnp.allclose(w @ w.T, jnp.eye(2), atol=1e-6)
        Array(True, dtype=bool)

    References:
        ``torch.nn.init.orthogonal_``; Saxe et al. (2013), Exact solutions to the nonlinear
        dynamics of learning in deep linear neural networks; signs: Mezzadri (2007), How to
        generate random matrices from the classical compact groups.
    """

    gain: float = 1.0

    takes_complex = False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "gain", real(type(self).__name__, "gain", self.gain))

    def _check(self, shape: tuple[int, ...], dtype: DType) -> None:
        super()._check(shape, dtype)
        check_holds(str(self), self.gain, dtype)

    def _make(self, key: Key, weight: WeightShape, dtype: DType) -> jax.Array:
        if 0 in weight.flat:
            return jnp.zeros(weight.flat, dtype)
        columns = weight.columns * math.prod(weight.spatial)
        matrix = self._haar(key, weight.batch, weight.rows, columns, compute_dtype(dtype))
        return matrix.reshape(weight.flat).astype(dtype)

    def _haar(self, key: Key, batch: int, rows: int, columns: int, dtype: DType) -> jax.Array:
        """Independent matrices of shape (batch, rows, columns), times the gain."""
        q = haar(key, batch, rows, columns, dtype)
        return rounding.rounded_product(q, jnp.asarray(self.gain, dtype))


@dataclass(frozen=True, repr=False)
class DeltaOrthogonal(Orthogonal):
    r"""An orthogonal matrix at the centre of a convolution kernel, zeros elsewhere.

    A circular convolution with it preserves the norm. It stands at ``(k - 1) // 2``, which for
    kernels of even size is where XLA's ``SAME`` padding aligns input and output; torch has no
    such initializer, and its :class:`Dirac` stands at ``k // 2``.

    Args:
        gain: factor, any finite number.
        layout: the roles of the parameter's axes, one to three of them receptive field.

    Raises:
        TypeError: as :class:`Orthogonal`.
        ValueError: as :class:`Orthogonal`; on sampling, if there are not one to three
            receptive-field axes, one of these is empty, or there are more inputs than outputs.

    Example:
        >>> w = DeltaOrthogonal().sample(jax.random.key(0), (3, 3, 4, 8))
        >>> bool(jnp.allclose(w[1, 1] @ w[1, 1].T, jnp.eye(4), atol=1e-6))
        True

    References:
        Xiao et al. (2018), Dynamical isometry and a mean field theory of CNNs, algorithm 1;
        ``jax.nn.initializers.delta_orthogonal``.
    """

    def _check_weight(self, weight: WeightShape) -> None:
        if len(weight.spatial) not in (1, 2, 3) or 0 in weight.spatial:
            raise ValueError(
                f"{self}: a convolution kernel has 1, 2 or 3 receptive-field axes, none empty, "
                f"got {weight.spatial}; use orthogonal() for matrices"
            )
        if weight.columns > weight.rows:
            raise ValueError(
                f"{self}: the norm is preserved only with at most as many inputs as outputs, got "
                f"{weight.columns} inputs and {weight.rows} outputs; use orthogonal()"
            )

    def _make(self, key: Key, weight: WeightShape, dtype: DType) -> jax.Array:
        kernel = jnp.zeros(weight.flat, dtype)
        if 0 in weight.flat:
            return kernel
        matrix = self._haar(key, weight.batch, weight.rows, weight.columns, compute_dtype(dtype))
        centre = tuple((size - 1) // 2 for size in weight.spatial)
        return kernel.at[(..., *centre)].set(matrix.astype(dtype))
