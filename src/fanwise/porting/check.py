"""Whether a Flax model starts as its torch original does, parameter by parameter."""

from collections.abc import Callable
from typing import Any

import jax

from fanwise.porting.checking import Report, flax_model, run
from fanwise.recording import Recipe
from fanwise.rules import Rule
from fanwise.typing import Key

__all__ = ["check"]


def check(
    torch: Any,
    flax: Any,
    *inputs: Any,
    init: Callable[[Key], Any] | None = None,
    rule: Rule | None = None,
    names: Any = None,
    flatten: Any = None,
    key: Key | None = None,
    samples: int = 2**17,
    false_alarm: float = 1e-6,
    **options: Any,
) -> Report:
    """Compare how two models start, the Flax one being initialized by anybody's code.

    torch's side is recorded: what its constructor asks the sampler for is known exactly. Flax's
    side is drawn, for as many keys as small arrays need, and held against it by checks whose
    false-alarm rate is stated (:mod:`fanwise.testing`); constants are compared exactly, and so is
    what a fanwise ``rule`` says. Beside the law of the elements the check looks at fixed values,
    signs, orthogonality, parts of an array with a mean or std of their own, values that are used
    twice in it (mirrored, symmetric), and copies between parameters.

    Args:
        torch: a function that builds the torch model, or its Recipe.
        flax: a linen module, a function that builds an nnx model of ``nnx.Rngs``, or a list of
            layers with ``init``.
        inputs: what ``flax.init`` takes after the key, for linen; ``jax.ShapeDtypeStruct`` will do
            only with ``init`` or ``rule``.
        init: the code that starts the Flax model, if it is not its own: a function from a key to
            variables, or to an nnx model or its state.
        rule: the rule that starts the Flax model; see :mod:`fanwise.rules`.
        names: see :func:`fanwise.port.match`.
        flatten: see :func:`fanwise.port.match`.
        key: the root of all keys; ``jax.random.key(0)`` if None.
        samples: how many values of each array to look at. What is noticed of the std shrinks with
            the root of it: 2 % for the default.
        false_alarm: the probability with which a sound pair is reported as different.
        options: keyword arguments of the linen module's call, such as ``train=False``.

    Returns:
        A Report: ``passed``, ``faults`` with their causes and the rule that mends them, a table.

    Raises:
        TypeError, ValueError: for models that cannot be read or matched, or an ``init`` that does
            not give the model's variables.

    Example:
        >>> import jax.numpy as jnp
        >>> from flax import linen
        >>> from torch import nn
        >>> report = check(lambda: nn.Linear(64, 32), linen.Dense(32), jnp.zeros((1, 64)))
        >>> for fault in report.faults:
        ...     print(*fault.torch, fault.cause)
        weight framework default
        bias framework default
    """
    if init is not None and rule is not None:
        raise ValueError("give init= or rule=, not both: each says how the Flax model is started")
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples!r}")
    recipe = torch
    if not isinstance(torch, Recipe):
        from fanwise.frameworks import torch as adapter

        recipe = adapter.record(torch)
    if rule is not None:
        init = _by_rule(flax, inputs, options, rule)
    model = flax_model(flax, inputs, options, init)
    from fanwise.porting.match import match

    correspondence = match(recipe, model.layers, names=names, flatten=flatten)
    root = jax.random.key(0) if key is None else key
    return run(recipe, correspondence, model, root, samples, false_alarm, rule)


def _by_rule(flax: Any, inputs: Any, options: Any, rule: Rule) -> Callable[[Key], Any]:
    from flax import linen as nn

    from fanwise.frameworks import linen, nnx

    if isinstance(flax, nn.Module):
        return lambda key: linen.init(flax, key, *inputs, rule=rule, **options)
    return lambda key: nnx.init(flax, key, rule)
