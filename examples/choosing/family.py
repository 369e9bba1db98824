"""What one kind of network is: the model, its data, its loss, and how it is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
import optax
from flax import linen as nn

from fanwise.rules import Rule

__all__ = ["ADAM", "SGD", "Data", "Family", "Optimizer"]


@dataclass(frozen=True)
class Optimizer:
    """An optimizer and the learning rates that are tried with it."""

    name: str
    transformation: optax.GradientTransformation
    rates: tuple[float, ...]


def ADAM(*rates: float) -> Optimizer:
    """Adam, with optax's (and torch's) defaults."""
    return Optimizer("Adam", optax.scale_by_adam(), rates)


def SGD(*rates: float) -> Optimizer:
    """Gradient descent with momentum 0.9."""
    return Optimizer("SGD", optax.trace(0.9), rates)


@dataclass(frozen=True)
class Data:
    """Examples, and what a simple guess would reach on them.

    Args:
        inputs: one for each example.
        targets: one for each example.
        bounds: losses to compare with, by what reaches them.
    """

    inputs: np.ndarray
    targets: np.ndarray
    bounds: Mapping[str, float]


@dataclass(frozen=True)
class Family:
    """A network and a problem for it.

    Args:
        title: for headings.
        model: the module.
        data: examples, from a seed, or several, and their number.
        loss: of the model's output and the target.
        measure: the loss in words.
        optimizers: what it is trained with.
        rules: what is compared beside the candidates of :mod:`fanwise.signal`.
        options: keyword arguments of the model.
        batch: the number of examples a step.
        steps: the number of steps.
    """

    title: str
    model: nn.Module
    data: Callable[[tuple[int, ...], int], Data]
    loss: Callable[[jax.Array, jax.Array], jax.Array]
    measure: str
    optimizers: tuple[Optimizer, ...]
    batch: int
    steps: int
    rules: Mapping[str, Rule] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
