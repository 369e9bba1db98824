"""What a random model is made of.

A node says how it is built in torch, in linen and in nnx, and how each is run. The same node runs
on both sides, so a twin computes what torch's model does once it holds the same parameters; which
of torch's layers is which of Flax's follows from the names that the model gives its nodes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import torch
from flax import linen, nnx
from torch import nn
from torch.nn import functional

from parity.fuzz.values import Made

__all__ = ["Bare", "Function", "Node", "Paths"]

Paths = Sequence[tuple[str, str | tuple[str, ...]]]
"""torch's layers and Flax's, below the node on either side; several where one is split."""


@dataclass(frozen=True)
class Node:
    """Something that owns parameters."""

    def torch(self) -> nn.Module:
        """Build torch's."""
        raise NotImplementedError

    def linen(self, name: str | None, is_setup: bool) -> linen.Module:
        """Build linen's.

        Args:
            name: of the module; None lets linen number it, or the attribute name it.
            is_setup: whether it is made in ``setup``.
        """
        raise NotImplementedError

    def nnx(self, rngs: nnx.Rngs) -> nnx.Module:
        """Build nnx's."""
        raise NotImplementedError

    def run(self, module: Any, x: Any, is_torch: bool) -> Any:
        """Run the module of either side."""
        return module(x)

    @property
    def numbered(self) -> str:
        """The class whose name linen numbers where none is given."""
        raise NotImplementedError

    @property
    def consumed(self) -> tuple[str, ...]:
        """The numbers that linen uses up in a compact module even where the node has a name."""
        return ()

    def paths(self, framework: str, is_setup: bool) -> Paths:
        """torch's layers and Flax's below the names of the node."""
        return (("", ""),)


@dataclass(frozen=True)
class Bare(Node):
    """A parameter by itself.

    Args:
        use: what it does to the input: it is put before it, added to it or multiplied with it.
        shape: torch's and Flax's.
        start: torch's values.
    """

    use: str
    shape: tuple[int, ...]
    start: Made

    def parameter(self) -> nn.Parameter:
        """torch's."""
        return nn.Parameter(self.start.build(self.shape))

    def run(self, module: Any, x: Any, is_torch: bool) -> Any:
        if self.use == "multiply":
            return x * module
        if self.use == "add":
            return x + module
        rows = (x.shape[0], *self.shape[1:])
        if is_torch:
            return torch.cat([module.expand(rows), x], 1)
        return jnp.concatenate([jnp.broadcast_to(module, rows), x], 1)


_ACTIVATIONS: dict[str, tuple[type[nn.Module], Any]] = {
    "relu": (nn.ReLU, jax.nn.relu),
    "gelu": (nn.GELU, lambda x: jax.nn.gelu(x, approximate=False)),
    "tanh": (nn.Tanh, jnp.tanh),
    "silu": (nn.SiLU, jax.nn.silu),
}


@dataclass(frozen=True)
class Function(Node):
    """Something without parameters.

    Args:
        name: an activation, or of the methods below.
        is_module: whether torch has it as a module, with a number of its own in a Sequential.
    """

    name: str
    is_module: bool = False

    def torch(self) -> nn.Module:
        return nn.Flatten(1) if "flatten" in self.name else _ACTIVATIONS[self.name][0]()

    def run(self, module: Any, x: Any, is_torch: bool) -> Any:
        if self.name not in _ACTIVATIONS:
            return getattr(self, f"_{self.name}")(x, is_torch)
        if is_torch:
            return getattr(functional, self.name, torch.tanh)(x)
        return _ACTIVATIONS[self.name][1](x)

    def _flatten(self, x: Any, is_torch: bool) -> Any:
        """Each framework in its own order."""
        return x.reshape(x.shape[0], -1)

    def _torch_flatten(self, x: Any, is_torch: bool) -> Any:
        """In torch's order in Flax too."""
        x = x if is_torch else jnp.moveaxis(x, -1, 1)
        return x.reshape(x.shape[0], -1)

    def _pool(self, x: Any, is_torch: bool) -> Any:
        """The mean over space."""
        axes = tuple(range(2, x.ndim)) if is_torch else tuple(range(1, x.ndim - 1))
        return x.mean(axes)

    def _mean(self, x: Any, is_torch: bool) -> Any:
        """The mean over a sequence."""
        return x.mean(1)

    def _first(self, x: Any, is_torch: bool) -> Any:
        """The first of a sequence."""
        return x[:, 0]

    def _last(self, x: Any, is_torch: bool) -> Any:
        """The last of a sequence."""
        return x[:, -1]

    def _patches(self, x: Any, is_torch: bool) -> Any:
        """Space as a sequence."""
        if is_torch:
            return x.flatten(2).transpose(1, 2)
        return x.reshape(x.shape[0], -1, x.shape[-1])
