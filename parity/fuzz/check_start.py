"""A twin that is started from a recipe, against torch's own starts."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import fanwise as fw
from fanwise.porting import Correspondence
from fanwise.recording import Recipe
from parity.fuzz.check_recipe import alone, laws_of, scattered
from parity.fuzz.hidden import Biases, summed, summed_laws
from parity.fuzz.laws import law_lines, pattern_lines, pooled_lines
from parity.fuzz.sampled import Array, Sampled
from parity.fuzz.spec import Spec
from parity.seeding import typed_key

__all__ = ["Alter", "start_lines", "twin_starts"]


Alter = Callable[[Any, Any], Any]
"""Plants an error: from the variables of one key and those of another."""


def twin_starts(
    spec: Spec,
    recipe: Recipe,
    found: Correspondence,
    count: int,
    seed: int,
    alter: Alter | None = None,
) -> dict[str, Array]:
    """Starts of the twin by torch's names, in torch's shapes."""
    keys = jax.random.split(typed_key(seed, f"init {spec.name}"), count)
    variables = [fw.port.init(recipe, found, key) for key in keys]
    if alter is not None:
        variables = [alter(*each) for each in zip(variables, variables[::-1], strict=True)]
    states: list[dict[str, Any]] = [fw.port.state_dict(each, found) for each in variables]
    return {name: np.stack([state[name] for state in states]) for name in states[0]}


def start_lines(
    recipe: Recipe, theirs: Sampled, ours: Sampled, biases: Biases, rate: float
) -> list[str]:
    """A line for everything that starts otherwise than recorded, or than in torch.

    Args:
        recipe: the right one.
        theirs: starts of torch's model.
        ours: of the twin.
        biases: of recurrent layers.
        rate: of false alarms, for each array.
    """
    if ours.keys() != theirs.keys():
        return [f"the twin starts {sorted(ours.keys() ^ theirs.keys())} on one side only"]
    own = alone(recipe)
    laws = summed_laws(laws_of(recipe), biases, own)
    theirs, ours = summed(theirs, biases), summed(ours, biases)
    lines = list(law_lines(ours, laws, rate))
    lines += pooled_lines(ours, {name: law for name, law in laws.items() if name in own}, rate)
    lines += pattern_lines(theirs, ours, laws, rate, scattered(recipe))
    return lines
