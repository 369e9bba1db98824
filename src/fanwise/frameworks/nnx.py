"""Flax nnx: the layers of a model, and models started by a rule.

A model is built abstractly to find its layers, so that nothing is computed which the rule then
replaces.
"""

from collections.abc import Callable
from typing import Any

import jax
from flax import nnx

from fanwise.frameworks.drawing import draw
from fanwise.frameworks.nnx_tracing import current_sharding, described, raw, targets_of, trace
from fanwise.keys import check_key
from fanwise.layers import Layer
from fanwise.rules import Rule, torch_default
from fanwise.typing import Key

__all__ = ["apply", "init", "layers"]


def layers(model: nnx.Module | Callable[[nnx.Rngs], nnx.Module]) -> list[Layer]:
    """All layers of a model, in the order in which they were defined.

    Args:
        model: the model, or one of ``nnx.eval_shape``, or a function that builds it of
            ``nnx.Rngs``, which is evaluated abstractly.

    Returns:
        A Layer for each layer, every array of the model in one of them but the state of random
        generators. What torch has no counterpart for, and arrays that belong to no known layer,
        have the kind None. Of layers stacked by ``nnx.vmap`` each is listed for itself, with its
        number in the path. What is shared is listed once, where it was defined first.

    Raises:
        TypeError: if it is neither.

    Example:
        >>> def build(rngs):
        ...     return nnx.Sequential(
        ...         nnx.Linear(4, 3, rngs=rngs), nnx.relu, nnx.Linear(3, 2, rngs=rngs)
        ...     )
        >>> for layer in layers(build):
        ...     print(layer)
        layers/0: Linear [weight (3, 4), bias (3,)]
        layers/2: Linear [weight (2, 3), bias (2,)]
    """
    if isinstance(model, nnx.Module):
        return described(model)[0]
    if not callable(model):
        raise TypeError(
            f"model must be an nnx.Module or a function of nnx.Rngs that gives one, got {model!r} "
            f"of type {type(model).__name__}"
        )
    return trace(model, jax.random.key(0)).layers


def init(factory: Callable[[nnx.Rngs], nnx.Module], key: Key, rule: Rule = torch_default) -> Any:
    """Build a model and start it by a rule.

    What the rule leaves alone, and the state of random generators, is what
    ``factory(nnx.Rngs(key))`` gives; nothing else of it is computed.

    Args:
        factory: builds the model of ``nnx.Rngs``; ``lambda rngs: Model(8, rngs=rngs)``.
        key: a PRNG key. The key of a parameter is folded from it and its path, so that it does
            not depend on other layers.
        rule: see :mod:`fanwise.rules`.

    Returns:
        The model, with the metadata that ``factory`` gives its Variables. With a mesh, Variables
        with an ``out_sharding`` are laid out on it.

    Raises:
        TypeError, ValueError: for a factory or key that is none, and for what a rule answers
            wrongly.

    Example:
        >>> model = init(lambda rngs: nnx.Linear(16, 3, rngs=rngs), jax.random.key(0))
        >>> bool((abs(model.bias[...]) <= 0.25).all())
        True
    """
    check_key(key)
    traced = trace(factory, key)
    return traced.filled(traced.started(key, rule))


def apply(rule: Rule, model: nnx.Module, key: Key) -> None:
    """Start anew what a rule names, in place, and nothing else.

    As ``model.apply(init_weights)`` in torch: a pretrained model gets a new head and nothing else
    moves. The model is changed, as nnx does it, and nothing is returned.

    Args:
        rule: see :mod:`fanwise.rules`.
        model: the model.
        key: a PRNG key.

    Raises:
        TypeError, ValueError: for a model or key that is none, for an abstract model, and for
            what a rule answers wrongly.

    Example:
        >>> import fanwise
        >>> model = nnx.Linear(16, 3, rngs=nnx.Rngs(0))
        >>> kernel = model.kernel[...]
        >>> apply(lambda layer: {"bias": fanwise.ones()}, model, jax.random.key(1))
        >>> model.kernel[...] is kernel, model.bias[...]
        (True, Array([1., 1., 1.], dtype=float32))
    """
    if not isinstance(model, nnx.Module):
        raise TypeError(
            f"model must be an nnx.Module, got {model!r} of type {type(model).__name__}"
        )
    check_key(key)
    found, walked = described(model)
    state = dict(nnx.to_flat_state(nnx.state(model)))
    if any(isinstance(raw(leaf), jax.ShapeDtypeStruct) for leaf in state.values()):
        raise ValueError(
            "model must have arrays, and this one is abstract; fanwise.nnx.init builds a model"
        )
    targets = targets_of(walked, state, current_sharding)
    arrays = draw(found, rule, key, targets, lambda paths: {p: raw(state[p]) for p in paths})
    nnx.update(model, nnx.from_flat_state(list(arrays.items())))
