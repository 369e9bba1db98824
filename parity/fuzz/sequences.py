"""Nodes that look along a sequence: recurrent layers and attention."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import torch
from flax import linen, nnx
from torch import nn
from torch.nn import functional

from parity.fuzz.node import Node, Paths

__all__ = ["Attention", "Heads", "Recurrent"]


@dataclass(frozen=True)
class Recurrent(Node):
    """An LSTM or a GRU, of which the outputs are used.

    Args:
        kind: torch's class.
        inputs: in torch's words ``input_size``.
        hidden: ``hidden_size``.
        is_bidirectional: whether it also runs backwards.
        cell: Flax's class.
    """

    kind: str
    inputs: int
    hidden: int
    is_bidirectional: bool
    cell: str

    def torch(self) -> nn.Module:
        return getattr(nn, self.kind)(
            self.inputs, self.hidden, batch_first=True, bidirectional=self.is_bidirectional
        )

    def linen(self, name: str | None, is_setup: bool) -> linen.Module:
        cell: Any = getattr(linen, self.cell)
        if self.is_bidirectional:
            runs = (linen.RNN(cell(self.hidden)) for _ in range(2))
            return linen.Bidirectional(*runs, name=name)
        # A cell that is made where its RNN is belongs to the module around both.
        return linen.RNN(cell(self.hidden) if is_setup else cell(self.hidden, name=name))

    def nnx(self, rngs: nnx.Rngs) -> nnx.Module:
        def run() -> nnx.RNN:
            cell: Any = getattr(nnx, self.cell)
            return nnx.RNN(cell(self.inputs, self.hidden, rngs=rngs), rngs=rngs)

        return nnx.Bidirectional(run(), run(), rngs=rngs) if self.is_bidirectional else run()

    def run(self, module: Any, x: Any, is_torch: bool) -> Any:
        return module(x)[0] if is_torch else module(x)

    @property
    def numbered(self) -> str:
        return "Bidirectional" if self.is_bidirectional else self.cell

    @property
    def consumed(self) -> tuple[str, ...]:
        return (self.cell, self.cell) if self.is_bidirectional else ()

    def paths(self, framework: str, is_setup: bool) -> Paths:
        has_cell = not self.is_bidirectional and (framework == "nnx" or is_setup)
        return (("", "cell" if has_cell else ""),)


@dataclass(frozen=True)
class Attention(Node):
    """torch's MultiheadAttention of a sequence to itself."""

    width: int
    heads: int
    bias: bool = True

    def torch(self) -> nn.Module:
        return nn.MultiheadAttention(self.width, self.heads, bias=self.bias, batch_first=True)

    def linen(self, name: str | None, is_setup: bool) -> linen.Module:
        return linen.MultiHeadDotProductAttention(self.heads, use_bias=self.bias, name=name)

    def nnx(self, rngs: nnx.Rngs) -> nnx.Module:
        return nnx.MultiHeadAttention(
            self.heads, self.width, use_bias=self.bias, decode=False, rngs=rngs
        )

    def run(self, module: Any, x: Any, is_torch: bool) -> Any:
        return module(x, x, x, need_weights=False)[0] if is_torch else module(x)

    @property
    def numbered(self) -> str:
        return "MultiHeadDotProductAttention"


@dataclass(frozen=True)
class Heads(Node):
    """Attention made of Linears, as most models write it themselves.

    Args:
        width: of the sequence.
        heads: their number.
        names: torch's: of query, key, value and output; of two, the first is all three packed.
        twins: Flax's, as many as it has Linears; None for names that linen numbers.
    """

    width: int
    heads: int
    names: tuple[str, ...]
    twins: tuple[str, ...] | None

    @property
    def is_packed(self) -> bool:
        """Whether torch has one Linear for query, key and value."""
        return len(self.names) == 2

    def torch(self) -> nn.Module:
        widths = (3 * self.width, self.width) if self.is_packed else (self.width,) * 4
        return nn.ModuleDict(
            {name: nn.Linear(self.width, n) for name, n in zip(self.names, widths, strict=True)}
        )

    def linen(self, name: str | None, is_setup: bool) -> linen.Module:
        return SelfAttention(self, name=name)

    def nnx(self, rngs: nnx.Rngs) -> nnx.Module:
        assert self.twins is not None
        widths = (3 * self.width, self.width) if len(self.twins) == 2 else (self.width,) * 4
        return nnx.Dict(
            {
                name: nnx.Linear(self.width, n, rngs=rngs)
                for name, n in zip(self.twins, widths, strict=True)
            }
        )

    def run(self, module: Any, x: Any, is_torch: bool) -> Any:
        if isinstance(module, SelfAttention):
            return module(x)
        names = self.names if is_torch else self.twins
        return self.attended([module[name] for name in names or ()], x, is_torch)

    def attended(self, layers: Any, x: Any, is_torch: bool) -> Any:
        """The outputs, of the Linears in their order."""
        *projections, out = layers
        projected = [layer(x) for layer in projections]
        if len(projected) == 1:
            split = torch.chunk if is_torch else jnp.split
            projected = split(projected[0], 3, -1)
        shape = (*x.shape[:2], self.heads, self.width // self.heads)
        query, key, value = (each.reshape(shape) for each in projected)
        if is_torch:
            turned = (each.transpose(1, 2) for each in (query, key, value))
            y = functional.scaled_dot_product_attention(*turned).transpose(1, 2)
        else:
            y = linen.dot_product_attention(query, key, value)
        return out(y.reshape(x.shape))

    @property
    def numbered(self) -> str:
        return "SelfAttention"

    def paths(self, framework: str, is_setup: bool) -> Paths:
        count = 2 if self.twins is not None and len(self.twins) == 2 else 4
        if self.twins is None:
            count = len(self.names)
        twins = self.twins or tuple(f"Dense_{index}" for index in range(count))
        if len(twins) > len(self.names):
            return ((self.names[0], tuple(twins[:3])), (self.names[1], twins[3]))
        return tuple(zip(self.names, twins, strict=True))


class SelfAttention(linen.Module):
    """linen's side of :class:`Heads`."""

    node: Heads

    @linen.compact
    def __call__(self, x: Any) -> Any:
        node = self.node
        twins = node.twins or (None,) * len(node.names)
        widths = (3 * node.width, node.width) if len(twins) == 2 else (node.width,) * 4
        layers = [linen.Dense(n, name=name) for name, n in zip(twins, widths, strict=True)]
        return node.attended(layers, x, is_torch=False)
