"""A walk over torch.nn: every class is built, and those that own parameters must be in the table.

A class that torch adds is built like the others, from its required arguments by their names; one
that cannot be built is reported too, so that nothing is passed over.
"""

import inspect
import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch
from torch import nn

__all__ = ["classes", "owners", "unaccounted"]

# What the required arguments of torch's constructors are given, by name.
_ARGUMENTS: Mapping[str, Any] = {
    "bias": True,
    "cutoffs": [2],
    "d_model": 4,
    "embed_dim": 4,
    "embedding_dim": 4,
    "hidden_size": 4,
    "in1_features": 4,
    "in2_features": 4,
    "in_channels": 4,
    "in_features": 4,
    "input_size": 4,
    "kernel_size": 2,
    "lambd": 0.5,
    "max_val": 1.0,
    "min_val": 0.0,
    "mode": "LSTM",
    "n_classes": 4,
    "nhead": 2,
    "norm_type": 2.0,
    "normalized_shape": 4,
    "num_channels": 4,
    "num_classes": 4,
    "num_chunks": 4,
    "num_embeddings": 4,
    "num_features": 4,
    "num_groups": 2,
    "num_heads": 2,
    "num_layers": 2,
    "out_channels": 4,
    "out_features": 4,
    "output_size": 4,
    "padding": 1,
    "size": 2,
    "threshold": 0.5,
    "unflattened_size": (2, 2),
    "upscale_factor": 2,
    "downscale_factor": 2,
    "dim": 1,
    "groups": 2,
    "value": 0.0,
}


def classes() -> dict[str, type[nn.Module]]:
    """Every module class that torch.nn and torch.nn.modules export, by name."""
    return {
        name: found
        for source in (nn.modules, nn)
        for name, found in vars(source).items()
        if isinstance(found, type) and issubclass(found, nn.Module)
    }


def _built(cls: type[nn.Module]) -> nn.Module:
    given: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.default is parameter.empty:
            given[name] = _argument(name)
    if issubclass(cls, nn.FractionalMaxPool2d | nn.FractionalMaxPool3d):
        given["output_size"] = 2  # One of two optional arguments that is not optional.
    if cls in (nn.RNN, nn.LSTM, nn.GRU):
        given = {"input_size": 4, "hidden_size": 4}  # Their signature is (*args, **kwargs).
    return cls(**given)


def _argument(name: str) -> Any:
    match name:
        case "encoder_layer":
            return nn.TransformerEncoderLayer(4, 2, 4)
        case "decoder_layer":
            return nn.TransformerDecoderLayer(4, 2, 4)
        case "module":
            return nn.Identity()
    return _ARGUMENTS[name]


def owners(walked: Iterable[tuple[str, type[nn.Module]]]) -> tuple[list[str], list[str]]:
    """The classes that own parameters or buffers, and those that could not be built.

    Lazy parameters count before they know their shape.
    """
    owning, unknown = [], []
    for name, cls in walked:
        try:
            # Some are deprecated, and say so.
            with torch.random.fork_rng(devices=[]), warnings.catch_warnings(action="ignore"):
                module = _built(cls)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            unknown.append(f"{name} cannot be built to see what it owns: {error!r}")
            continue
        if [*module.parameters(), *module.buffers()]:
            owning.append(name)
    return owning, unknown


def unaccounted(
    known: Collection[str], walked: Mapping[str, type[nn.Module]] | None = None
) -> list[str]:
    """A line for each class with parameters that is not known, and each that nobody can judge."""
    owning, lines = owners((walked or classes()).items())
    return [*lines, *(f"torch.nn.{name} owns parameters" for name in owning if name not in known)]
