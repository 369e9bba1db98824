"""Errors planted in random models: in what is recorded, matched, carried across and started.

Each alters one thing, in the first models that have a place for it, and must be reported by the
checks that the model passes without it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from parity.fuzz import faults_match, faults_recipe, faults_weights
from parity.fuzz.examine import case_of
from parity.fuzz.fault import Fault, NoPlace
from parity.fuzz.spec import random_spec

__all__ = ["FAULTS", "Planted", "planted"]

FAULTS: tuple[Fault, ...] = (
    *faults_weights.FAULTS,
    *faults_recipe.FAULTS,
    *faults_match.FAULTS,
)
"""All errors; each is planted in several models."""


_MODELS = 2000
"""Where places are looked for: rare ones are not in the first 200 of every seed."""


@dataclass(frozen=True)
class Planted:
    """An error in one model.

    Args:
        fault: the error.
        model: the model's name.
        before: what the check reported without it.
        after: what it reported with it.
    """

    fault: Fault
    model: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def is_caught(self) -> bool:
        """Whether it is reported, and nothing was without it."""
        return not self.before and any(self.fault.message in line for line in self.after)

    def __str__(self) -> str:
        shown = "; ".join(self.before or self.after) or "nothing"
        return f"{self.fault.kind}, {self.fault.error}, in {self.model}: {shown}"


def planted(fault: Fault, seed: int) -> Iterator[Planted]:
    """Plant an error in the first models that have a place for it, as often as it says."""
    left = fault.count
    for number in range(_MODELS):
        if not left:
            return
        if not fault.needs(random_spec(number, seed)):
            continue
        case = case_of(number, seed)
        try:
            after = tuple(fault.check(case, True))
        except NoPlace:
            continue
        left -= 1
        yield Planted(fault, case.spec.name, tuple(fault.check(case, False)), after)
