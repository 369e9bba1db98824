"""For each case, the function of ``jax.nn.initializers`` that a reader would reach for.

The nearest one is taken with the same numbers and the same intent: ``he_normal`` for
``kaiming_normal``, ``uniform(b)`` for ``uniform(a, b)``. Where it is known to depart from torch,
that is said beside it; whether it does is for the checks to find out.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jax.nn import initializers as jax_initializers

import fanwise
from parity.cases import Case

__all__ = ["Nearest", "nearest"]

JaxInitializer = Callable[..., Any]


@dataclass(frozen=True)
class Nearest:
    """A function of jax.nn.initializers.

    Args:
        name: its name; empty if there is none.
        make: builds the initializer, ``(key, shape, dtype) -> array``; None if there is none.
        difference: how it departs from torch, as far as is known; or why there is none.
    """

    name: str
    make: Callable[[], JaxInitializer] | None
    difference: str = ""


def nearest(case: Case) -> Nearest:
    """Return jax's nearest function for a case."""
    found = _FAMILIES[case.initializer](case)
    low = {"bfloat16": "128 values in bfloat16", "float16": "1024 values in float16"}
    note = low.get(case.dtype)
    if note and found.make and case.initializer in _SAMPLED:
        difference = f"{found.difference}; {note}" if found.difference else note
        return Nearest(found.name, found.make, difference)
    return found


def _uniform(case: Case) -> Nearest:
    low, high = case.kwargs.get("a", 0.0), case.kwargs.get("b", 1.0)
    if case.dtype.startswith("complex"):
        difference = "refuses complex"
    else:
        difference = "" if low == 0 else "[0, b)"
    return Nearest("uniform", lambda: jax_initializers.uniform(high), difference)


def _normal(case: Case) -> Nearest:
    mean, std = case.kwargs.get("mean", 0.0), case.kwargs.get("std", 1.0)
    difference = "" if mean == 0 else "has no mean"
    return Nearest("normal", lambda: jax_initializers.normal(std), difference)


def _trunc_normal(case: Case) -> Nearest:
    mean, std = case.kwargs.get("mean", 0.0), case.kwargs.get("std", 1.0)
    low, high = case.kwargs.get("a", -2.0), case.kwargs.get("b", 2.0)

    def make() -> JaxInitializer:
        return jax_initializers.truncated_normal(std, lower=low, upper=high)

    differences = ["has no mean"] if mean else []
    if std != 1:
        differences.append("bounds in units of std")
    return Nearest("truncated_normal", make, "; ".join(differences))


def _scaled(case: Case) -> Nearest:
    """Both families are jax's variance_scaling, under its own names where the numbers fit."""
    is_kaiming = case.initializer.startswith("kaiming")
    kind = "uniform" if case.initializer.endswith("uniform") else "truncated_normal"
    if is_kaiming:
        mode = case.kwargs.get("mode", "fan_in").lower()
        slope = case.kwargs.get("a", 0)
        gain = fanwise.calculate_gain(case.kwargs.get("nonlinearity", "leaky_relu"), slope)
        named = mode == "fan_in" and math.isclose(gain, math.sqrt(2))
        name = "he" if named else ""
    else:
        mode, gain = "fan_avg", case.kwargs.get("gain", 1.0)
        name = "glorot" if gain == 1 else ""
    input_axis, output_axis = {"...IO": (-2, -1), "...OI": (-1, -2), "OI...": (1, 0)}[case.layout]

    def make() -> JaxInitializer:
        return jax_initializers.variance_scaling(gain**2, mode, kind, input_axis, output_axis)

    short = f"{name}_{kind.removeprefix('truncated_')}" if name else "variance_scaling"
    return Nearest(short, make, "truncated at 2 std" if kind == "truncated_normal" else "")


def _orthogonal(case: Case) -> Nearest:
    gain = case.kwargs.get("gain", 1.0)
    column_axis = {"...IO": -1, "...OI": -2, "OI...": 0}[case.layout]

    def make() -> JaxInitializer:
        return jax_initializers.orthogonal(gain, column_axis)

    low = case.dtype in ("bfloat16", "float16")
    return Nearest("orthogonal", make, "refuses 16 bits" if low else "")


def _delta_orthogonal(case: Case) -> Nearest:
    gain = case.kwargs.get("gain", 1.0)
    low = case.dtype in ("bfloat16", "float16")
    return Nearest(
        "delta_orthogonal",
        lambda: jax_initializers.delta_orthogonal(gain),
        "refuses 16 bits" if low else "",
    )


def _none(reason: str) -> Callable[[Case], Nearest]:
    return lambda case: Nearest("", None, reason)


# In 16 bits jax draws as many random bits as the significand has.
_SAMPLED = {"uniform", "normal", "trunc_normal"} | {
    f"{family}_{kind}" for family in ("xavier", "kaiming") for kind in ("uniform", "normal")
}

_FAMILIES: dict[str, Callable[[Case], Nearest]] = {
    "uniform": _uniform,
    "normal": _normal,
    "trunc_normal": _trunc_normal,
    "constant": lambda case: Nearest(
        "constant", lambda: jax_initializers.constant(case.kwargs["val"])
    ),
    "ones": lambda case: Nearest("ones", lambda: jax_initializers.ones),
    "zeros": lambda case: Nearest("zeros", lambda: jax_initializers.zeros),
    "xavier_uniform": _scaled,
    "xavier_normal": _scaled,
    "kaiming_uniform": _scaled,
    "kaiming_normal": _scaled,
    "orthogonal": _orthogonal,
    "delta_orthogonal": _delta_orthogonal,
    "eye": _none("none"),
    # jax's delta_orthogonal puts a random orthogonal matrix at (k - 1) // 2 and takes no groups.
    "dirac": _none("none; delta_orthogonal is random"),
    "sparse": _none("none"),
    "bias_uniform": _none("none; a bias sees no fan_in"),
    "calculate_gain": _none("none"),
}
