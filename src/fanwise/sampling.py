"""From a key to standard arrays, and where they are placed.

:func:`uniform` gives values on [0, 1) and :func:`normal` values of mean 0 and std 1, in float32
or float64. Distributions shift, scale and round them.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from fanwise.typing import DType, Key

__all__ = [
    "check_key",
    "is_key",
    "mesh_of",
    "normal",
    "out_sharding_of",
    "placed",
    "rounded_product",
    "uniform",
]


def is_key(value: object) -> bool:
    """Whether ``value`` is a PRNG key: a typed key array, or old-style ``PRNGKey`` bits."""
    if not hasattr(value, "dtype") or not hasattr(value, "shape"):
        return False
    if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return True
    return bool(value.dtype == jnp.uint32 and len(value.shape) >= 1)


def check_key(key: object) -> None:
    """Raise TypeError unless ``key`` is a PRNG key."""
    if not is_key(key):
        raise TypeError(
            f"key must be a JAX PRNG key, got {key!r} of type {type(key).__name__}; make one "
            f"with jax.random.key(seed)"
        )


def uniform(key: Key, shape: tuple[int, ...], dtype: DType) -> jax.Array:
    """Values on [0, 1) in float32 or float64, multiples of 2^-23 resp. 2^-52."""
    return jax.random.uniform(key, shape, dtype)


def normal(key: Key, shape: tuple[int, ...], dtype: DType) -> jax.Array:
    """Values of mean 0 and std 1 in float32 or float64."""
    return jax.random.normal(key, shape, dtype)


def rounded_product(x: jax.Array, y: jax.Array) -> jax.Array:
    """``x * y``, rounded before anything is added to it.

    XLA contracts ``x * y + c`` into a fused multiply-add in one program and not in another, and
    the last bit of the result then depends on the program around it. Rounding the product to the
    precision it already has changes no value and keeps the two operations apart.
    """
    info = jnp.finfo(x.dtype)
    return jax.lax.reduce_precision(x * y, exponent_bits=info.nexp, mantissa_bits=info.nmant)


def out_sharding_of(out_sharding: object) -> NamedSharding | None:
    """Resolve the ``out_sharding`` of JAX's initializer protocol.

    A PartitionSpec needs the mesh of the surrounding ``jax.set_mesh``.

    Raises:
        TypeError: if it is neither a NamedSharding, a PartitionSpec nor None.
        ValueError: for a PartitionSpec outside of any mesh.
    """
    if out_sharding is None or isinstance(out_sharding, NamedSharding):
        return out_sharding
    if not isinstance(out_sharding, PartitionSpec):
        raise TypeError(
            f"out_sharding must be a jax.sharding.NamedSharding, a PartitionSpec or None, got "
            f"{out_sharding!r} of type {type(out_sharding).__name__}"
        )
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
        raise ValueError(
            f"out_sharding={out_sharding!r} is a PartitionSpec and there is no mesh: enter one "
            f"with jax.set_mesh(mesh), or pass NamedSharding(mesh, spec)"
        )
    return NamedSharding(mesh, out_sharding)


def mesh_of(sharding: NamedSharding | None, key: Key) -> AbstractContextManager[object]:
    """The mesh to enter around an eager call with ``sharding``.

    Explicit axes are only known inside their mesh. A caller who passes a NamedSharding has named
    the mesh already and need not enter it; inside a trace, or inside a mesh, it stays as it is.
    """
    if sharding is None or not sharding.mesh.explicit_axes or isinstance(key, jax.core.Tracer):
        return nullcontext()
    if not isinstance(sharding.mesh, Mesh) or not jax.sharding.get_abstract_mesh().empty:
        return nullcontext()
    return jax.set_mesh(sharding.mesh)


def placed(make: Callable[[Key], jax.Array], key: Key, sharding: NamedSharding | None) -> jax.Array:
    """``make(key)``, laid out as ``sharding`` says; for use under jit.

    Explicit mesh axes are entered as JAX's own samplers do; automatic ones take a constraint.
    """
    if sharding is None:
        return make(key)
    explicit = sharding.mesh.explicit_axes
    if explicit:
        make = jax.sharding.auto_axes(make, axes=explicit, out_sharding=sharding)
        return make(key)
    array: jax.Array = jax.lax.with_sharding_constraint(make(key), sharding)
    return array
