"""Laws made from laws: scaled, of another family, of a given std."""

import math

from fanwise.distributions import (
    Constant,
    Distribution,
    Normal,
    ScalarDistribution,
    Triangular,
    TruncatedNormal,
    Uniform,
)
from fanwise.distributions.truncated_normal import std_of_cut_normal

__all__ = ["brief", "families", "lecun_like", "normal_of", "scaled", "variance_scaled"]


def scaled(law: ScalarDistribution, factor: float) -> ScalarDistribution:
    """The law of a multiple.

    Example:
        >>> scaled(Uniform(-1.0, 1.0), 0.5)
        Uniform(-0.5, 0.5)
    """
    match law:
        case Uniform(low, high):
            return Uniform(low * factor, high * factor)
        case Triangular(low, high):
            return Triangular(low * factor, high * factor)
        case Normal(mean, std):
            return Normal(mean * factor, std * factor)
        case TruncatedNormal(loc, scale, low, high):
            return TruncatedNormal(loc * factor, scale * factor, low * factor, high * factor)
    raise TypeError(f"{law} cannot be scaled")


def normal_of(law: ScalarDistribution) -> ScalarDistribution:
    """A truncated normal of which nothing is cut off is a normal."""
    if isinstance(law, TruncatedNormal):
        reach = min(law.loc - law.low, law.high - law.loc) / law.scale
        if reach > 6:
            return Normal(law.loc, law.scale)
    return law


def lecun_like(std: float) -> TruncatedNormal:
    """A normal truncated at two of its own std, of this std after the cut."""
    scale = std / std_of_cut_normal()
    return TruncatedNormal(0.0, scale, -2 * scale, 2 * scale)


def families(std: float) -> list[ScalarDistribution]:
    """What ``variance_scaling`` may draw with a std, of its three distributions."""
    half = math.sqrt(3) * std
    return [Uniform(-half, half), Normal(0.0, std), lecun_like(std)]


def variance_scaled(scale: float, fan: float) -> list[ScalarDistribution]:
    """What ``variance_scaling(scale)`` draws for a fan."""
    return families(math.sqrt(scale / fan))


def brief(law: Distribution) -> str:
    """A law for a table, four digits of its numbers.

    Example:
        >>> brief(Uniform(-0.125, 0.125)), brief(TruncatedNormal(0.0, 0.02, -2.0, 2.0))
        ('Uniform(±0.125)', 'Normal(0, 0.02) within ±2')
    """
    match law:
        case Constant(value):
            return f"{value:.4g}"
        case Uniform(low, high) | Triangular(low, high) if low == -high:
            return f"{type(law).__name__}(±{high:.4g})"
        case TruncatedNormal(loc, scale, low, high):
            ends = f"±{high:.4g}" if low == -high else f"{low:.4g}, {high:.4g}"
            return f"Normal({loc:.4g}, {scale:.4g}) within {ends}"
    return str(law)
