"""Equinox: the layers of a model, and models started by a rule.

A model is a pytree whose modules say what they are, so that nothing needs to be run to find them.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

from fanwise.frameworks.claims import layers_of
from fanwise.frameworks.drawing import draw
from fanwise.frameworks.equinox_tree import Tree
from fanwise.keys import check_key
from fanwise.layers import Layer
from fanwise.rules import Rule, torch_default
from fanwise.typing import Key

__all__ = ["apply", "init", "layers"]


def layers(model: Any) -> list[Layer]:
    """All layers of a model, in order of definition.

    Args:
        model: a module, or any pytree of modules; or the pair of model and State that
            ``eqx.nn.make_with_state`` gives. ``jax.ShapeDtypeStruct`` will do for arrays.

    Returns:
        A Layer for each layer, every array of the model in one of them. What torch has no
        counterpart for, and arrays that belong to no known layer, have the kind None. Keys of
        random numbers are left out. Of modules stacked by ``eqx.filter_vmap`` each is listed for
        itself.

    Example:
        >>> model = eqx.nn.MLP(4, 2, width_size=3, depth=1, key=jax.random.key(0))
        >>> for layer in layers(model):
        ...     print(layer)
        layers/0: Linear [weight (3, 4), bias (3,)]
        layers/1: Linear [weight (2, 3), bias (2,)]
    """
    return layers_of(Tree.of(model).found())


def init(factory: Callable[[Key], Any], key: Key, rule: Rule = torch_default) -> Any:
    """A new model, started by a rule.

    What the rule leaves alone is what the factory gives; nothing else of it is computed.

    Args:
        factory: takes a key and gives a model, or a pair of model and State as
            ``eqx.nn.make_with_state`` does.
        key: a PRNG key.
        rule: see :mod:`fanwise.rules`; torch's own defaults if none is given.

    Returns:
        What the factory gives, with the arrays that the rule says.

    Raises:
        TypeError, ValueError: for a key that is none, and for what a rule answers wrongly.

    Example:
        >>> model = init(lambda key: eqx.nn.Linear(16, 3, key=key), jax.random.key(0))
        >>> model.weight.shape
        (3, 16)
    """
    check_key(key)
    tree = Tree.of(eqx.filter_eval_shape(factory, key))

    def own_init(paths: list[str]) -> dict[str, Any]:
        def chosen(key: Key) -> dict[str, Any]:
            arrays = Tree.of(factory(key)).arrays()
            return {path: arrays[path] for path in paths}

        return dict(jax.jit(chosen)(key))

    arrays = draw(layers_of(tree.found()), rule, key, tree.targets(), own_init)
    rest = [path for path in tree.arrays() if path not in arrays]
    if rest:
        arrays |= own_init(rest)
    return tree.replaced(arrays)


def apply(rule: Rule, model: Any, key: Key) -> Any:
    """Start anew what a rule names, and nothing else.

    As ``model.apply(init_weights)`` in torch: a pretrained model gets a new head and nothing else
    moves.

    Args:
        rule: see :mod:`fanwise.rules`.
        model: a module, or any pytree of modules; or a pair of model and State.
        key: a PRNG key.

    Returns:
        A new model; arrays that the rule does not name are the same objects.

    Raises:
        TypeError, ValueError: for a key that is none, and for what a rule answers wrongly.

    Example:
        >>> import fanwise
        >>> model = eqx.nn.Linear(16, 3, key=jax.random.key(0))
        >>> new = apply(lambda layer: {"bias": fanwise.ones()}, model, jax.random.key(1))
        >>> new.weight is model.weight, new.bias
        (True, Array([1., 1., 1.], dtype=float32))
    """
    check_key(key)
    tree = Tree.of(model)
    given = tree.arrays()
    arrays = draw(layers_of(tree.found()), rule, key, tree.targets(), lambda paths: given)
    return tree.replaced(arrays)
