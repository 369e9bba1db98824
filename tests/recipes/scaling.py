"""Layers made from torch's arguments, rules of one answer, and the number a law scales with."""

import fanwise as fw
from fanwise.distributions import Normal, TruncatedNormal, Uniform
from fanwise.layers import kind_of

__all__ = ["everywhere", "layer", "spread"]


def layer(kind, path="layer", **sizes):
    """A layer of torch's arguments."""
    return fw.Layer(path, kind, sizes, kind_of(kind).shapes(**sizes))


def everywhere(value):
    return lambda layer: dict.fromkeys(layer.parameters, value)


def spread(law):
    """The number that a law scales with."""
    match law:
        case Uniform(low, high):
            assert low == -high
            return high
        case Normal(mean, std):
            assert mean == 0
            return std
        case TruncatedNormal(mean, std, low, high):
            assert (mean, low) == (0, -high)
            return (std, high)
    raise AssertionError(law)
