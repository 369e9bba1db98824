"""torch's random operations as draws, and functions of draws."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from fanwise.distributions import Distribution, Normal, Uniform
from fanwise.frameworks.torch_record_calls import broadcast, call
from fanwise.recording.expression import Expression

__all__ = ["RANDOM", "drawn"]

Draws: TypeAlias = Callable[[Distribution, tuple[int, ...], str], Expression]
"""Notes a new draw: of a distribution, a shape, a dtype."""

_Rule: TypeAlias = Callable[[Draws, Mapping[str, Any], tuple[int, ...], str], Expression | None]


def drawn(
    name: str, draws: Draws, operands: Mapping[str, Any], shape: tuple[int, ...], dtype: str
) -> Expression | None:
    """What a random operation makes; None if it cannot be expressed."""
    rule = RANDOM.get(name)
    return None if rule is None else rule(draws, operands, shape, dtype)


def _is_discrete(dtype: str) -> bool:
    return dtype.startswith(("int", "uint", "bool"))


def _uniform(
    draws: Draws, a: Mapping[str, Any], shape: tuple[int, ...], dtype: str
) -> Expression | None:
    low, high = a.get("from", 0.0), a.get("to", 1.0)
    return None if _is_discrete(dtype) else draws(Uniform(low, high), shape, dtype)


def _normal(
    draws: Draws, a: Mapping[str, Any], shape: tuple[int, ...], dtype: str
) -> Expression | None:
    """Of numbers, or of tensors: then they scale and shift standard normals."""
    mean, std = a.get("mean", 0.0), a.get("std", 1.0)
    if _is_discrete(dtype):
        return None
    if not isinstance(mean, Expression) and not isinstance(std, Expression):
        return draws(Normal(mean, std), shape, dtype)
    scaled = call(shape, dtype, "mul", draws(Normal(0.0, 1.0), shape, dtype), std)
    return call(shape, dtype, "add", scaled, mean)


def _standard_uniform(
    draws: Draws, a: Mapping[str, Any], shape: tuple[int, ...], dtype: str
) -> Expression | None:
    return _uniform(draws, {}, shape, dtype)


def _standard_normal(
    draws: Draws, a: Mapping[str, Any], shape: tuple[int, ...], dtype: str
) -> Expression | None:
    return _normal(draws, {}, shape, dtype)


def _exponential(
    draws: Draws, a: Mapping[str, Any], shape: tuple[int, ...], dtype: str
) -> Expression | None:
    """``-log(1 - u) / lambd``: u may be 0, and is never 1."""
    if _is_discrete(dtype):
        return None
    uniform = draws(Uniform(0.0, 1.0), shape, dtype)
    rest = call(shape, dtype, "log1p", call(shape, dtype, "neg", uniform))
    return call(shape, dtype, "div", call(shape, dtype, "neg", rest), a.get("lambd", 1.0))


def _log_normal(
    draws: Draws, a: Mapping[str, Any], shape: tuple[int, ...], dtype: str
) -> Expression | None:
    normal = draws(Normal(a.get("mean", 1.0), a.get("std", 2.0)), shape, dtype)
    return None if _is_discrete(dtype) else call(shape, dtype, "exp", normal)


def _bernoulli(
    draws: Draws, a: Mapping[str, Any], shape: tuple[int, ...], dtype: str
) -> Expression | None:
    """``u < p``; p is a number, or a tensor, which is ``self`` for the function."""
    probability = a["p"] if "p" in a else a["self"]
    if isinstance(probability, Expression):
        probability = broadcast(probability, shape)
    uniform = draws(Uniform(0.0, 1.0), shape, "float32")
    is_one = call(shape, "bool", "lt", uniform, probability)
    return call(shape, dtype, "cast", is_one)


RANDOM: dict[str, _Rule] = {
    "uniform": _uniform,
    "normal": _normal,
    "normal_functional": _normal,
    "rand": _standard_uniform,
    "rand_like": _standard_uniform,
    "randn": _standard_normal,
    "randn_like": _standard_normal,
    "exponential": _exponential,
    "log_normal": _log_normal,
    "bernoulli": _bernoulli,
}
