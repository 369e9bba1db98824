"""What a rule says of every parameter of a linen model, and what is expected of it."""

import dataclasses
import math

import numpy as np

import fanwise as fw
from fanwise.distributions import Constant, Normal, TruncatedNormal, Uniform
from fanwise.layers import Derived
from fanwise.rules import answer_of
from fanwise.testing import check_samples

__all__ = ["ONE", "ZERO", "agree", "close", "fits", "laws", "torch_linear", "uniform"]

ZERO, ONE = Constant(0.0), Constant(1.0)


def uniform(bound):
    """U(-bound, bound)."""
    return Uniform(-bound, bound)


def torch_linear(path, fan_in):
    """torch's default for a Linear or a convolution, weight and bias."""
    return {f"{path}:{name}": uniform(1 / math.sqrt(fan_in)) for name in ("weight", "bias")}


def laws(layers, rule):
    """The law of every parameter, by ``path:name``; None where the rule leaves it alone."""
    found = {}
    for layer in layers:
        answer = answer_of(rule, layer)
        for name, shape in layer.parameters.items():
            value = answer.get(name)
            if isinstance(value, fw.Initializer):
                value = value.distribution(shape, "OI..." if layer.kind else None)
            found[f"{layer.path}:{name}"] = value
    return found


def close(ours, expected):
    """Whether two laws are one, to 1e-12 relative."""
    if isinstance(ours, Derived) or isinstance(expected, Derived) or None in (ours, expected):
        return ours is expected
    if type(ours) is not type(expected):
        return False
    assert isinstance(ours, Constant | Normal | TruncatedNormal | Uniform)
    return all(
        math.isclose(x, y, rel_tol=1e-12, abs_tol=0.0)
        for x, y in zip(dataclasses.astuple(ours), dataclasses.astuple(expected), strict=True)
    )


def agree(ours, expected):
    """The names on which two sets of laws differ; the same names must be in both."""
    assert set(ours) == set(expected)
    return {name for name in ours if not close(ours[name], expected[name])}


def fits(values, law):
    """Whether an array looks drawn from a law; a false alarm in 1e9."""
    checks = check_samples(np.asarray(values), law, false_alarm=1e-9)
    return all(check.passed for check in checks)
