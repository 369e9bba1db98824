"""Where an array is placed: the out_sharding of JAX's initializer protocol."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from fanwise.typing import Key, OutSharding

__all__ = ["mesh_of", "moved", "out_sharding_of", "placed"]


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


def moved(array: jax.Array, out_sharding: OutSharding) -> jax.Array:
    """An array that has been made, laid out as ``out_sharding`` says, under a trace or not."""
    sharding = out_sharding_of(out_sharding)
    result: jax.Array = array
    if sharding is None:
        return array
    if isinstance(array, jax.core.Tracer):
        if sharding.mesh.explicit_axes:
            result = jax.sharding.reshard(array, sharding)
        else:
            result = jax.lax.with_sharding_constraint(array, sharding)
    else:
        # The devices of a mesh that was entered are known outside of a trace.
        is_known = isinstance(sharding.mesh, Mesh)
        mesh = sharding.mesh if is_known else jax.sharding.get_mesh()
        result = jax.device_put(array, NamedSharding(mesh, sharding.spec))
    return result
