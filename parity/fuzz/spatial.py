"""Convolutions and transposed convolutions, in one and two dimensions."""

from abc import abstractmethod
from dataclasses import dataclass

from flax import linen, nnx
from torch import nn

from parity.fuzz.node import Node

__all__ = ["Conv", "ConvTranspose"]


class _Spatial(Node):
    """Of the same class name in torch, but for the number of dimensions, in linen and in nnx."""

    dimensions: int
    inputs: int
    outputs: int
    kernel: int

    @property
    @abstractmethod
    def _given(self) -> dict[str, object]:
        """Flax's arguments."""

    def linen(self, name: str | None, is_setup: bool) -> linen.Module:
        return getattr(linen, self.numbered)(self.outputs, self._field, **self._given, name=name)

    def nnx(self, rngs: nnx.Rngs) -> nnx.Module:
        made = getattr(nnx, self.numbered)
        return made(self.inputs, self.outputs, self._field, **self._given, rngs=rngs)

    @property
    def _field(self) -> tuple[int, ...]:
        return (self.kernel,) * self.dimensions

    @property
    def numbered(self) -> str:
        return type(self).__name__


@dataclass(frozen=True)
class Conv(_Spatial):
    """A convolution; every argument is torch's, the same in each dimension of space."""

    dimensions: int
    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    bias: bool = True

    def torch(self) -> nn.Module:
        return getattr(nn, f"Conv{self.dimensions}d")(
            self.inputs,
            self.outputs,
            self.kernel,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            self.bias,
        )

    @property
    def _given(self) -> dict[str, object]:
        return {
            "strides": (self.stride,) * self.dimensions,
            "padding": [(self.padding, self.padding)] * self.dimensions,
            "kernel_dilation": (self.dilation,) * self.dimensions,
            "feature_group_count": self.groups,
            "use_bias": self.bias,
        }

    def size(self, size: int) -> int:
        """Of the output for one of the input."""
        return (size + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) // self.stride + 1


@dataclass(frozen=True)
class ConvTranspose(_Spatial):
    """A transposed convolution.

    Args:
        dimensions: of space.
        inputs: channels.
        outputs: channels.
        kernel: its size.
        stride: torch's.
        padding: torch's.
        extra: torch's ``output_padding``.
        bias: whether there is one.
        is_transposed: Flax's ``transpose_kernel``, without which the kernel is reversed.
    """

    dimensions: int
    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    padding: int = 0
    extra: int = 0
    bias: bool = True
    is_transposed: bool = False

    def torch(self) -> nn.Module:
        return getattr(nn, f"ConvTranspose{self.dimensions}d")(
            self.inputs,
            self.outputs,
            self.kernel,
            self.stride,
            self.padding,
            self.extra,
            bias=self.bias,
        )

    @property
    def _given(self) -> dict[str, object]:
        before = self.kernel - 1 - self.padding
        return {
            "strides": (self.stride,) * self.dimensions,
            "padding": [(before, before + self.extra)] * self.dimensions,
            "use_bias": self.bias,
            "transpose_kernel": self.is_transposed,
        }

    def size(self, size: int) -> int:
        """Of the output for one of the input."""
        return (size - 1) * self.stride - 2 * self.padding + self.kernel + self.extra
