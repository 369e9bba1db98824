"""The layers of a torch network, as a rule sees them: written for the networks of the recipes."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from fanwise.layers import Layer

__all__ = ["layers_of"]

Sizes = Callable[[Any], dict[str, Any]]


def _named(*names: str) -> Sizes:
    return lambda module: {name: getattr(module, name) for name in names}


_CONVOLUTION = _named("in_channels", "out_channels", "kernel_size", "groups")

# torch's constructor arguments, as far as shapes and defaults depend on them; bias is added.
_SIZES: dict[type[nn.Module], Sizes] = {
    nn.Linear: _named("in_features", "out_features"),
    nn.Conv1d: _CONVOLUTION,
    nn.Conv2d: _CONVOLUTION,
    nn.Conv3d: _CONVOLUTION,
    nn.ConvTranspose2d: _CONVOLUTION,
    nn.Embedding: _named("num_embeddings", "embedding_dim", "padding_idx"),
    nn.BatchNorm2d: _named("num_features", "affine", "track_running_stats"),
    nn.GroupNorm: _named("num_groups", "num_channels"),
    nn.LayerNorm: _named("normalized_shape", "elementwise_affine"),
    nn.LSTM: _named("input_size", "hidden_size", "num_layers", "proj_size"),
    nn.MultiheadAttention: _named("embed_dim", "num_heads", "kdim", "vdim"),
}


def layers_of(network: nn.Module) -> list[Layer]:
    """Every parameter of the network in one Layer, in order of definition.

    Raises:
        ValueError: if a parameter is found in none or in two.
    """
    found = list(_found(network, ""))
    names = [f"{layer.path}/{name}" for layer in found for name in layer.parameters]
    expected = [name for name, _ in network.named_parameters()]
    if sorted(name.lstrip("/").replace("/", ".") for name in names) != sorted(expected):
        raise ValueError(f"found {names} of {expected}")
    return found


def _found(module: nn.Module, path: str) -> Iterator[Layer]:
    sizes = _SIZES.get(type(module))
    if sizes is not None:
        shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}
        if shapes:
            hyperparameters = sizes(module)
            # The default of those that have the argument is True; others ignore it.
            hyperparameters["bias"] = any("bias" in name for name in shapes)
            yield Layer(path, type(module).__name__, hyperparameters, shapes)
        return
    own = {name: tuple(p.shape) for name, p in module.named_parameters(recurse=False)}
    if own:
        yield Layer(path, None, parameters=own, source=type(module).__name__)
    for name, child in module.named_children():
        yield from _found(child, f"{path}/{name}" if path else name)
