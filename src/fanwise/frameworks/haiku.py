"""Haiku: the layers of a transformed function, and parameters started by a rule.

Modules are found by tracing ``transformed.init`` abstractly under ``hk.intercept_methods``, with a
creator that sees each parameter as its module asks for it. Nothing is computed for it.
"""

from collections.abc import Mapping
from typing import Any

from fanwise.frameworks.drawing import draw
from fanwise.frameworks.haiku_modules import flat, rebuilt, trace
from fanwise.keys import check_key
from fanwise.layers import Layer
from fanwise.rules import Rule, torch_default
from fanwise.typing import Key

__all__ = ["apply", "init", "layers"]


def layers(transformed: Any, *inputs: Any) -> list[Layer]:
    """All layers of a function, in order of execution; what no module has comes last.

    Args:
        transformed: what ``hk.transform`` or ``hk.transform_with_state`` gives.
        inputs: what ``transformed.init`` takes after the key; ``jax.ShapeDtypeStruct`` will do.

    Returns:
        A Layer for each layer, every parameter and every array of the state in one of them. What
        torch has no counterpart for, and arrays that belong to no known layer, have the kind
        None. Of layers stacked by ``hk.layer_stack`` each is listed for itself.

    Raises:
        TypeError: if ``transformed`` has no ``init``.

    Example:
        >>> import haiku as hk, jax.numpy as jnp
        >>> transformed = hk.transform(lambda x: hk.nets.MLP([3, 2])(x))
        >>> for layer in layers(transformed, jnp.zeros((1, 4))):
        ...     print(layer)
        mlp/~/linear_0: Linear [weight (3, 4), bias (3,)]
        mlp/~/linear_1: Linear [weight (2, 3), bias (2,)]
    """
    return trace(transformed, None, inputs).layers()


def init(transformed: Any, key: Key, *inputs: Any, rule: Rule = torch_default) -> Any:
    """Parameters of a function, started by a rule.

    What the rule leaves alone is what ``transformed.init`` gives; nothing else of it is computed.

    Args:
        transformed: what ``hk.transform`` or ``hk.transform_with_state`` gives.
        key: a PRNG key.
        inputs: what ``transformed.init`` takes after the key; ``jax.ShapeDtypeStruct`` will do,
            and is zeros where the function's own init looks at the values.
        rule: see :mod:`fanwise.rules`; torch's own defaults if none is given.

    Returns:
        What ``transformed.init`` gives: the parameters, or a pair of parameters and state.

    Raises:
        TypeError, ValueError: for a key that is none, and for what a rule answers wrongly.

    Example:
        >>> import haiku as hk, jax, jax.numpy as jnp
        >>> transformed = hk.transform(lambda x: hk.Linear(3)(x))
        >>> params = init(transformed, jax.random.key(0), jnp.zeros((1, 16)))
        >>> params["linear"]["w"].shape
        (16, 3)
    """
    check_key(key)
    traced = trace(transformed, key, inputs)

    def own_init(paths: list[Any]) -> dict[Any, Any]:
        return traced.compute(key, paths)

    arrays = draw(traced.layers(), rule, key, traced.targets(), own_init)
    rest = [path for path in flat(traced.variables) if path not in arrays]
    if rest:
        arrays |= own_init(rest)
    made = rebuilt(traced.variables, arrays)
    return (made["params"], made["state"]) if "state" in made else made["params"]


def apply(
    rule: Rule, transformed: Any, params: Mapping[str, Any], key: Key, *inputs: Any
) -> Mapping[str, Any]:
    """Start anew what a rule names, and nothing else.

    As ``model.apply(init_weights)`` in torch: a pretrained model gets a new head and nothing else
    moves.

    Args:
        rule: see :mod:`fanwise.rules`.
        transformed: what ``hk.transform`` or ``hk.transform_with_state`` gives.
        params: its parameters, without the state.
        key: a PRNG key.
        inputs: what ``transformed.init`` takes after the key; ``jax.ShapeDtypeStruct`` will do.

    Returns:
        New parameters; arrays that the rule does not name are the same objects.

    Raises:
        ValueError: if the parameters are not those of the function.

    Example:
        >>> import fanwise, haiku as hk, jax, jax.numpy as jnp
        >>> transformed, x = hk.transform(lambda x: hk.Linear(3)(x)), jnp.zeros((1, 16))
        >>> params = transformed.init(jax.random.key(0), x)
        >>> rule = lambda layer: {"bias": fanwise.ones()}
        >>> new = apply(rule, transformed, params, jax.random.key(1), x)
        >>> new["linear"]["w"] is params["linear"]["w"], new["linear"]["b"]
        (True, Array([1., 1., 1.], dtype=float32))
    """
    check_key(key)
    traced = trace(transformed, None, inputs).of(params)
    given = flat(traced.variables)
    arrays = draw(traced.layers(), rule, key, traced.targets(), lambda paths: given)
    new: Mapping[str, Any] = rebuilt(traced.variables, arrays)["params"]
    return new
