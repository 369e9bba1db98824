"""One value everywhere: keeping the compiler from rounding one program unlike another.

XLA and LLVM contract ``x * y + c`` into a fused multiply-add, or fold constants into one another,
depending on what stands around a sampler. The same key would give values that differ in the last
bit between eager calls, jit and a whole model.
"""

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["finished", "rounded_product", "rounded_product_above"]


def rounded_product(x: jax.Array, y: jax.Array) -> jax.Array:
    """``x * y``, rounded before anything is added to it.

    ``x * y + c`` may be contracted into a fused multiply-add in one program and not in another,
    and ``(x * c) * d`` is folded into ``x * (c * d)`` where both factors are constants; the last
    bit of the result then depends on the program around it. A clamp to the finite numbers changes
    no finite value and keeps the operations apart. (``reduce_precision`` to the precision that
    the product already has only stops XLA: on CPU no instruction is left of it, and LLVM
    contracts what it finds.)
    """
    largest = jnp.asarray(jnp.finfo(x.dtype).max, x.dtype)
    return jax.lax.clamp(-largest, x * y, largest)


def rounded_product_above(limit: float, x: jax.Array, y: jax.Array) -> jax.Array:
    """``rounded_product`` of what is known to be ``limit`` or above, by one operation less."""
    return jax.lax.max(x * y, jnp.asarray(limit, x.dtype))


def finished(x: jax.Array) -> jax.Array:
    """``x``, kept apart from whatever is done with it.

    XLA folds ``(x + c) + d`` into ``x + (c + d)`` where both terms are constants, across the end of
    the sampler; rounding to the precision that ``x`` already has stops it and costs nothing.
    """
    if not jnp.issubdtype(x.dtype, np.floating):
        return x
    info = jnp.finfo(x.dtype)
    return jax.lax.reduce_precision(x, exponent_bits=info.nexp, mantissa_bits=info.nmant)
