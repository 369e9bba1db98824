"""A Flax model and a torch side made up for it: what each parameter is said to be drawn from."""

from collections.abc import Mapping
from typing import Any

import jax

import fanwise
from fanwise.porting import Correspondence, Report
from fanwise.porting.checking import flax_model, run
from fanwise.recording import Recipe, Recorded
from tests.porting.twins import correspond


def recipe_of(
    correspondence: Correspondence, values: Mapping[str, Any], ties: Mapping[str, str] | None = None
) -> Recipe:
    """A recipe: ``values`` by torch's name, constants as torch's norms have them for the rest."""
    tensors = {}
    for pair in correspondence.pairs:
        defaults = fanwise.torch_default(pair.torch) or {}
        for leaf in pair.torch.leaves:
            value = values.get(str(leaf.path))
            if value is None:
                value = defaults[leaf.pieces[0].name]
            if str(leaf.path) not in (ties or {}):
                tensors[str(leaf.path)] = Recorded(leaf.shape, "float32", value)
    return Recipe(tensors, tuple(pair.torch for pair in correspondence.pairs), dict(ties or {}))


def checked(
    flax: Any,
    *inputs: Any,
    values: Mapping[str, Any],
    init: Any = None,
    rule: Any = None,
    ties: Mapping[str, str] | None = None,
    seed: int = 0,
    samples: int = 2**16,
) -> Report:
    """Check a Flax model against Distributions by torch's names."""
    model = flax_model(flax, inputs, {}, init)
    pairs = correspond(model.layers)
    recipe = recipe_of(pairs, values, ties)
    return run(recipe, pairs, model, jax.random.key(seed), samples, 1e-6, rule)


def causes_of(report: Report) -> dict[str, str]:
    return {name: str(fault.cause) for fault in report.faults for name in fault.torch}
