"""All checks of one random model and its twin."""

import math
from dataclasses import dataclass

import torch

import fanwise as fw
from fanwise.porting import Correspondence
from fanwise.recording import Recipe
from fanwise.testing import Budget
from parity.fuzz.check_match import Matched, matched
from parity.fuzz.check_recipe import recipe_lines, saved_lines
from parity.fuzz.check_start import Alter, start_lines, twin_starts
from parity.fuzz.check_weights import Carried, carried
from parity.fuzz.hidden import Biases, biases_of
from parity.fuzz.sampled import Sampled, starts_of
from parity.fuzz.spec import Spec, random_spec
from parity.fuzz.truth import Truth, truth_of

__all__ = ["RATE", "STARTS", "TWIN_STARTS", "Case", "Outcome", "case_of", "examine"]

STARTS = 48
"""Of torch's model."""

TWIN_STARTS = 6
"""Of the twin; a planted error is given more."""

RATE = Budget(1e-7, 300 * 4 * 100).each
"""False alarms for each array: 300 models, planted errors among them, four checks, 100 arrays."""


@dataclass(frozen=True)
class Case:
    """A model, and what all checks of it need.

    Args:
        spec: the model.
        seed: of the suite.
        recipe: what was recorded of it.
        starts: of the real model.
        biases: of recurrent layers.
    """

    spec: Spec
    seed: int
    recipe: Recipe
    starts: Sampled
    biases: Biases

    @property
    def truth(self) -> Truth:
        """The right correspondence."""
        return truth_of(self.spec.root, self.spec.framework)

    def match(self, spec: Spec | None = None, truth: Truth | None = None) -> Matched:
        """Match; a planted error gives another twin, or another truth.

        Half of the models are matched themselves, the other half by what was recorded of them.
        """
        source = self.recipe if len(self.starts) % 2 else self.spec.torch()
        return matched(source, (spec or self.spec).layers(), truth or self.truth)

    def match_module(self) -> Matched:
        """Match the model itself."""
        return matched(self.spec.torch(), self.spec.layers(), self.truth)

    def recipe_lines(self, recipe: Recipe) -> list[str]:
        """Of a recipe against the real model's starts."""
        return recipe_lines(self.spec, recipe, self.starts, RATE, self.seed)

    def weights(self, found: Correspondence, twin: Spec | None = None) -> Carried:
        """Weights through a correspondence, to this twin or another."""
        return carried(self.spec, twin or self.spec, found, self.biases, self.seed)

    def start_lines(
        self,
        recipe: Recipe,
        found: Correspondence,
        count: int = TWIN_STARTS,
        alter: Alter | None = None,
    ) -> list[str]:
        """Of the twin's starts from a recipe, against the right one and the real model's."""
        try:
            ours = twin_starts(self.spec, recipe, found, count, self.seed, alter)
        except ValueError as error:
            return [f"the start was refused: {error}"]
        return start_lines(self.recipe, self.starts, ours, self.biases, RATE)


def case_of(number: int, seed: int) -> Case:
    """Record the random model of that number, and start the real one many times."""
    spec = random_spec(number, seed)
    return Case(
        spec,
        seed,
        fw.torch.record(spec.torch),
        starts_of(spec, STARTS, seed),
        biases_of(spec.root, spec.framework),
    )


@dataclass(frozen=True)
class Outcome:
    """What came of one model.

    Args:
        name: its.
        framework: its twin's.
        lines: for everything that is wrong.
        refused: why names had to be stated; empty if they had not.
        arrays: the number of torch's arrays.
        off: the largest difference of outputs, see ``TOLERANCE``.
        is_untied: whether names must be stated because the twin has an array of its own for what
            torch ties.
    """

    name: str
    framework: str
    lines: tuple[str, ...]
    refused: str = ""
    arrays: int = 0
    off: float = math.inf
    is_untied: bool = False


def examine(number: int, seed: int) -> Outcome:
    """Record, save and load, match, carry weights, start."""
    before = torch.random.get_rng_state()
    case = case_of(number, seed)
    lines = []
    if not torch.equal(before, torch.random.get_rng_state()):
        lines.append("torch's generator was moved")
    lines += case.recipe_lines(case.recipe)
    lines += saved_lines(case.recipe)
    match = case.match()
    lines += match.lines
    off = math.inf
    if match.correspondence is not None:
        there = case.weights(match.correspondence)
        off = there.off
        lines += there.lines
        lines += case.start_lines(case.recipe, match.correspondence)
    name = f"{case.spec.name}, {case.spec.framework}"
    return Outcome(
        name,
        case.spec.framework,
        tuple(f"{name}: {line}" for line in lines),
        match.refused,
        len(case.starts),
        off,
        any(twin is not None for _, twin in case.truth.ties.values()),
    )
