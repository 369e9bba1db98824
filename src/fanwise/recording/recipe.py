"""What every parameter and buffer of a model holds after construction."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fanwise.distributions import Distribution
from fanwise.layers import Layer
from fanwise.recording.expression import Expression

__all__ = ["Recipe", "Recorded"]


@dataclass(frozen=True)
class Recorded:
    """One parameter or buffer.

    Args:
        shape: torch's.
        dtype: its name, ``"float32"``.
        value: a Distribution where the array is drawn independently of all others, else an
            Expression.
        is_buffer: whether it is a buffer.
        is_persistent: whether ``state_dict()`` has it.
    """

    shape: tuple[int, ...]
    dtype: str
    value: Distribution | Expression
    is_buffer: bool = False
    is_persistent: bool = True


@dataclass(frozen=True)
class Recipe:
    """What a torch constructor asked for.

    Args:
        tensors: by torch's names in torch's order, each once, under its first name.
        layers: torch's.
        ties: names of tensors that are another one, by its first name.
        notes: what a reader should know of how it was recorded.
    """

    tensors: Mapping[str, Recorded]
    layers: tuple[Layer, ...] = ()
    ties: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def distributions(self) -> dict[str, Distribution | Expression]:
        """What each tensor holds, by all its names."""
        own = {name: each.value for name, each in self.tensors.items()}
        return own | {name: own[first] for name, first in self.ties.items()}
