"""One layer in torch and in Flax: how to build and to run both.

Inputs are as Flax has them, with channels last. torch's side of a pair is given them as it wants
them, and its output is turned back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from flax import linen as flax_linen
from flax import nnx as flax_nnx
from torch import nn

__all__ = ["Array", "Pair", "channels_first", "first_output"]

Array = npt.NDArray[Any]


def channels_first(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Run a layer of torch on an input with channels last."""
    return torch.movedim(module(torch.movedim(x, -1, 1)), 1, -1)


def first_output(module: nn.Module, *inputs: torch.Tensor) -> torch.Tensor:
    """The outputs of a recurrent layer or attention, without states or weights."""
    output: torch.Tensor = module(*inputs)[0]
    return output


@dataclass(frozen=True)
class Pair:
    """One layer on both sides.

    Args:
        kind: fanwise's name of it, torch's class.
        label: Flax's class and what is special.
        torch: builds torch's.
        linen: builds linen's; None if linen has no such layer.
        inputs: shapes.
        call: runs torch's layer on inputs of Flax.
        nnx: builds nnx's; None if nnx has no such layer.
        output: of what Flax returns, the part to compare.
        integers: if not 0, inputs are integers below it.
    """

    kind: str
    label: str
    torch: Callable[[], nn.Module]
    linen: Callable[[], flax_linen.Module] | None
    inputs: tuple[tuple[int, ...], ...]
    call: Callable[..., torch.Tensor] = lambda module, x: module(x)
    nnx: Callable[[flax_nnx.Rngs], flax_nnx.Module] | None = None
    output: Callable[[Any], Any] = lambda result: result
    integers: int = 0

    def arrays(self, generator: np.random.Generator) -> tuple[Array, ...]:
        """Inputs: normals, or integers."""
        if self.integers:
            return tuple(
                generator.integers(0, self.integers, shape, np.int32) for shape in self.inputs
            )
        return tuple(generator.normal(size=shape).astype(np.float32) for shape in self.inputs)

    def __str__(self) -> str:
        return f"{self.kind} as {self.label}"
