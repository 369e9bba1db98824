"""Matrices with orthonormal columns, uniform in the sense of Haar, from matrix products.

Householder's factorization of a matrix of normals gives such a matrix, and its reflections are
independent: each reflects a fresh vector of normals, shorter by one than the vector before, onto
a coordinate axis (G. W. Stewart, The efficient generation of random orthogonal matrices with an
application to condition estimators, SIAM J. Numer. Anal. 17, 1980). So nothing needs to be
factorized: the reflections are drawn, gathered into blocks I - V T V^T (R. Schreiber and
C. Van Loan, A storage-efficient WY representation for products of Householder transformations,
SIAM J. Sci. Stat. Comput. 10, 1989), and multiplied, from the last block to the first, so that
each step works on no more than it changes.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental.custom_partitioning import custom_partitioning
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from fanwise import sampling
from fanwise.typing import DType, Key

__all__ = ["haar"]

# Reflections in a block, at least, and blocks, at most. Each block is compiled for itself: at
# 1024 x 1024 eight blocks were a quarter faster than four, and took half as long again to compile.
_BLOCK = 128
_BLOCKS = 4


def haar(key: Key, batch: int, rows: int, columns: int, dtype: DType) -> jax.Array:
    """Independent matrices of shape (batch, rows, columns) with orthonormal rows or columns.

    Args:
        key: a JAX PRNG key.
        batch: number of matrices.
        rows: of one matrix, at least 1.
        columns: of one matrix, at least 1.
        dtype: float32 or float64.
    """
    tall, wide = max(rows, columns), min(rows, columns)
    normals = sampling.Whole(key, (batch, tall, wide)).normal(dtype)
    q: jax.Array
    q = _columns(normals[0])[None] if batch == 1 else jax.lax.map(_columns, normals)
    return q.mT if rows < columns else q


# One matrix after another, under vmap too: the products of one take all cores, and each matrix is
# the same to the bit whatever the batch.
@jax.custom_batching.sequential_vmap  # type: ignore[untyped-decorator]
def _columns(normals: jax.Array) -> jax.Array:
    """Orthonormal columns from a tall matrix of normals, of which the lower triangle counts."""
    columns: jax.Array = _undivided(normals)
    return columns


def _reflected(normals: jax.Array) -> jax.Array:
    tall, wide = normals.shape
    dtype = normals.dtype
    eye = partial(jnp.eye, dtype=dtype)
    vectors = jnp.tril(normals)
    diagonal = jnp.diagonal(vectors)
    signs = jnp.where(diagonal < 0, -1, 1).astype(dtype)
    squares = jnp.sum(vectors * vectors, axis=0)
    norms = jnp.sqrt(squares)
    # v = x + sign(x_1) |x| e_1, scaled to a norm of sqrt(2), so that the reflection is I - v v^T.
    # It takes x to -sign(x_1) |x| e_1.
    scale = jax.lax.rsqrt(squares + jnp.abs(diagonal) * norms)
    vectors = (vectors + eye(tall, wide) * (signs * norms)) * scale
    block = max(_BLOCK, -(-wide // _BLOCKS))
    q = jnp.zeros((tall - wide, 0), dtype)
    for start in reversed(range(0, wide, block)):
        stop = min(start + block, wide)
        v = vectors[start:, start:stop]
        size = stop - start
        # What the reflections so far leave alone: as many more rows and columns of the identity.
        q = jnp.pad(q, ((tall - start - q.shape[0], 0), (size, 0)))
        q = jax.lax.dynamic_update_slice(q, eye(size), (0, 0))
        inverse_t = jnp.triu(_product(v.T, v), 1) + eye(size)
        t_v_q = jax.lax.linalg.triangular_solve(inverse_t, _product(v.T, q), left_side=True)
        q = q - _product(v, t_v_q)
    # Signs as if the diagonal of R were positive, which torch makes it.
    return q * -signs


def _product(x: jax.Array, y: jax.Array) -> jax.Array:
    # In full precision also where the default for float32 is less, on GPU and TPU.
    return jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST)


# A matrix product whose operands are divided among devices is summed in another order. The whole
# is made on every device instead, as XLA does with LAPACK's factorizations.
_undivided = custom_partitioning(_reflected)


def _replicated(mesh: Mesh, arguments: Any, result: Any) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec())


def _partition(mesh: Mesh, arguments: Any, result: Any) -> tuple[Any, ...]:
    whole = NamedSharding(mesh, PartitionSpec())
    return mesh, _reflected, whole, (whole,)


_undivided.def_partition(
    partition=_partition,
    infer_sharding_from_operands=_replicated,
    sharding_rule="i j -> i j",
    need_replication_factors=("i", "j"),
)
