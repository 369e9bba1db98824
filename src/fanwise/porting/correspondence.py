"""Which torch layer is which layer of another framework's model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fanwise.layers import Layer

__all__ = ["Correspondence", "Pair"]


@dataclass(frozen=True)
class Pair:
    """A torch layer and its counterpart.

    Both have the same parameters by the same names: ``torch.leaves`` say how the state dict
    stores them, ``flax.leaves`` how the other model does.

    Args:
        torch: torch's, or the part of it that is the counterpart.
        flax: the other framework's.
        reason: how the two were found to belong together.
    """

    torch: Layer
    flax: Layer
    reason: str = ""


@dataclass(frozen=True)
class Correspondence:
    """All layers of two models, one to one. Printing it gives a table.

    Args:
        pairs: in torch's order.
        ties: names in torch's state dict that are another tensor, by its first name.
        unused: torch's layers that the other model has no array for: buffers such as masks and
            tables of positions, and what was left out on purpose.
    """

    pairs: tuple[Pair, ...]
    ties: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[Layer, ...] = ()

    def __getitem__(self, name: str) -> Pair:
        """The pair of a torch layer, by torch's name for it: ``"features.0"``."""
        wanted = name.replace(".", "/")
        for pair in self.pairs:
            if pair.torch.path.replace(".", "/") == wanted:
                return pair
        known = ", ".join(pair.torch.path for pair in self.pairs)
        raise KeyError(
            f"name must be a torch layer that was matched, got {name!r}; there are {known}"
        )

    def __str__(self) -> str:
        # The table needs rich, which only those need who print.
        from fanwise.porting.table import table_of

        return table_of(self)
