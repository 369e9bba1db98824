"""The layers of a torch module."""

from torch import nn

from fanwise.layers import Layer

__all__ = ["layers"]


def layers(module: nn.Module) -> list[Layer]:
    """All layers of a module, in order of definition."""
    raise NotImplementedError
