"""What is measured of a layer's output, and of the gradient there.

Everything is reduced where it is made: a handful of numbers a layer leaves the program. A unit is
an entry of the last axis, as Flax has channels; the other axes, the first of which is the batch,
are positions. Second moments are given as logarithms, and taken of values scaled by the largest,
so that they are right for any signal whose values float32 can hold.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["BACKWARD", "FORWARD", "NO_GRADIENT", "log_second_moment", "probe", "widened"]

FORWARD = (
    "log_second_moment",
    "mean",
    "kurtosis",
    "effective_rank",
    "finite",
    "idle",
    "idle_units",
)
"""What is measured of an output, see :class:`fanwise.signal.LayerSignal`."""

BACKWARD = ("log_gradient", "no_gradient", "gradient_finite")
"""What is measured of the gradient at an output."""

NO_GRADIENT = (-math.inf, 1.0, math.nan)
"""The same where the model takes no gradient, as behind a ``stop_gradient``."""

# The slope below which a function is taken to be flat: tanh's beyond 3, none of a line's.
_FLAT = 0.01

# As many examples as effective ranks are taken of.
_EXAMPLES = 256


@jax.custom_vjp
def probe(x: Any, slope: Any, sink: Any) -> tuple[Any, Any]:
    """A layer's output as it is, and what is measured of it.

    Args:
        x: the output.
        slope: of the elementwise function that it goes into, at each element; None if none is
            known.
        sink: zeros, as many as ``BACKWARD`` has names; their gradient is what is measured of the
            gradient at the output.
    """
    return x, _forward(x, slope)


def _probe_forward(x: Any, slope: Any, sink: Any) -> tuple[Any, Any]:
    return probe(x, slope, sink), None if slope is None else ()


def _probe_backward(has_slope: Any, cotangents: Any) -> tuple[Any, Any, Any]:
    gradient, _ = cotangents
    slope = None if has_slope is None else jnp.zeros_like(gradient)
    return gradient, slope, _backward(gradient)


probe.defvjp(_probe_forward, _probe_backward)


def log_second_moment(x: Any) -> Any:
    """log E[x^2] in float32: -inf for zeros, inf or nan where a value is."""
    wide = widened(x)
    largest = jnp.abs(wide).max(initial=0.0)
    scale = jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1.0)
    log = jnp.log(jnp.square(wide / scale).mean()) + 2 * jnp.log(scale)
    return log.astype(jnp.float32)


def widened(x: Any) -> Any:
    """The array in float32 at least."""
    # numpy's promotion, as jax's refuses where users have it strict.
    return x.astype(np.promote_types(x.dtype, np.float32))


def _forward(x: Any, slope: Any) -> Any:
    wide = widened(x)
    mean = wide.mean()
    centered = wide - mean
    largest = jnp.abs(centered).max(initial=0.0)
    squares = jnp.square(centered / jnp.where(largest > 0, largest, 1.0))
    # Of a constant the kurtosis is not defined.
    kurtosis = jnp.square(squares).mean() / jnp.square(squares.mean())
    finite = _finite(wide)
    idle = idle_units = jnp.float32(jnp.nan)
    if slope is not None:
        flat = jnp.abs(slope) < _FLAT
        idle = flat.mean(dtype=jnp.float32)
        idle_units = _of_units(flat)
    measured = (log_second_moment(x), mean, kurtosis, _effective_rank(wide), finite)
    return jnp.stack([each.astype(jnp.float32) for each in (*measured, idle, idle_units)])


def _finite(x: Any) -> Any:
    """The share of finite elements; exactly 1 where all are, which a mean of ones is not."""
    return jnp.maximum(1 - (~jnp.isfinite(x)).mean(dtype=jnp.float32), 0)


def _of_units(is_so: Any) -> Any:
    """The share of units at all of whose positions it is so."""
    return is_so.all(tuple(range(is_so.ndim - 1))).mean(dtype=jnp.float32)


def _effective_rank(x: Any) -> Any:
    """tr(G)^2 / tr(G^2) of the examples' Gram matrix G: the participation ratio of its eigenvalues.

    It is 1 if all examples go the same way, and their number if they are orthogonal and of one
    length. Of the examples themselves, not of their differences from the mean, so that a collapse
    to one direction shows. No eigenvalue is computed: LAPACK's would take longer than the model
    where its threads have to share the cores.

    P. Gao et al., A theory of multineuronal dimensionality, dynamics and measurement, 2017.
    """
    if x.ndim < 2:
        return jnp.float32(jnp.nan)
    rows = x[:_EXAMPLES].reshape(min(x.shape[0], _EXAMPLES), -1)
    largest = jnp.abs(rows).max(initial=0.0)
    is_sound = (largest > 0) & jnp.isfinite(largest)
    rows = rows / jnp.where(is_sound, largest, 1.0)
    gram = jnp.matmul(rows, rows.T, precision=jax.lax.Precision.HIGHEST)
    ratio = jnp.square(jnp.trace(gram)) / jnp.square(gram).sum()
    return jnp.where(is_sound, ratio, jnp.nan)


def _backward(gradient: Any) -> Any:
    finite = _finite(gradient)
    return jnp.stack([log_second_moment(gradient), _of_units(gradient == 0), finite])
