"""torch's gains, with its defaults and its refusals."""

import math
import reprlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import fanwise
from parity.request import RELATIVE

__all__ = ["NAMES", "SLOPES", "compare", "mismatch"]

NAMES = (
    *("linear", "conv1d", "conv2d", "conv3d"),
    *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
    *("sigmoid", "tanh", "relu", "leaky_relu", "selu"),
    # torch knows none of these.
    *("gelu", "silu", "ReLU", "leaky_relu ", "", "conv4d", None, 3, ("relu",)),
)

SLOPES = (
    *(None, 0, 1, -1, 0.0, 0.01, 0.2, -0.2, math.sqrt(5), 1e150, 10**20, math.inf),
    *(np.float64(0.3), True, False, np.float32(0.1), np.int64(1), np.bool_(True)),
    *("0.1", (0.1,), 1j, 1e200, 10**400),
)
"""Among them what torch refuses: truth values, numpy's float32 and integers, and squares that
overflow."""

# Both count as one refusal; torch also lets an OverflowError pass.
_REFUSAL = (ValueError, TypeError)


def compare() -> dict[str, tuple[list[str], list[str]]]:
    """Compare the gains of all names and slopes; return the cases and the mismatches."""
    arguments = [(name, slope) for name in NAMES for slope in SLOPES]
    cases = [_text(name, slope) for name, slope in arguments]
    lines = [line for name, slope in arguments if (line := mismatch(name, slope))]
    return {"calculate_gain": (cases, lines)}


def mismatch(name: Any, slope: Any) -> str:
    """Return how our gain differs from torch's; nothing if it does not."""
    theirs = _outcome(torch.nn.init.calculate_gain, name, slope)
    ours = _outcome(fanwise.calculate_gain, name, slope)
    if isinstance(theirs, Exception):
        same = isinstance(ours, _REFUSAL)
    else:
        same = isinstance(ours, float) and math.isclose(theirs, ours, rel_tol=RELATIVE, abs_tol=0.0)
    return "" if same else f"{_text(name, slope)}: torch {theirs!r}, we {ours!r}"


def _text(name: Any, slope: Any) -> str:
    return f"calculate_gain({name!r}, {reprlib.repr(slope)})"


def _outcome(function: Callable[..., float], *arguments: Any) -> float | Exception:
    try:
        return function(*arguments)
    except Exception as error:
        return error
