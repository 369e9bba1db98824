"""Is what was recorded what the constructor made? Compared number by number, not by statistics.

The constructor runs once on real tensors while it is recorded. Every draw is kept, and what was
recorded of a tensor, computed in JAX from these very draws, has to be the tensor. That leaves the
laws of the draws themselves, which the numbers drawn are checked against, and the recording
without memory, which has to give the same recipe.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from fanwise.distributions import Constant, Distribution, Normal, Orthogonal, ScalarDistribution
from fanwise.frameworks.torch_layers import ties
from fanwise.frameworks.torch_record import record
from fanwise.frameworks.torch_record_functions import replaced
from fanwise.frameworks.torch_record_mode import Recorder
from fanwise.frameworks.torch_record_state import recipe_of
from fanwise.keys import path_keys
from fanwise.recording import Draw, Expression, Recipe
from fanwise.recording.evaluate import evaluate
from fanwise.testing import check_samples, ks_two_sample

__all__ = ["RealRun", "mismatches", "real_run"]

Factory = Callable[[], nn.Module]
Arrays = dict[str, npt.NDArray[Any]]

RATE = 1e-10
"""False alarms of one comparison of numbers with their law; there are some hundreds."""

# Of float32 arithmetic in another order, relative to the largest element: sums and norms of a
# hundred elements. Iterated ones (the power method, QR) of badly conditioned matrices lose more.
TOLERANCE = 2e-6


@dataclass(frozen=True)
class RealRun:
    """One run of a constructor on real tensors.

    Args:
        recipe: what was recorded.
        values: of parameters and buffers, by all their names.
        expressions: the same as they were recorded, before they were simplified.
        draws: what was drawn, in order.
        drawn: the numbers, by the names that draws have while they are recorded.
    """

    recipe: Recipe
    values: Arrays
    expressions: dict[str, Expression]
    draws: tuple[Draw, ...]
    drawn: Arrays


def real_run(factory: Factory, seed: int) -> RealRun:
    """Run a constructor from a seed of torch's generator, recording it."""
    recorder = Recorder(None, 2**28)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        with replaced(recorder), recorder:
            module = factory()
            recipe = recipe_of(module, recorder)
            state = {**dict(_named(module))}
            expressions = {name: recorder.memory.read(tensor) for name, tensor in state.items()}
    return RealRun(
        recipe,
        {name: _numbers(tensor) for name, tensor in state.items()},
        expressions,
        tuple(recorder.draws),
        {name: _numbers(tensor) for name, tensor in recorder.drawn.items()},
    )


def mismatches(factory: Factory, seed: int, *, reads: bool = False) -> list[str]:
    """A line for everything in which a recording and its constructor differ.

    Args:
        factory: the constructor.
        seed: of torch's generator.
        reads: whether the constructor needs real tensors.
    """
    try:
        run = real_run(factory, seed)
    except ValueError as error:  # the recorder has noticed by itself
        return [str(error)]
    lines = [*_unlike_unrecorded(factory, seed, run), *_unlike_computed(run), *_unlike_laws(run)]
    recipe = record(factory)
    if bool(recipe.notes) != reads:
        lines.append(f"notes: {recipe.notes}")
    names = {*recipe.tensors, *run.recipe.tensors}
    lines += [
        f"{name}: {_value(recipe, name)} without memory, {_value(run.recipe, name)} with it"
        for name in sorted(names)
        if recipe.tensors.get(name) != run.recipe.tensors.get(name)
    ]
    return lines


def _unlike_unrecorded(factory: Factory, seed: int, run: RealRun) -> Iterator[str]:
    """Whether recording has changed what the constructor makes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = factory()
    plain = {name: _numbers(tensor) for name, tensor in _named(module)}
    if run.recipe.ties != ties(module):
        yield f"the ties are {ties(module)}, not {run.recipe.ties}"
    if [*plain] != [*run.values]:
        yield f"names {[*plain]} became {[*run.values]}"
    for name, array in plain.items():
        if not np.array_equal(array, run.values.get(name), equal_nan=True):
            yield f"{name} has other values when it is recorded"
    recorded = {**{name: name for name in run.recipe.tensors}, **run.recipe.ties}
    yield from (f"{name} is not in the recipe" for name in plain if name not in recorded)


def _unlike_computed(run: RealRun) -> Iterator[str]:
    """Whether the expressions, of the numbers that were drawn, are the tensors."""
    for name, expression in run.expressions.items():
        want = run.values[name]
        if not {draw.name for draw in expression.draws} <= {*run.drawn}:
            yield from _unlike_sampled(name, expression, want)
            continue
        got = np.asarray(
            evaluate(expression, lambda draw, dtype: run.drawn[draw.name].astype(dtype))
        )
        if got.shape != want.shape:
            yield f"{name} has the shape {got.shape}, not {want.shape}"
            continue
        if not _close(got.astype(np.float64), want.astype(np.float64)):
            yield f"{name} is {expression}, which gives other numbers"


def _unlike_sampled(name: str, expression: Expression, want: npt.NDArray[Any]) -> Iterator[str]:
    """torch draws it in another way (an exponential): elements of the same law."""
    keys = dict(zip(expression.draws, path_keys(jax.random.key(0), [*"abc"]), strict=False))
    got = evaluate(
        expression, lambda draw, dtype: draw.distribution.sample(keys[draw], draw.shape, dtype)
    )
    check = ks_two_sample(np.asarray(got), want, RATE)
    if not check.passed:
        yield f"{name} is {expression}, which has another law: {check}"


def _close(got: npt.NDArray[Any], want: npt.NDArray[Any]) -> bool:
    scale = np.abs(want[np.isfinite(want)]).max(initial=0.0)
    return bool(np.allclose(got, want, rtol=TOLERANCE, atol=TOLERANCE * scale, equal_nan=True))


def _unlike_laws(run: RealRun) -> Iterator[str]:
    """Whether the numbers drawn, and the tensors that are one law, are of their laws."""
    for draw in run.draws:
        if draw.name not in run.drawn:
            continue
        yield from _unlike(draw.name, draw.distribution, run.drawn[draw.name], draw.dtype)
    for name, recorded in run.recipe.tensors.items():
        if recorded.law is not None:
            yield from _unlike(name, recorded.law, run.values[name], recorded.dtype)


def _unlike(name: str, law: Distribution, values: npt.NDArray[Any], dtype: str) -> Iterator[str]:
    if values.dtype.kind not in "f" or not values.size:
        return
    if isinstance(law, Constant) and law.value in (math.inf, -math.inf):
        return  # the numbers themselves are compared
    if isinstance(law, Orthogonal):
        if not _is_orthogonal(values, law):
            yield f"{name} is not {law}"
    elif isinstance(law, (ScalarDistribution, Constant)):
        if isinstance(law, Normal) and law.std == 0:
            law = Constant(law.mean)
        failed = [
            each
            for each in check_samples(values.reshape(-1), law, dtype=dtype, false_alarm=RATE)
            if not each.passed
        ]
        yield from (f"{name} is not {law}: {each}" for each in failed)


def _is_orthogonal(values: npt.NDArray[Any], law: Orthogonal) -> bool:
    matrix = values.reshape(values.shape[0], -1).astype(np.float64)
    if law.layout.startswith("I"):
        matrix = matrix.T
    matrix = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    gram = matrix @ matrix.T
    return bool(np.allclose(gram, law.gain**2 * np.eye(len(gram)), atol=1e-5 * law.gain**2))


def _named(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from module.named_parameters(remove_duplicate=False)
    yield from module.named_buffers(remove_duplicate=False)


def _numbers(tensor: torch.Tensor) -> npt.NDArray[Any]:
    tensor = tensor.detach()
    # numpy has no bfloat16; a wider dtype holds the same numbers.
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy().copy()


def _value(recipe: Recipe, name: str) -> Any:
    return recipe.tensors[name].value if name in recipe.tensors else "missing"
