"""One network under every rule: its signal at the start, and what training makes of it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

import fanwise as fw
from examples.choosing.family import Data, Family
from examples.choosing.training import Trainer
from fanwise.rules import Rule
from fanwise.signal import CANDIDATES, Comparison

__all__ = ["Run", "Runs", "measured", "rules_of", "trained"]

_HELD_OUT = 64
_COMPARED = 16


@dataclass(frozen=True)
class Run:
    """One training run.

    Args:
        losses: before each step, of that step's batch.
        held_out: at the end, of examples that were never trained on.
    """

    losses: np.ndarray
    held_out: float


@dataclass(frozen=True)
class Runs:
    """Runs by one rule with one optimizer, at the rate that suits this rule best.

    Args:
        rule: its name.
        optimizer: its name.
        rate: that with the smallest median of the held-out loss over the seeds.
        runs: one for each seed.
        varying: the share of the first outputs' second moment that is their variance over the
            examples: 1 if outputs are all about the input, 0 if they do not depend on it.
    """

    rule: str
    optimizer: str
    rate: float
    runs: tuple[Run, ...]
    varying: float = math.nan

    @property
    def first(self) -> float:
        """The loss before the first step, median over the seeds."""
        return float(np.median([run.losses[0] for run in self.runs]))

    @property
    def last(self) -> np.ndarray:
        """The held-out losses at the end, from the smallest; inf for what is no number."""
        return np.sort([_finite(run.held_out) for run in self.runs])


def rules_of(family: Family) -> dict[str, Rule]:
    """The candidates of :mod:`fanwise.signal`, and the family's own."""
    return {**CANDIDATES, **family.rules}


def measured(family: Family, seed: int, seeds: int) -> Comparison:
    """The signal at the start, under every rule."""
    data = family.data((seed,), family.batch * family.steps)
    return fw.signal.compare(
        family.model,
        data.inputs[:_COMPARED],
        rules_of(family),
        key=jax.random.key(seed),
        seeds=seeds,
        **family.options,
    )


def trained(family: Family, seed: int, seeds: int) -> tuple[tuple[Runs, ...], Mapping[str, float]]:
    """Training runs of every optimizer and rule, and the bounds of the problem.

    Every run sees the same batches in the same order; a seed changes what the model starts from.
    All rules get the same keys, so that rules with the same distributions start alike.
    """
    data = family.data((seed,), family.batch * family.steps)
    held_out = family.data((seed, 1), _HELD_OUT)
    batches = _batches(data, family.batch)
    rules = rules_of(family)
    starts = {
        name: [_start(family, rule, seed, index, batches[0][0]) for index in range(seeds)]
        for name, rule in rules.items()
    }
    output = jax.jit(
        lambda start, x: family.model.apply(start, x, mutable="batch_stats", **family.options)
    )
    varying = {
        name: float(np.median([_varying(output, start, batches[0][0]) for start in own]))
        for name, own in starts.items()
    }
    found = []
    for optimizer in family.optimizers:
        trainer = Trainer(family.model, family.loss, optimizer.transformation, family.options)
        for name in rules:
            tried = []
            for rate in optimizer.rates:
                runs = (
                    trainer.run(start, batches, (held_out.inputs, held_out.targets), rate)
                    for start in starts[name]
                )
                own = tuple(Run(losses, last) for losses, last in runs)
                tried.append(Runs(name, optimizer.name, rate, own, varying[name]))
            found.append(min(tried, key=lambda runs: np.median(runs.last)))
    return tuple(found), held_out.bounds


def _start(family: Family, rule: Rule, seed: int, index: int, x: np.ndarray) -> dict:
    key = jax.random.fold_in(jax.random.key(seed), index)
    return fw.linen.init(family.model, key, x, rule=rule, **family.options)


def _varying(output: Callable[..., Any], start: Any, x: np.ndarray) -> float:
    first, _ = output(start, x)
    first = np.asarray(first, float)
    moment = (first**2).mean()
    return float(first.var(axis=0).mean() / moment) if moment > 0 else math.nan


def _batches(data: Data, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    starts = range(0, len(data.inputs), size)
    return [(data.inputs[i : i + size], data.targets[i : i + size]) for i in starts]


def _finite(loss: float) -> float:
    return loss if np.isfinite(loss) else np.inf
