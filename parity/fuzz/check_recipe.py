"""What was recorded of a model, against samples of its real constructor."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

from fanwise.distributions import Constant, Distribution, Sparse
from fanwise.recording import Recipe
from fanwise.recording.expression import Expression
from parity.fuzz.laws import law_lines, pattern_lines, pooled_lines
from parity.fuzz.sampled import Sampled, fixed
from parity.fuzz.spec import Spec
from parity.seeding import typed_key

__all__ = ["alone", "laws_of", "recipe_lines", "saved_lines", "scattered"]


def laws_of(recipe: Recipe) -> dict[str, Distribution | None]:
    """The law of an element of each array, by all names."""
    return {
        name: value.marginal if isinstance(value, Expression) else value
        for name, value in recipe.distributions().items()
    }


def alone(recipe: Recipe) -> set[str]:
    """The names of arrays that are drawn by themselves, each array once."""
    return {name for name, each in recipe.tensors.items() if not isinstance(each.value, Expression)}


def scattered(recipe: Recipe) -> set[str]:
    """The names of arrays with zeros in random places."""
    values = recipe.distributions()
    return {name for name, value in values.items() if _is_scattered(value)}


def _is_scattered(value: Distribution | Expression) -> bool:
    if isinstance(value, Expression):
        return any(isinstance(draw.distribution, Sparse) for draw in value.draws)
    return isinstance(value, Sparse)


def recipe_lines(spec: Spec, recipe: Recipe, theirs: Sampled, rate: float, seed: int) -> list[str]:
    """A line for everything that was recorded otherwise than it is.

    Args:
        spec: the model.
        recipe: what was recorded.
        theirs: starts of the real model.
        rate: of false alarms, for each array.
        seed: of the suite.
    """
    values = recipe.distributions()
    if values.keys() != theirs.keys():
        return [f"recorded are {sorted(values)}, there are {sorted(theirs)}"]
    shapes = {name: recipe[name].shape for name in values}
    lines = [
        f"{name} has shape {shapes[name]}, not {array.shape[1:]}"
        for name, array in theirs.items()
        if shapes[name] != array.shape[1:]
    ]
    lines += _tie_lines(spec, recipe)
    laws = laws_of(recipe)
    lines += law_lines(theirs, laws, rate)
    own = {name: law for name, law in laws.items() if name in alone(recipe)}
    lines += pooled_lines(theirs, own, rate)
    lines += _equal_lines(recipe, theirs)
    # Two draws show which elements are fixed, and how arrays depend on one another.
    mixed = {name for name, value in values.items() if isinstance(value, Expression)}
    drawn = _drawn(recipe, mixed, typed_key(seed, spec.name))
    known: dict[str, Distribution | None] = {name: laws[name] or Constant(0.0) for name in mixed}
    real = {name: theirs[name] for name in mixed}
    lines += pattern_lines(real, drawn, known, rate, scattered(recipe))
    return lines


def _tie_lines(spec: Spec, recipe: Recipe) -> Iterator[str]:
    """torch's own names of a tensor that has several."""
    firsts: dict[int, str] = {}
    ties: dict[str, str] = {}
    for name, tensor in spec.torch().named_parameters(remove_duplicate=False):
        first = firsts.setdefault(id(tensor), name)
        if first != name:
            ties[name] = first
    if ties != dict(recipe.ties):
        yield f"ties are {dict(recipe.ties)}, not {ties}"


def _equal_lines(recipe: Recipe, theirs: Sampled) -> Iterator[str]:
    """Arrays that are equal in every start are recorded as the same draw, and no others are."""
    values = recipe.distributions()
    random = [name for name, array in theirs.items() if not fixed(array).all()]
    for index, one in enumerate(random):
        for other in random[:index]:
            if theirs[one].shape != theirs[other].shape:
                continue
            is_equal = np.array_equal(theirs[one], theirs[other])
            is_tied = recipe.ties.get(one, one) == recipe.ties.get(other, other)
            a, b = values[one], values[other]
            is_same = is_tied or (
                isinstance(a, Expression) and isinstance(b, Expression) and a == b
            )
            if is_equal != is_same:
                yield f"{one} is{'' if is_equal else ' not'} {other}, recorded otherwise"


def _drawn(recipe: Recipe, names: set[str], key: jax.Array) -> dict[str, np.ndarray]:
    keys = jax.random.split(key, 3)
    return {
        name: np.stack([np.asarray(recipe.draw(name, each)) for each in keys]) for name in names
    }


def saved_lines(recipe: Recipe) -> list[str]:
    """A line if what was saved is not what is loaded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.json"
        recipe.save(path)
        loaded = Recipe.load(path)
    return [] if loaded == recipe else ["the recipe that is loaded is not the one that was saved"]
