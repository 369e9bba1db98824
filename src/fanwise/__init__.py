"""PyTorch's weight initialization for JAX: exact, and proven against torch.nn.init."""

import importlib
from typing import TYPE_CHECKING, Any

from fanwise import distributions
from fanwise.distributions import Distribution
from fanwise.gains import calculate_gain, gain_of
from fanwise.initializers import (
    Initializer,
    bias_uniform,
    constant,
    delta_orthogonal,
    dirac,
    eye,
    kaiming_normal,
    kaiming_uniform,
    lecun_normal,
    lecun_uniform,
    normal,
    ones,
    orthogonal,
    sparse,
    trunc_normal,
    uniform,
    variance_scaling,
    xavier_normal,
    xavier_uniform,
    zeros,
)
from fanwise.layers import Layer
from fanwise.layouts import Fans, fans
from fanwise.rules import by_kind, by_path, chain, torch_default

if TYPE_CHECKING:
    from fanwise import porting as port
    from fanwise import recipes, signal
    from fanwise.frameworks import equinox, haiku, linen, nnx, torch

__all__ = [
    "Distribution",
    "Fans",
    "Initializer",
    "Layer",
    "bias_uniform",
    "by_kind",
    "by_path",
    "calculate_gain",
    "chain",
    "constant",
    "delta_orthogonal",
    "dirac",
    "distributions",
    "equinox",
    "eye",
    "fans",
    "gain_of",
    "haiku",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "linen",
    "nnx",
    "normal",
    "ones",
    "orthogonal",
    "port",
    "recipes",
    "signal",
    "sparse",
    "torch",
    "torch_default",
    "trunc_normal",
    "uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

# The adapters import their framework, and so are loaded when they are first used.
_FRAMEWORKS = {
    "equinox": "equinox",
    "haiku": "haiku",
    "linen": "flax",
    "nnx": "flax",
    "torch": "torch",
}

# Few need them, and they would take a few milliseconds.
_RARE = {"port": "fanwise.porting", "recipes": "fanwise.recipes", "signal": "fanwise.signal"}


def __getattr__(name: str) -> Any:
    if name in _RARE:
        return importlib.import_module(_RARE[name])
    if name not in _FRAMEWORKS:
        raise AttributeError(f"module 'fanwise' has no attribute {name!r}")
    try:
        return importlib.import_module(f"fanwise.frameworks.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("fanwise"):
            raise
        extra = _FRAMEWORKS[name]
        raise ImportError(
            f"fanwise.{name} needs {error.name}, which is not installed: python -m pip install "
            f"'fanwise[{extra}]'"
        ) from error
