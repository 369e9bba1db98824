"""PyTorch: the layers of a module, and what its constructor asks for."""

__all__: list[str] = []
