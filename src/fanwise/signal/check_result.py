"""What a check of a model's signal found."""

from dataclasses import dataclass

from fanwise.signal.trace_result import Trace

__all__ = ["Check", "Fault"]

# As many as are listed in a message beside the first.
_LISTED = 8


@dataclass(frozen=True)
class Fault:
    """A layer at which the signal goes wrong.

    Args:
        path: the layer's, as in :class:`fanwise.signal.LayerSignal`.
        name: the path, with the number of the call where the layer ran more than once.
        what: ``"not finite"``, ``"vanishes"``, ``"explodes"``, ``"dead"``, ``"saturated"`` or
            ``"no gradient"``.
        direction: ``"forward"`` or ``"backward"``.
        explanation: how, with the figures and what is allowed.
        remedy: the way out.
    """

    path: str
    name: str
    what: str
    direction: str
    explanation: str
    remedy: str

    @property
    def title(self) -> str:
        """The layer, and what goes wrong there."""
        return f"{self.name}: {self.what} ({self.direction})"

    def __str__(self) -> str:
        return f"{self.title}: {self.explanation}; {self.remedy}"


@dataclass(frozen=True)
class Check:
    """The outcome of :func:`fanwise.signal.check`.

    Args:
        faults: forward in order of execution, and then backward, from the output to the input: the
            first is where the signal goes wrong, those behind it may follow from it.
        trace: everything that was measured.
    """

    faults: tuple[Fault, ...]
    trace: Trace

    @property
    def passed(self) -> bool:
        """Whether the signal is sound at every layer."""
        return not self.faults

    def require(self) -> None:
        """Raise unless the signal is sound at every layer.

        Raises:
            AssertionError: naming the first layer at which it is not, and how.
        """
        if self.faults:
            raise AssertionError(str(self))

    def __str__(self) -> str:
        count = len(self.trace.layers)
        if not self.faults:
            return f"the signal is sound at all {count} layers, forward and backward"
        first, *others = self.faults
        lines = [f"the signal goes wrong at initialization, first at {first}"]
        if others:
            lines.append("then, perhaps because of it:")
            lines += [f"  {fault.title}" for fault in others[:_LISTED]]
        if len(others) > _LISTED:
            lines.append(f"  and {len(others) - _LISTED} more, see .faults")
        return "\n".join(lines)
