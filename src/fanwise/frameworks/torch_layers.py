"""The layers of a torch module, and which of its names are of the same tensor."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from fanwise.frameworks.torch_modules import Known, known
from fanwise.layers import Layer, Leaf, Piece, kind_of
from fanwise.layers.view import SAME

__all__ = ["buffers_not_saved", "layers", "ties"]

Tensors: TypeAlias = Mapping[str, torch.Tensor]


def layers(module: nn.Module) -> list[Layer]:
    """All layers of a module, in order of definition.

    A leaf's path is the name of the tensor in ``state_dict()``. A tensor under several names
    counts at the first: the layer that has it again is listed without it. Only shapes and
    attributes are read, so that a module on the meta device, or of fake tensors, does as well.

    Args:
        module: the module.

    Returns:
        A Layer for each module of ``torch.nn`` that owns parameters or buffers, and for those
        derived from one whose parameters are the same; of the Transformer classes their parts.
        Hugging Face's ``Conv1D`` is a Linear whose leaf is transposed. What is none of these has
        the kind None and its own names. Every parameter and buffer is in exactly one.

    Raises:
        TypeError: if it is no module.
        ValueError: if a lazy layer does not know its shapes yet.

    Example:
        >>> for layer in layers(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.BatchNorm1d(3))):
        ...     print(layer)
        0: Linear [weight (3, 4), bias (3,)]
        2: BatchNorm1d [weight (3,), bias (3,), running_mean (3,), running_var (3,),
        num_batches_tracked ()]
    """
    first = ties(module)
    taken: set[str] = set()
    found: list[Layer] = []
    for path, child in module.named_modules():
        prefix = f"{path}." if path else ""

        def below(child: nn.Module = child) -> dict[str, tuple[int, ...]]:
            return {name: _shape(tensor) for name, tensor in _tensors(child)}

        own = known(child, below)
        names = [prefix + name for name in own.names.values()] if own is not None else []
        # What is in a layer already, as the output of attention is, is none by itself.
        if own is not None and names and taken.isdisjoint(names):
            found.append(_known_layer(path, child, own, first))
            taken.update(names)
        bare = {
            name: tensor
            for name, tensor in _own_tensors(child)
            if prefix + name not in taken and prefix + name not in first
        }
        if bare:
            found.append(_unknown_layer(path, child, bare))
            taken.update(prefix + name for name in bare)
    return [replace(layer, index=index, count=len(found)) for index, layer in enumerate(found)]


def ties(module: nn.Module) -> dict[str, str]:
    """Names of parameters and buffers that are another one, each with the first name of it.

    Example:
        >>> model = nn.ModuleDict({"table": nn.Embedding(5, 3), "head": nn.Linear(3, 5)})
        >>> model["head"].weight = model["table"].weight
        >>> ties(model)
        {'head.weight': 'table.weight'}
    """
    _check(module)
    firsts: dict[Any, str] = {}
    return {
        name: first
        for name, tensor in _tensors(module)
        if (first := firsts.setdefault(_identity(tensor), name)) != name
    }


def buffers_not_saved(module: nn.Module) -> frozenset[str]:
    """The names of buffers that ``state_dict()`` leaves out.

    Example:
        >>> model = nn.Module()
        >>> model.register_buffer("mask", torch.ones(3), persistent=False)
        >>> buffers_not_saved(model)
        frozenset({'mask'})
    """
    return frozenset(
        f"{path}.{name}" if path else name
        for path, child in module.named_modules(remove_duplicate=False)
        for name in child._non_persistent_buffers_set
        if child._buffers.get(name) is not None
    )


def _check(module: nn.Module) -> None:
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"module must be a torch.nn.Module, got {module!r} of type {type(module).__name__}"
        )
    lazy = [name for name, tensor in _tensors(module) if is_lazy(tensor)]
    if lazy:
        raise ValueError(
            f"module has lazy layers that do not know their shapes yet: {', '.join(lazy)}; call it "
            "once with an input"
        )


def _tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters and buffers in the order of ``state_dict()``, by all their names."""
    for path, child in module.named_modules(remove_duplicate=False):
        for name, tensor in _own_tensors(child):
            yield (f"{path}.{name}" if path else name), tensor


def _own_tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    for name, tensor in (*module._parameters.items(), *module._buffers.items()):
        if tensor is not None:
            yield name, tensor


def _identity(tensor: torch.Tensor) -> Any:
    """The same for tensors over the same memory: a tie may be one of their ``data`` alone."""
    try:
        storage = tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):
        return id(tensor)  # made of other tensors, without memory of its own
    return storage, tensor.storage_offset(), _shape(tensor), tensor.stride()


def _shape(tensor: torch.Tensor) -> tuple[int, ...]:
    return tuple(int(size) for size in tensor.shape)


def _dtype(tensor: torch.Tensor) -> Any:
    return np.dtype(jnp.dtype(str(tensor.dtype).removeprefix("torch.")))


def _known_layer(path: str, module: nn.Module, own: Known, first: Mapping[str, str]) -> Layer:
    kind = kind_of(own.kind)
    prefix = f"{path}." if path else ""
    tensors = dict(_tensors(module))
    here = {name for name, stored in own.names.items() if prefix + stored not in first}
    parameters = kind.shapes(**own.hyperparameters)
    buffers = kind.buffers(**own.hyperparameters)
    return Layer(
        path=path.replace(".", "/"),
        kind=own.kind,
        hyperparameters=own.hyperparameters,
        parameters={name: shape for name, shape in parameters.items() if name in here},
        buffers={name: shape for name, shape in buffers.items() if name in here},
        source=type(module).__name__,
        leaves=tuple(
            _leaf(prefix + stored, tensors[stored], Piece(name, own.views.get(name, SAME)))
            for name, stored in own.names.items()
            if name in here
        ),
    )


def _unknown_layer(path: str, module: nn.Module, own: Tensors) -> Layer:
    prefix = f"{path}." if path else ""
    shapes = {name: _shape(tensor) for name, tensor in own.items()}
    return Layer(
        path=path.replace(".", "/"),
        kind=None,
        parameters={name: shapes[name] for name in own if name in module._parameters},
        buffers={name: shapes[name] for name in own if name in module._buffers},
        source=type(module).__name__,
        leaves=tuple(_leaf(prefix + name, tensor, Piece(name)) for name, tensor in own.items()),
    )


def _leaf(name: str, tensor: torch.Tensor, piece: Piece) -> Leaf:
    return Leaf(name, name, _shape(tensor), _dtype(tensor), (piece,))
