"""Draw in JAX what a torch constructor asked for."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from fanwise.distributions import Constant, Distribution, ScalarDistribution
from fanwise.frameworks.drawing import draw
from fanwise.keys import check_key
from fanwise.layers import Layer, Leaf, Piece
from fanwise.layers.view import SAME
from fanwise.porting.convert import hub_array
from fanwise.porting.correspondence import Correspondence
from fanwise.porting.variables import Sharding, targets_of, tree_of
from fanwise.recording import Recipe
from fanwise.rules import Answer, Rule
from fanwise.typing import DType, Key

__all__ = ["init", "recorded_rule"]


def init(
    recipe: Recipe,
    correspondence: Correspondence,
    key: Key,
    *,
    dtype: DType | None = None,
    sharding: Sharding = None,
) -> Any:
    """Variables that start as torch's constructor would start them.

    The distributions are those that the recipe holds; the numbers are JAX's. What torch copies
    (the layers of ``nn.TransformerEncoder``, tied weights) is equal here as well. A parameter that
    torch draws by itself has the value that :func:`fanwise.linen.init` gives for the same key and
    distribution.

    Args:
        recipe: of :func:`fanwise.torch.record`, or loaded.
        correspondence: of :func:`fanwise.port.match`.
        key: a PRNG key.
        dtype: of all floating-point arrays; each array's own if None.
        sharding: None, a sharding for all, a function of path and shape, or a tree of shardings
            like the variables. Every device draws only its own part.

    Returns:
        The variables, as :func:`fanwise.port.weights` gives them.

    Raises:
        TypeError, ValueError: for a key that is none, and if the recipe is not one of the model
            that was matched.

    Example:
        >>> import jax
        >>> from flax import linen
        >>> from torch import nn
        >>> import fanwise
        >>> recipe = fanwise.torch.record(lambda: nn.Linear(16, 3))
        >>> layers = fanwise.linen.layers(linen.Dense(3), jax.numpy.zeros((1, 16)))
        >>> variables = init(recipe, fanwise.port.match(recipe, layers), jax.random.key(0))
        >>> bool((abs(variables["params"]["bias"]) <= 0.25).all())
        True
    """
    check_key(key)
    layers = [pair.flax for pair in correspondence.pairs]
    rule = recorded_rule(recipe, correspondence, key)
    arrays = draw(layers, rule, key, targets_of(layers, dtype, sharding), _refused)
    return tree_of(arrays)


def recorded_rule(recipe: Recipe, correspondence: Correspondence, key: Key) -> Rule:
    """A rule for the layers of a correspondence: each starts as its torch counterpart.

    Args:
        recipe: what torch's model starts as.
        correspondence: whose layers, and no others, the rule speaks of.
        key: from which values are drawn that several parameters share.

    Raises:
        ValueError: if the recipe is not one of the model that was matched.
    """
    _check(recipe, correspondence)
    uses = _uses(recipe, correspondence)
    answers = {
        id(pair.flax): {
            name: _value(recipe, pair.torch, name, key, uses) for name in pair.flax.shapes
        }
        for pair in correspondence.pairs
    }

    def rule(layer: Layer) -> Answer:
        return answers.get(id(layer))

    return rule


def _refused(paths: list[Any]) -> Mapping[Any, Any]:
    names = ", ".join("/".join(map(str, path)) for path in paths)
    raise ValueError(f"torch's model says nothing of a part of {names}")


def _check(recipe: Recipe, correspondence: Correspondence) -> None:
    lines = []
    for pair in correspondence.pairs:
        for leaf in pair.torch.leaves:
            recorded = recipe.tensors.get(recipe.ties.get(leaf.name, leaf.name))
            if recorded is None:
                lines.append(f"{leaf.name}: the recipe has no such tensor")
            elif recorded.shape != leaf.shape:
                lines.append(f"{leaf.name}: {recorded.shape} in the recipe, {leaf.shape} matched")
    if lines:
        raise ValueError(
            "recipe must be one of the model that was matched; record it with the same "
            "configuration:\n" + "\n".join(lines)
        )


def _first(recipe: Recipe, leaf: Leaf) -> str:
    return recipe.ties.get(leaf.name, leaf.name)


def _uses(recipe: Recipe, correspondence: Correspondence) -> Counter[str]:
    """How many arrays here are made of the whole of each of torch's tensors."""
    return Counter(
        _first(recipe, leaf)
        for pair in correspondence.pairs
        for leaf in pair.torch.leaves
        if all(piece.at is None for piece in leaf.pieces)
    )


def _sources(layer: Layer, name: str) -> list[tuple[Leaf, Piece]]:
    return [(leaf, piece) for leaf in layer.leaves for piece in leaf.pieces if piece.name == name]


def _value(
    recipe: Recipe, layer: Layer, name: str, key: Key, uses: Counter[str]
) -> Distribution | Callable[..., Any]:
    """What a parameter is drawn from; a function where it is not an independent draw."""
    sources = _sources(layer, name)
    values = [recipe.tensors[_first(recipe, leaf)].value for leaf, _ in sources]
    value = values[0]
    is_alone = all(uses[_first(recipe, leaf)] <= 1 for leaf, _ in sources)
    if isinstance(value, Constant) and all(other == value for other in values):
        return value
    if isinstance(value, ScalarDistribution) and is_alone and all(v == value for v in values):
        return value
    if isinstance(value, Distribution) and is_alone and len(sources) == 1:
        (_, piece), *_ = sources
        if piece.view == SAME and piece.part is None and piece.at is None:
            return value

    def made(_: Key, shape: tuple[int, ...], dtype: DType) -> Any:
        arrays = {leaf.path: recipe.draw(leaf.name, key, dtype) for leaf, _ in sources}
        return hub_array(layer, name, arrays)

    return made
