"""PyTorch: the layers of a module, and what its constructor asks for."""

from fanwise.frameworks.torch_layers import layers

__all__ = ["layers"]
