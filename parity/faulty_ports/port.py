"""A torch model, a port of it that starts differently, and the port mended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flax import linen

from fanwise.porting import Report, check
from fanwise.porting.checking import Cause

__all__ = ["Port"]


@dataclass(frozen=True, eq=False)
class Port:
    """One faulty port.

    Args:
        name: for people.
        cause: what is wrong.
        torch: builds torch's model.
        faulty: the Flax model, a linen module or a function of ``nnx.Rngs``.
        mended: the same with the mistake corrected.
        faults: torch's names of the parameters that the mistake changes.
        inputs: of a linen module.
        init: code that starts the faulty model, if it is not its own.
        mended_init: the same corrected.
        names: see ``fanwise.port.match``.
    """

    name: str
    cause: Cause
    torch: Callable[[], Any]
    faulty: Any
    mended: Any
    faults: frozenset[str]
    inputs: tuple[Any, ...] = ()
    init: Callable[[Any], Any] | None = None
    mended_init: Callable[[Any], Any] | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def framework(self) -> str:
        """Of the Flax model."""
        return "linen" if isinstance(self.faulty, linen.Module) else "nnx"

    def check(self, *, mended: bool = False, torch: Any = None, **options: Any) -> Report:
        """Check the port, or the mended one."""
        return check(
            torch or self.torch,
            self.mended if mended else self.faulty,
            *self.inputs,
            init=self.mended_init if mended else self.init,
            names=dict(self.names) or None,
            **options,
        )

    def __str__(self) -> str:
        return self.name
