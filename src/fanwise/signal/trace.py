"""Measuring a model: one pass forward and backward, a LayerSignal for each layer."""

from collections.abc import Mapping
from typing import Any

from fanwise.keys import check_key
from fanwise.rules import Rule
from fanwise.signal.models import observed_of
from fanwise.signal.program import Loss, program_of
from fanwise.signal.signals import Places, trace_of
from fanwise.signal.trace_result import Trace

__all__ = ["trace"]


def trace(
    model: Any,
    variables: Any,
    x: Any,
    key: Any,
    *,
    loss: Loss | None = None,
    rule: Rule | None = None,
    method: Any = None,
    **options: Any,
) -> Trace:
    r"""Run a model once forward and once backward, and measure every layer.

    Nothing is kept of an activation but a few numbers, and what the backward pass itself needs.

    Args:
        model: a ``flax.linen.Module`` or an ``nnx.Module``, which is left as it is.
        variables: linen's variables; for nnx a state of the model, or None for its own arrays.
        x: the model's input; a tuple is several inputs, one after another.
        key: a PRNG key for the gradient's direction and for linen's random layers, which may have
            keys of their own, ``{"params": ..., "dropout": ...}``.
        loss: a number from the model's outputs, whose gradient is taken. Without it, the gradient
            at the outputs is standard normal: numbers then depend on the model alone.
        rule: the rule by which the variables were started. Theory then goes by its distributions,
            else by the second moments that the weights happen to have.
        method: what to run instead of ``__call__``.
        options: keyword arguments of the method, such as ``train=True``. Statistics that a model
            updates (of batch norms) are thrown away.

    Returns:
        A :class:`Trace`, which prints as a table.

    Raises:
        TypeError: for a model that is of neither kind, and for a key that is none.
        ValueError: for variables that are not the model's, and for layers inside of a ``while``
            loop.

    Example:
        >>> import jax
        >>> from flax import linen as nn
        >>> import fanwise as fw
        >>> model = nn.Sequential([nn.Dense(512), nn.relu, nn.Dense(10)])
        >>> x = jax.random.normal(jax.random.key(0), (64, 256))
        >>> variables = fw.linen.init(model, jax.random.key(1), x)
        >>> measured = fw.signal.trace(model, variables, x, jax.random.key(2))
        >>> [layer.path for layer in measured.layers], measured.layers[0].activation
        (['layers_0', 'layers_2'], 'relu')
        >>> abs(measured.layers[0].second_moment - 1 / 3) < 0.02  # torch's default
        True
    """
    if isinstance(key, Mapping) and "params" not in key:
        raise ValueError(f"key must have an entry 'params', got {', '.join(key) or 'none'}")
    for own in key.values() if isinstance(key, Mapping) else (key,):
        check_key(own)
    observed = observed_of(model, x, options, method)
    arrays = observed.given(variables)
    program = program_of(observed, arrays, key, loss)
    return trace_of(Places(program), program.run(arrays, observed.inputs, key), rule)
