"""Which torch layer is which layer of another framework's model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fanwise.layers import Layer

__all__ = ["Correspondence", "Pair"]


@dataclass(frozen=True)
class Pair:
    """A torch layer and its counterpart.

    Args:
        torch: torch's; its leaves say how the state dict stores what the counterpart expects.
        flax: the other framework's.
        reason: how the two were found to belong together.
    """

    torch: Layer
    flax: Layer
    reason: str = ""


@dataclass(frozen=True)
class Correspondence:
    """All layers of two models, one to one.

    Args:
        pairs: in torch's order.
        ties: names in torch's state dict that are another tensor, by its first name.
        unused: torch's layers of buffers that the other model has no array for: masks, tables of
            positions.
    """

    pairs: tuple[Pair, ...]
    ties: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[Layer, ...] = ()
