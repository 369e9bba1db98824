"""Checks of arguments that need no shape, made when an initializer is constructed.

Every error says four things: the argument, the value received, the values allowed, and the way
out. Inputs may be Python or numpy numbers or concrete scalar arrays; what comes back is a plain
Python ``float`` or ``int``, so that initializers built alike compare equal and hash alike.
"""

import math
import operator
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["choice", "positive_integer", "real"]


def real(
    owner: str,
    name: str,
    value: Any,
    *,
    minimum: float = -math.inf,
    above: float = -math.inf,
    maximum: float = math.inf,
    finite: bool = True,
) -> float:
    """Return ``value`` as a Python float, or raise.

    Args:
        owner: what the argument belongs to, for the message, such as ``"kaiming_normal"``.
        name: the argument's name.
        value: what the caller passed.
        minimum: smallest value allowed.
        above: values must be strictly greater than this.
        maximum: largest value allowed.
        finite: whether infinities are refused; NaN always is.

    Raises:
        TypeError: if ``value`` is not a real number (a bool is not one: torch refuses True and
            False as slopes, and nowhere does a truth value make sense as a scale).
        ValueError: if it is NaN, infinite or out of range.
    """
    allowed = "a real number"
    if above > -math.inf:
        allowed = f"a number greater than {above:g}"
    elif minimum > -math.inf and maximum < math.inf:
        allowed = f"a number from {minimum:g} to {maximum:g}"
    elif minimum > -math.inf:
        allowed = f"a number of at least {minimum:g}"
    is_bool = isinstance(value, (bool, np.bool_))
    number = None if is_bool else _as_float(value)
    if number is None:
        raise TypeError(
            f"{owner}: {name} must be {allowed}, got {value!r} of type {type(value).__name__}; "
            f"pass a Python number"
        )
    in_range = (
        minimum <= number <= maximum and number > above
        if above > -math.inf
        else (minimum <= number <= maximum)
    )
    if math.isnan(number) or (finite and math.isinf(number)) or not in_range:
        finite_note = " and finite" if finite else ""
        raise ValueError(f"{owner}: {name} must be {allowed}{finite_note}, got {value!r}")
    return number


def _as_float(value: Any) -> float | None:
    if isinstance(value, jax.core.Tracer):
        raise TypeError(
            f"an initializer's parameters must be concrete numbers, got the tracer {value}; "
            f"compute them outside of jit, or mark them static"
        )
    if isinstance(value, (int, float, np.integer, np.floating)):
        try:
            return float(value)
        except OverflowError:  # a Python int beyond float64
            return math.inf if value > 0 else -math.inf
    # Scalar arrays: numpy's and JAX's, of an integer or floating dtype (bfloat16 included).
    if isinstance(value, (np.ndarray, np.generic, jax.Array)) and value.shape == ():
        dtype = value.dtype
        if jnp.issubdtype(dtype, np.floating) or jnp.issubdtype(dtype, np.integer):
            return float(value)
    return None


def positive_integer(owner: str, name: str, value: Any) -> int:
    """Return ``value`` as a Python int of at least 1, or raise TypeError or ValueError."""
    try:
        number = None if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(
            f"{owner}: {name} must be a positive integer, got {value!r} of type "
            f"{type(value).__name__}; pass a Python int"
        )
    if number < 1:
        raise ValueError(f"{owner}: {name} must be a positive integer, got {value!r}")
    return number


def choice(owner: str, name: str, value: Any, allowed: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``allowed``, or raise with the nearest match."""
    options = tuple(allowed)
    if not isinstance(value, str):
        raise TypeError(
            f"{owner}: {name} must be one of {', '.join(map(repr, options))}, got {value!r} of "
            f"type {type(value).__name__}"
        )
    if value not in options:
        near = get_close_matches(value.lower(), options, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"{owner}: {name} must be one of {', '.join(map(repr, options))}, got {value!r}{hint}"
        )
    return value
