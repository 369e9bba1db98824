"""A mark on what goes into a layer or comes out of it.

The mark is an operation that does nothing. It stays where it is through scan, remat, vmap and jit,
so that a program can be looked at after it was traced: what runs in which order, and what is to be
measured where, see :mod:`fanwise.signal.evaluation`.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

__all__ = ["mark", "mark_p"]

mark_p = Primitive("fanwise_mark")


def mark(x: jax.Array, names: tuple[str, ...], source: str, role: str) -> jax.Array:
    """The array as it is, known as the input or output of a layer.

    Args:
        x: the array.
        names: where the layer is in the model, without the positions in stacks.
        source: the framework's class.
        role: ``INPUT`` or ``OUTPUT`` of :mod:`fanwise.frameworks.observation`.
    """
    marked: jax.Array = mark_p.bind(x, names=names, source=source, role=role)
    return marked


def _same(x: Any, **_: Any) -> Any:
    return x


def _batched(arguments: Any, axes: Any, **parameters: Any) -> Any:
    """Of one example's vector the new axis is the batch; otherwise the batch stays in front."""
    (x,), (axis,) = arguments, axes
    to = 0 if x.ndim <= 2 else 1
    x = jnp.moveaxis(x, axis, to)
    return mark_p.bind(x, **parameters), to


def _differentiated(primals: Any, tangents: Any, **parameters: Any) -> Any:
    """A model that differentiates inside of itself has its outputs marked, not their tangents."""
    return mark_p.bind(*primals, **parameters), tangents[0]


mark_p.def_impl(_same)
mark_p.def_abstract_eval(_same)
mlir.register_lowering(mark_p, lambda context, x, **_: [x])
batching.primitive_batchers[mark_p] = _batched
ad.primitive_jvps[mark_p] = _differentiated
