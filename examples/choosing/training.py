"""A short training run: the same batches for every rule and seed, one compiled step a model."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

__all__ = ["Trainer"]

Loss = Callable[[jax.Array, jax.Array], jax.Array]


class Trainer:
    """Trains one model with one optimizer, from any variables, at any rate.

    Steps are a loop in Python: XLA runs convolutions inside of a scan ten times slower on a CPU.

    Args:
        model: the module.
        loss: of the model's output and the target.
        optimizer: without its learning rate, such as ``optax.scale_by_adam()``.
        options: keyword arguments of the model, such as ``train=True``.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        optimizer: optax.GradientTransformation,
        options: Mapping[str, Any],
    ) -> None:
        def loss_of(params: Any, state: Any, x: jax.Array, target: jax.Array) -> Any:
            variables = {"params": params, **state}
            output, state = model.apply(variables, x, mutable=list(state), **options)
            return loss(output, target), state

        def step(carry: Any, rate: jax.Array, x: jax.Array, target: jax.Array) -> Any:
            params, state, moments = carry
            gradient = jax.value_and_grad(loss_of, has_aux=True)
            (value, state), slope = gradient(params, state, x, target)
            updates, moments = optimizer.update(slope, moments, params)
            params = jax.tree.map(lambda p, u: p - rate * u, params, updates)
            return (params, state, moments), value

        self._optimizer = optimizer
        self._step = jax.jit(step, donate_argnums=0)
        self._loss = jax.jit(lambda *arguments: loss_of(*arguments)[0])

    def run(
        self,
        variables: Mapping[str, Any],
        batches: list[tuple[np.ndarray, np.ndarray]],
        held_out: tuple[np.ndarray, np.ndarray],
        rate: float,
    ) -> tuple[np.ndarray, float]:
        """The loss before each step, and that of the held-out batch at the end.

        The held-out batch is seen as in training: a normalization takes the batch's statistics.
        """
        variables = jax.tree.map(jnp.copy, dict(variables))
        params = variables.pop("params")
        carry = params, variables, self._optimizer.init(params)
        losses = []
        for x, target in batches:
            carry, value = self._step(carry, jnp.float32(rate), x, target)
            losses.append(value)
        return np.asarray(losses), float(self._loss(*carry[:2], *held_out))
