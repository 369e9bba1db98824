"""What is known of one class of ``torch.nn``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fanwise.distributions import Constant, Distribution

__all__ = ["Derived", "Draw", "Kind", "Shapes", "Values", "family", "no_shapes", "random_draws"]

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Derived:
    """A value that follows from others of the same layer.

    Args:
        text: what it is, for tables.
        compute: from the arrays of ``sources``, after what was drawn if ``drawn`` is given, to
            the array; of jax.numpy or numpy, in torch's shapes.
        sources: names of parameters or buffers.
        drawn: what the value itself is drawn from first.
    """

    text: str
    compute: Callable[..., Any]
    sources: tuple[str, ...] = ()
    drawn: Distribution | None = None

    def __str__(self) -> str:
        return self.text


Values = dict[str, Distribution | Derived]
Draw = tuple[str, Distribution]


def no_shapes(**_: Any) -> Shapes:
    """No buffers."""
    return {}


def random_draws(values: Mapping[str, Distribution | Derived]) -> tuple[Draw, ...]:
    """The values that torch draws, if it draws each once, in their order."""
    found = []
    for name, value in values.items():
        drawn = value.drawn if isinstance(value, Derived) else value
        if drawn is not None and not isinstance(drawn, Constant):
            found.append((name, drawn))
    return tuple(found)


@dataclass(frozen=True)
class Kind:
    """A class of ``torch.nn``: all its functions take torch's constructor arguments.

    Args:
        name: the class.
        shapes: of the parameters, in the order of ``named_parameters()``.
        default: what each parameter and buffer holds after construction.
        draws: what torch draws while constructing, in order, what it overwrites later included;
            None if each random value of ``default`` is drawn once, in that order.
        buffers: shapes of the buffers.
    """

    name: str
    shapes: Callable[..., Shapes]
    default: Callable[..., Values]
    draws: Callable[..., tuple[Draw, ...]] | None = None
    buffers: Callable[..., Shapes] = no_shapes

    def drawn(self, **hyperparameters: Any) -> tuple[Draw, ...]:
        """What torch draws while constructing, in order."""
        if self.draws is not None:
            return self.draws(**hyperparameters)
        return random_draws(self.default(**hyperparameters))

    @property
    def family(self) -> str:
        """The name without the number of dimensions: ``Conv`` for ``Conv2d``."""
        return family(self.name)


def family(kind: str) -> str:
    """A kind's name without the number of dimensions."""
    return kind[:-2] if kind[-2:] in ("1d", "2d", "3d") else kind
