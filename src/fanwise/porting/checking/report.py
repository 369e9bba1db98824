"""What a check found."""

from dataclasses import dataclass, field

from fanwise.porting.checking.causes import Cause

__all__ = ["Fault", "Report", "Row"]


@dataclass(frozen=True)
class Row:
    """A tensor of torch's, or two that Flax adds.

    Args:
        torch: names in the state dict.
        flax: the arrays, or regions of them.
        expected: what torch asks for.
        found: what Flax draws.
        default: what Flax would draw by itself.
        verdict: ``exact``, ``agrees`` or ``differs``.
        notices: the smallest deviation of the std that would have been noticed, relative; 0 where
            the comparison is exact.
        values: how many were compared.
        cause: of what differs.
        is_filled: whether torch fills it with one value.
    """

    torch: tuple[str, ...]
    flax: tuple[str, ...]
    expected: str
    found: str
    default: str
    verdict: str
    notices: float = 0.0
    values: int = 0
    cause: Cause | None = None
    is_filled: bool = False

    @property
    def passed(self) -> bool:
        """Whether it agrees."""
        return self.verdict != "differs"


@dataclass(frozen=True)
class Fault:
    """A tensor that Flax starts differently.

    Args:
        torch: names in the state dict; two where Flax keeps their sum.
        flax: the arrays that differ.
        cause: the likely one.
        explanation: why, in words and figures.
        rule: code that mends it: of a rule ``mend`` for ``fanwise.linen.apply`` or
            ``fanwise.nnx.apply``, or the call that starts the whole model.
        checks: what failed, with thresholds and rates.
    """

    torch: tuple[str, ...]
    flax: tuple[str, ...]
    cause: Cause
    explanation: str
    rule: str
    checks: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{' + '.join(self.torch)} ({', '.join(self.flax)}): {self.cause}: {self.explanation}"
        )


@dataclass(frozen=True)
class Report:
    """The outcome of :func:`fanwise.port.check`.

    Args:
        rows: one for each tensor, in torch's order.
        faults: those that differ.
        rule: code that mends all of them.
        false_alarm: the probability with which a sound pair is reported as different.
        notes: what the check could not see.
    """

    rows: tuple[Row, ...]
    faults: tuple[Fault, ...]
    rule: str = ""
    false_alarm: float = 1e-6
    notes: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether the two models start alike."""
        return not self.faults

    def require(self) -> None:
        """Raise unless the two models start alike.

        Raises:
            AssertionError: with the table.
        """
        if self.faults:
            raise AssertionError(f"the models start differently\n{self.table()}")

    def table(self, width: int = 120) -> str:
        """All of it as text.

        Args:
            width: of the lines, 80 or more.

        Returns:
            A line for each tensor that differs, then lines for those that agree: tensors whose
            names differ only in numbers share one, and so do all that are filled alike. Below,
            each cause in words, and the rule that mends everything.
        """
        # rich is only needed to print.
        from fanwise.porting.checking.table import rendered

        return rendered(self, max(width, 80))

    def __str__(self) -> str:
        return self.table()
