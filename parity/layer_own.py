"""A framework's own default in a few words, read off from what it draws."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from fanwise.distributions import Constant, Distribution, Normal, TruncatedNormal, Uniform

__all__ = ["described", "in_words", "listed"]

Array = npt.NDArray[Any]

# Of 10,000 values and more the std is known to 2 %; fans next to each other differ by more.
_CLOSE = 0.04


def in_words(draws: Array) -> str:
    """What an array is drawn from.

    Args:
        draws: many draws of one array, along the first axis.

    Returns:
        A name, and the std where it is not that of the name: ``lecun_normal`` is a normal
        truncated at two std, of the std 1/sqrt(fan_in).
    """
    draws = np.asarray(draws, np.float64)
    if np.ptp(draws) == 0:
        return f"{draws.flat[0]:g}"
    if _is_orthogonal(draws):
        return "orthogonal"
    std = float(draws.std())
    law = _law(draws.ravel() / std)
    if law == "truncated normal" and any(
        math.isclose(std * math.sqrt(fan), 1, rel_tol=_CLOSE) for fan in _fans(draws.shape[1:])
    ):
        return "lecun_normal"
    return f"{law}, std {std:.2g}"


def _law(values: Array) -> str:
    """The nearest of three laws of mean 0 and std 1, by Kolmogorov's distance."""
    width = TruncatedNormal(0, 1, -2, 2).std
    laws = {
        "uniform": stats.uniform(-math.sqrt(3), 2 * math.sqrt(3)),
        "normal": stats.norm(),
        "truncated normal": stats.truncnorm(-2, 2, scale=1 / width),
    }
    distances = {name: stats.kstest(values, law.cdf).statistic for name, law in laws.items()}
    if np.abs(values).max() > 2 / width * 1.05:
        # Values outside decide, where the two normals are near one another.
        del distances["truncated normal"]
    return min(distances, key=distances.__getitem__)


def _fans(shape: tuple[int, ...]) -> set[int]:
    """What may be counted as the input: some of the leading axes."""
    return {math.prod(shape[:axes]) for axes in range(1, len(shape))}


def _is_orthogonal(draws: Array) -> bool:
    if draws.ndim != 3:
        return False
    first = draws[0]
    gram = first @ first.T if first.shape[0] <= first.shape[1] else first.T @ first
    return bool(np.abs(gram - np.eye(len(gram))).max() < 1e-5)


def listed(values: Mapping[str, str]) -> str:
    """``weight, bias zeros; scale ones``: names that share a value together."""
    by_value: dict[str, list[str]] = {}
    for name, value in values.items():
        by_value.setdefault(value, []).append(name)
    return "; ".join(f"{', '.join(names)} {value}" for value, names in by_value.items())


def described(value: Any) -> str:
    """A Distribution or derived value, short."""
    match value:
        case Uniform(low, high) if low == -high:
            return f"U(±{high:.3g})"
        case Normal(mean, std):
            return f"N({mean:g}, {std:.3g}²)"
        case Constant(number):
            return f"{number:g}"
        case Distribution():
            return str(value)
    return f"({value})"
