"""Errors in what is recorded, or in what the twin is started from."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from fanwise.distributions import Constant, Distribution, Normal, TruncatedNormal, Uniform
from fanwise.recording import Recipe
from fanwise.recording.expression import Expression
from parity.fuzz.examine import Case
from parity.fuzz.fault import Fault, NoPlace, nodes_of
from parity.fuzz.flat import Unembedding
from parity.fuzz.sampled import fixed, links
from parity.fuzz.spec import Spec

__all__ = ["FAULTS"]

Alter = Callable[[Case], Recipe]

_STARTS = 32
"""Of a twin with an error: with 16 elements or more, a std off by sqrt(2) is seen."""

_SMALLEST = 16


def _recorded(alter: Alter) -> Callable[[Case, bool], list[str]]:
    """The check of a recipe against the real model."""

    def check(case: Case, is_planted: bool) -> list[str]:
        altered = alter(case)
        return case.recipe_lines(altered if is_planted else case.recipe)

    return check


def _started(alter: Alter) -> Callable[[Case, bool], list[str]]:
    """The check of a twin that is started from a recipe."""

    def check(case: Case, is_planted: bool) -> list[str]:
        altered = alter(case)
        match = case.match()
        if match.correspondence is None:
            return list(match.lines)
        recipe = altered if is_planted else case.recipe
        return case.start_lines(recipe, match.correspondence, _STARTS)

    return check


def _with(recipe: Recipe, name: str, value: Any) -> Recipe:
    tensors = dict(recipe.tensors)
    tensors[name] = replace(tensors[name], value=value)
    return replace(recipe, tensors=tensors)


def _one(change: Callable[[Any], Distribution | None]) -> Alter:
    """The last array of some size for which the change is one: that of a later layer."""

    def alter(case: Case) -> Recipe:
        for name, each in reversed(case.recipe.tensors.items()):
            changed = change(each.value)
            # The sum of two biases has half of the error.
            if changed is None or np.prod(each.shape) < _SMALLEST or "bias_" in name:
                continue
            return _with(case.recipe, name, changed)
        raise NoPlace

    return alter


def _scaled(factor: float) -> Callable[[Any], Distribution | None]:
    """A std that is a factor too large: a gain that was forgotten, or counted twice."""

    def change(value: Any) -> Distribution | None:
        if isinstance(value, Normal):
            return Normal(value.mean, factor * value.std)
        if isinstance(value, Uniform) and value.low == -value.high:
            return Uniform(factor * value.low, factor * value.high)
        if isinstance(value, TruncatedNormal):
            ends = (factor * value.low, factor * value.high)
            return TruncatedNormal(value.loc, factor * value.scale, *ends)
        return None

    return change


def _shifted(value: Any) -> Distribution | None:
    if isinstance(value, Normal) and value.std > 0:
        return Normal(value.mean + 0.7 * value.std, value.std)
    return None


def _uniform(value: Any) -> Distribution | None:
    """Of the same std."""
    if isinstance(value, Normal):
        half = 3**0.5 * value.std
        return Uniform(value.mean - half, value.mean + half)
    return None


def _constant(value: Any) -> Distribution | None:
    return Constant(value.value + 0.01) if isinstance(value, Constant) else None


def _zeros(value: Any) -> Distribution | None:
    """A bias of zeros, as most ports have it, for one that is drawn."""
    return Constant(0.0) if isinstance(value, Uniform) else None


def _untied(case: Case) -> Recipe:
    """The output drawn by itself."""
    recipe = case.recipe
    if not recipe.ties:
        raise NoPlace
    (name, first), *_ = recipe.ties.items()
    layers = [layer for layer in recipe.layers if layer.path != name.rpartition(".")[0]]
    tensors = {**recipe.tensors, name: recipe.tensors[first]}
    return replace(recipe, tensors=tensors, ties={}, layers=tuple(layers))


def _whole_rows(case: Case) -> Recipe:
    """A row that was zeroed or filled is drawn like the others."""
    for name, each in case.recipe.tensors.items():
        if not isinstance(each.value, Expression) or len(each.value.draws) != 1:
            continue
        still = fixed(case.starts[name])
        (drawn,) = each.value.draws
        if still.any() and not still.all() and drawn.shape == each.shape:
            return _with(case.recipe, name, drawn.distribution)
    raise NoPlace


def _apart(case: Case) -> Recipe:
    """A copy is drawn by itself."""
    for link in links(case.starts):
        each = case.recipe.tensors.get(link.one)
        if each is None or not isinstance(each.value, Expression):
            continue
        law = each.value.marginal
        if law is not None and abs(link.slope - 1) < 1e-6:
            return _with(case.recipe, link.one, law)
    raise NoPlace


def _is_tied(spec: Spec) -> bool:
    return any(isinstance(node, Unembedding) for node in nodes_of(spec.root))


def _has_output(spec: Spec) -> bool:
    """Whether the twin has an array of its own for what torch ties."""
    nodes = nodes_of(spec.root)
    return any(isinstance(node, Unembedding) and not node.attends for node in nodes)


def _started_apart(case: Case, is_planted: bool) -> list[str]:
    """The twin's output from another key than its embedding."""
    match = case.match()
    if match.correspondence is None:
        return list(match.lines)
    ((name, (_, path)),) = case.truth.ties.items()
    if fixed(case.starts[name]).all():
        raise NoPlace

    def apart(variables: Any, others: Any) -> Any:
        flat, other = (flatten_dict(each) for each in (variables, others))
        (own,) = (
            k for k in flat if "/".join(map(str, k)) in (f"params/{path}/kernel", f"{path}/kernel")
        )
        return unflatten_dict({**flat, own: other[own]})

    alter = apart if is_planted else None
    return case.start_lines(case.recipe, match.correspondence, alter=alter)


def _both(
    kind: str, error: str, messages: tuple[str, str], alter: Alter, recorded: int, started: int
) -> tuple[Fault, ...]:
    return (
        Fault(kind, f"{error}, in the recipe", messages[0], _recorded(alter), recorded),
        Fault(kind, f"{error}, in the start", messages[1], _started(alter), started),
    )


_FAILS = (" fails ", " fails ")


FAULTS = (
    *_both("gain", "a gain of sqrt(2) forgotten", _FAILS, _one(_scaled(0.5**0.5)), 3, 3),
    *_both("gain", "a gain of sqrt(3) too many", _FAILS, _one(_scaled(3**0.5)), 2, 2),
    Fault("tie", "untied in the recipe", "ties are", _recorded(_untied), 4, _is_tied),
    Fault("tie", "an output started by itself", "refused", _started_apart, 3, _has_output),
    *_both(
        "other",
        "a row drawn like the others",
        ("fixed elements", "fixed elements"),
        _whole_rows,
        2,
        2,
    ),
    *_both("other", "a mean off by 0.7 std", _FAILS, _one(_shifted), 2, 1),
    *_both("other", "a uniform of the same std", _FAILS, _one(_uniform), 2, 1),
    *_both("other", "another constant", (" has ", " has "), _one(_constant), 1, 1),
    *_both("other", "zeros for a drawn array", (" has ", " fails "), _one(_zeros), 1, 1),
    *_both("other", "a copy drawn by itself", ("recorded otherwise", "follows from"), _apart, 2, 2),
)
