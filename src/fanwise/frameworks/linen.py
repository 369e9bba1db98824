"""Flax linen: the layers of a module, and variables started by a rule.

Modules are found by tracing ``model.init`` abstractly under ``nn.intercept_methods``, which sees
every module that runs, inside of scan, vmap, remat and jit too. Nothing is computed for it.
"""

from collections.abc import Mapping
from typing import Any

from flax import linen as nn

from fanwise.frameworks.drawing import draw
from fanwise.frameworks.linen_modules import trace
from fanwise.keys import check_key
from fanwise.layers import Layer
from fanwise.rules import Rule, torch_default
from fanwise.typing import Key

__all__ = ["apply", "init", "layers"]

Variables = Mapping[str, Any]


def layers(model: nn.Module, *inputs: Any, method: Any = None, **options: Any) -> list[Layer]:
    """All layers of a module, in order of execution.

    Args:
        model: the module.
        inputs: what ``model.init`` takes after the key; ``jax.ShapeDtypeStruct`` will do.
        method: the method to run instead of ``__call__``, as in ``model.init``.
        options: keyword arguments of the method.

    Returns:
        A Layer for each layer, every variable of the module in one of them. What torch has no
        counterpart for, and variables that belong to no known layer, have the kind None.

    Example:
        >>> import jax.numpy as jnp
        >>> model = nn.Sequential([nn.Dense(3), nn.relu, nn.Dense(2)])
        >>> for layer in layers(model, jnp.zeros((1, 4))):
        ...     print(layer)
        layers_0: Linear [weight (3, 4), bias (3,)]
        layers_2: Linear [weight (2, 3), bias (2,)]
    """
    return trace(model, None, inputs, options, method).layers


def init(
    model: nn.Module,
    key: Key | Mapping[str, Key],
    *inputs: Any,
    rule: Rule = torch_default,
    method: Any = None,
    **options: Any,
) -> Any:
    """Variables of a module, started by a rule.

    What the rule leaves alone is what ``model.init`` gives; nothing else of it is computed.

    Args:
        model: the module.
        key: a PRNG key, or one for each name (``{"params": ..., "dropout": ...}``).
        inputs: what ``model.init`` takes after the key; ``jax.ShapeDtypeStruct`` will do.
        rule: see :mod:`fanwise.rules`; torch's own defaults if none is given.
        method: the method to run instead of ``__call__``, as in ``model.init``.
        options: keyword arguments of the method.

    Returns:
        Variables as ``model.init`` gives them, boxes of partitioned parameters included. With a
        mesh, partitioned parameters are laid out on it.

    Raises:
        TypeError, ValueError: for a key that is none, and for what a rule answers wrongly.

    Example:
        >>> import jax
        >>> variables = init(nn.Dense(3), jax.random.key(0), jax.numpy.zeros((1, 16)))
        >>> variables["params"]["bias"].shape
        (3,)
    """
    rngs = dict(key) if isinstance(key, Mapping) else {"params": key}
    if "params" not in rngs:
        raise ValueError(f"key must have an entry 'params', got {', '.join(rngs) or 'none'}")
    for own in rngs.values():
        check_key(own)
    traced = trace(model, rngs, inputs, options, method)
    arrays = traced.started(rngs, rule)
    return traced.rebuilt(traced.variables, arrays)


def apply(
    rule: Rule,
    model: nn.Module,
    variables: Variables,
    key: Key,
    *inputs: Any,
    method: Any = None,
    **options: Any,
) -> Any:
    """Start anew what a rule names, and nothing else.

    As ``model.apply(init_weights)`` in torch: a pretrained model gets a new head and nothing else
    moves.

    Args:
        rule: see :mod:`fanwise.rules`.
        model: the module.
        variables: its variables, as ``model.init`` gives them; collections may be missing.
        key: a PRNG key.
        inputs: what ``model.init`` takes after the key; ``jax.ShapeDtypeStruct`` will do.
        method: the method to run instead of ``__call__``, as in ``model.init``.
        options: keyword arguments of the method.

    Returns:
        New variables; arrays that the rule does not name are the same objects.

    Raises:
        ValueError: if the variables are not those of the module.

    Example:
        >>> import jax
        >>> import fanwise
        >>> model, x = nn.Dense(3), jax.numpy.zeros((1, 16))
        >>> variables = model.init(jax.random.key(0), x)
        >>> rule = lambda layer: {"bias": fanwise.ones()}
        >>> new = apply(rule, model, variables, jax.random.key(1), x)
        >>> new["params"]["kernel"] is variables["params"]["kernel"]
        True
    """
    check_key(key)
    traced = trace(model, None, inputs, options, method).of(variables)
    given = traced.given(variables)
    arrays = draw(traced.layers, rule, key, traced.targets, lambda paths: given)
    return traced.rebuilt(variables, arrays)
