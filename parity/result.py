"""What the checks found, and how findings add up to a row of the table."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fanwise.testing import Check

__all__ = ["KINDS", "LAYERED", "NEAREST", "OURS", "TORCH", "Finding", "Row", "rows_of"]

KINDS = ("exact", "structural", "statistical", "power")
"""Kinds of checks of the functions of torch.nn.init."""

LAYERED = ("layers", "models", "porting")
"""Kinds of checks of the modules of torch.nn, with tables of their own."""

OURS = "fanwise"
NEAREST = "jax.nn.initializers"
TORCH = "torch.nn.init"
"""What was examined: ours, jax's nearest function, or torch's own, as a control of the check."""


@dataclass(frozen=True)
class Finding:
    """What one kind of checks found about one initializer.

    Args:
        initializer: torch's name without the underscore.
        kind: one of ``KINDS``.
        subject: what was examined. Nothing that jax's functions do makes the suite fail.
        cases: a text for each case, distinct; a case that several kinds share is counted once.
            For ``power`` the planted errors.
        mismatches: a line for each exact comparison that failed; for ``power``, for each planted
            error that was not caught.
        samples: number of values drawn and held against something.
        checks: the statistical assertions.
        notices: the smallest relative deviation of the scale of the weights that every case would
            have shown; 0 where weights are compared bit by bit; None where there is no such
            number.
        name: the function that was examined, where it is jax's.
        reason: why it departs from torch, in a few words, or why there is none.
    """

    initializer: str
    kind: str
    subject: str = OURS
    cases: tuple[str, ...] = ()
    mismatches: tuple[str, ...] = ()
    samples: int = 0
    checks: tuple[Check, ...] = ()
    notices: float | None = None
    name: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")

    @property
    def failures(self) -> tuple[str, ...]:
        """A line for everything that is not as it should be."""
        return (*self.mismatches, *(str(check) for check in self.checks if not check.passed))


@dataclass(frozen=True)
class Row:
    """All findings about one initializer.

    Args:
        initializer: torch's name without the underscore.
        findings: of all kinds and subjects.
    """

    initializer: str
    findings: tuple[Finding, ...]

    def _of(self, subject: str, *, power: bool = False) -> list[Finding]:
        return [
            finding
            for finding in self.findings
            if finding.subject == subject and (finding.kind == "power") == power
        ]

    @property
    def cases(self) -> int:
        """Number of distinct cases that ours was examined in."""
        return len({case for finding in self._of(OURS) for case in finding.cases})

    @property
    def mismatches(self) -> int:
        """Number of exact comparisons of ours that failed."""
        return sum(len(finding.mismatches) for finding in self._of(OURS))

    @property
    def samples(self) -> int:
        """Number of values of ours that were drawn and examined."""
        return sum(finding.samples for finding in self._of(OURS))

    @property
    def worst(self) -> Check | None:
        """The check of ours that came closest to its threshold, or went furthest beyond it."""
        checks = [check for finding in self._of(OURS) for check in finding.checks]
        return max(checks, key=lambda check: check.share, default=None)

    @property
    def notices(self) -> float | None:
        """The smallest deviation of the scale that samples would have shown in every case.

        That of the arguments, 1e-12, is named only where nothing was sampled.
        """
        known = [f for f in self._of(OURS) if f.notices is not None]
        sampled = [f.notices for f in known if f.kind != "exact"]
        values = sampled or [f.notices for f in known]
        return max((value for value in values if value is not None), default=None)

    @property
    def planted(self) -> tuple[int, int]:
        """Number of planted errors that were caught, and of all that were planted."""
        findings = self._of(OURS, power=True)
        planted = sum(len(finding.cases) for finding in findings)
        return planted - sum(len(finding.mismatches) for finding in findings), planted

    @property
    def failures(self) -> tuple[str, ...]:
        """A line for everything wrong with ours, with torch's own samples, or with the checks."""
        lines = []
        for finding in self.findings:
            if finding.subject != NEAREST:
                about = "" if finding.subject == OURS else f", {finding.subject} itself"
                lines += [f"{finding.kind}{about}: {line}" for line in finding.failures]
        return tuple(lines)

    @property
    def agrees(self) -> bool:
        """Whether ours draws what torch draws, as far as was examined, and something was."""
        return not self.failures and any(f.cases for f in self.findings if f.subject == OURS)

    @property
    def nearest_names(self) -> tuple[str, ...]:
        """The functions of jax that were examined, each once."""
        return tuple(dict.fromkeys(f.name for f in self._of(NEAREST) if f.name))

    @property
    def nearest_agrees(self) -> bool | None:
        """Whether jax's nearest function passes the same checks; None if there is none."""
        examined = [finding for finding in self._of(NEAREST) if finding.name]
        return not any(finding.failures for finding in examined) if examined else None

    @property
    def nearest_reasons(self) -> tuple[str, ...]:
        """Why jax's nearest function departs from torch, or why there is none; each once.

        A finding may give several reasons, divided by semicolons.
        """
        findings = self._of(NEAREST)
        if self.nearest_agrees is None:
            return tuple(dict.fromkeys(finding.reason for finding in findings if finding.reason))
        failed = [finding.reason for finding in findings if finding.failures]
        return tuple(
            dict.fromkeys(part for reason in failed for part in reason.split("; ") if part)
        )

    def as_json(self) -> dict[str, Any]:
        """The row as plain data."""
        worst, (caught, planted) = self.worst, self.planted
        return {
            "initializer": self.initializer,
            "verdict": "agrees" if self.agrees else "DISAGREES",
            "cases": self.cases,
            "exact_mismatches": self.mismatches,
            "samples": self.samples,
            "checks": sum(len(finding.checks) for finding in self._of(OURS)),
            "worst_share": None if worst is None else _finite(worst.share),
            "worst_check": None if worst is None else worst.name,
            "notices": self.notices,
            "planted_errors": planted,
            "planted_errors_caught": caught,
            "failures": list(self.failures),
            "jax": {
                "functions": list(self.nearest_names),
                "agrees": self.nearest_agrees,
                "reasons": list(self.nearest_reasons),
            },
        }


def _finite(value: float) -> float | str:
    """JSON has no infinity."""
    return value if math.isfinite(value) else str(value)


def rows_of(findings: Iterable[Finding]) -> tuple[Row, ...]:
    """Gather findings by initializer, in the order in which these first appear."""
    gathered: dict[str, list[Finding]] = {}
    for finding in findings:
        gathered.setdefault(finding.initializer, []).append(finding)
    return tuple(Row(name, tuple(found)) for name, found in gathered.items())
