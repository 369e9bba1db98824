"""PyTorch: the layers of a module, and what its constructor asks for."""

from fanwise.frameworks.torch_layers import layers
from fanwise.frameworks.torch_record import record

__all__ = ["layers", "record"]
