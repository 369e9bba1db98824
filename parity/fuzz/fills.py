"""Random ways to fill a tensor: all functions of ``torch.nn.init``, and methods."""

from typing import Any

import numpy as np

from parity.fuzz.choice import number, pick, toss
from parity.fuzz.values import Fill, Made

__all__ = ["any_fill", "any_made"]

Rng = np.random.Generator

_FLAT = ("uniform_", "normal_", "trunc_normal_", "constant_", "zeros_", "ones_")
_METHODS = ("normal_", "uniform_", "fill_", "zero_")
_FANS = ("xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "orthogonal_")


def any_fill(
    rng: Rng,
    dimensions: int,
    shape: tuple[int, ...] = (),
    *,
    is_exact: bool = True,
    is_square: bool = True,
) -> Fill:
    """A way to fill a tensor.

    Args:
        rng: what it is chosen with.
        dimensions: that the tensor has, at least.
        shape: the tensor's, where one is meant.
        is_exact: whether it has just so many dimensions.
        is_square: whether ``dirac_`` may be among them where it has three or more.
    """
    names = [*_FLAT, *_FLAT, *(f".{name}" for name in _METHODS)]
    if dimensions >= 2:
        names += _FANS * 3
    if dimensions == 2 and is_exact:
        names += ("eye_", "sparse_")
    if dimensions >= 3 and is_exact and is_square:
        names += ("dirac_",)
    name = pick(rng, names)
    is_method = name.startswith(".")
    name = name.removeprefix(".")
    arguments, options = _given(rng, name, shape)
    then: tuple[tuple[str, float], ...] = ()
    if toss(rng, 0.25):
        steps = {
            "mul_": number(rng, 0.2, 2.0),
            "div_": number(rng, 0.5, 4.0),
            "add_": number(rng, -0.5, 0.5),
            "sub_": number(rng, -0.5, 0.5),
        }
        chosen = rng.permutation(list(steps))[: int(rng.integers(1, 3))]
        then = tuple((str(step), steps[str(step)]) for step in chosen)
    return Fill(name, arguments, options, is_method, then, toss(rng, 0.3))


def _given(
    rng: Rng, name: str, shape: tuple[int, ...]
) -> tuple[tuple[float, ...], tuple[tuple[str, Any], ...]]:
    std = number(rng, 0.01, 0.5)
    if name == "uniform_":
        low = number(rng, -1.0, 0.5)
        return (low, round(low + number(rng, 0.1, 1.0), 4)), ()
    if name == "normal_":
        return (number(rng, -0.5, 0.5) if toss(rng, 0.3) else 0.0, std), ()
    if name == "trunc_normal_":
        if toss(rng, 0.5):
            return (), (("std", std),)
        # Bounds in torch's sense, of which those about 2 std cut something off.
        return (), (("std", std), ("a", -2 * std), ("b", number(rng, 1.0, 2.0) * std))
    if name in ("constant_", "fill_"):
        return (number(rng, -1.0, 1.0),), ()
    if name.startswith(("xavier", "orthogonal")):
        return (), (("gain", number(rng, 0.5, 2.0)),) if toss(rng, 0.5) else ()
    if name.startswith("kaiming"):
        return (), pick(rng, _KAIMING)
    if name == "sparse_":
        return (number(rng, 0.1, 0.8),), (("std", std),)
    if name == "dirac_" and shape and shape[0] % 2 == 0:
        return (pick(rng, (1, 2)),), ()
    return (), ()


_KAIMING: tuple[tuple[tuple[str, Any], ...], ...] = (
    (),
    (("a", 5**0.5),),
    (("nonlinearity", "relu"),),
    (("mode", "fan_out"), ("nonlinearity", "relu")),
    (("mode", "fan_out"), ("a", 0.2)),
    (("nonlinearity", "tanh"),),
)


def any_made(rng: Rng, shape: tuple[int, ...]) -> Made:
    """A way to make a tensor of that shape."""
    names = ["randn", "rand", "zeros", "ones", "full", "linspace", "empty", "randn_like"]
    if len(shape) == 2:
        names.append("eye")
    name = pick(rng, names)
    numbers: tuple[float, ...] = ()
    if name == "full":
        numbers = (number(rng, -1.0, 1.0),)
    if name in ("linspace", "empty"):
        low = number(rng, -1.0, 0.5)
        numbers = (low, round(low + number(rng, 0.1, 1.0), 4))
    times = number(rng, 0.02, 2.0) if toss(rng, 0.5) else None
    plus = number(rng, -0.5, 0.5) if toss(rng, 0.2) else None
    return Made(name, numbers, times, plus)
