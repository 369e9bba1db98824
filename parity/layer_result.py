"""A row of the tables of layers and of models."""

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["LayerRow"]


@dataclass(frozen=True)
class LayerRow:
    """One kind of layer, or one model, in one framework.

    Args:
        name: torch's class, without the number of dimensions, or the model's.
        framework: torch, of whose own constructor fanwise's table is a description; or linen,
            nnx and so on, of whose layer fanwise says how it starts.
        cases: how many were compared.
        failures: a line for everything that is wrong.
        planted: errors planted.
        missed: a line for each of them that was not caught.
        off: the largest difference of outputs between torch's layer and the framework's, filled
            with the same parameters; None where nothing is run.
        default: what torch draws; in another framework what its own default would have been.
    """

    name: str
    framework: str
    cases: int
    failures: tuple[str, ...] = ()
    planted: int = 0
    missed: tuple[str, ...] = ()
    off: float | None = None
    default: str = ""

    @property
    def agrees(self) -> bool:
        """Whether everything is right, and something was compared."""
        return self.cases > 0 and not self.failures and not self.missed

    @property
    def lines(self) -> tuple[str, ...]:
        """A line for everything wrong with ours, or with the checks."""
        missed = (f"not caught: {line}" for line in self.missed)
        return tuple(f"{self.name}, {self.framework}: {line}" for line in (*self.failures, *missed))

    def as_json(self) -> dict[str, Any]:
        """The row as plain data."""
        off = self.off if self.off is None or math.isfinite(self.off) else str(self.off)
        return {
            "name": self.name,
            "framework": self.framework,
            "verdict": "agrees" if self.agrees else "DISAGREES",
            "cases": self.cases,
            "planted_errors": self.planted,
            "planted_errors_caught": self.planted - len(self.missed),
            "outputs_off_by": off,
            "default": self.default,
            "failures": list(self.lines),
        }
