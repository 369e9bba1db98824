"""How many products a convolution sums: the taps that lie inside of the map, counted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Window"]


@dataclass(frozen=True)
class Window:
    """The geometry of a convolution, with the numbers of ``jax.lax.conv_general_dilated``.

    Zeros around the map lower the second moment at its border. What is counted here is exact:
    the taps that lie inside, averaged over all positions. The second moment that follows is
    exact for an input whose second moment is the same everywhere. Behind the first such layer
    that is no longer so, and the product of two averages stands for the average of a product: an
    approximation, the better the larger the map is beside the kernel.

    Args:
        size: of the input, without channels and batch.
        kernel: the kernel's size along each axis.
        strides: how far the window moves along each axis; 1 if not given.
        padding: how many zeros before and after the input on each axis; none if not given.
        dilation: the distance of the kernel's taps; 1 if not given.
        input_dilation: the distance of the inputs, zeros between them; 1 if not given. It is
            the stride of a transposed convolution, which itself moves by 1.

    Raises:
        ValueError: for lengths that differ.

    Example:
        >>> window = Window(size=(4,), kernel=(3,), padding=((1, 1),))
        >>> window.outputs, window.connections  # 2 at either end, 3 in the middle
        (4, 10)
    """

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...] = ()
    padding: tuple[tuple[int, int], ...] = ()
    dilation: tuple[int, ...] = ()
    input_dilation: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        axes = len(self.size)
        defaults = {"strides": 1, "padding": (0, 0), "dilation": 1, "input_dilation": 1}
        for name in ("kernel", *defaults):
            value = tuple(getattr(self, name)) or (defaults.get(name),) * axes
            if len(value) != axes:
                raise ValueError(
                    f"Window: {name} must have an entry for each of the {axes} axes of size "
                    f"{self.size}, got {value}"
                )
            object.__setattr__(self, name, value)

    @property
    def inputs(self) -> int:
        """The number of positions of the input."""
        return math.prod(self.size)

    @property
    def outputs(self) -> int:
        """The number of positions of the output."""
        return math.prod(len(axis) for axis in self._inside())

    @property
    def connections(self) -> int:
        """The number of pairs of an output and a tap inside of the input."""
        return math.prod(int(axis.sum()) for axis in self._inside())

    def connections_of(self, tap: Sequence[int]) -> int:
        """The same for one tap alone, given by its position in the kernel."""
        inside = self._inside()
        return math.prod(int(axis[:, at].sum()) for axis, at in zip(inside, tap, strict=True))

    def _inside(self) -> list[npt.NDArray[np.bool_]]:
        """For each axis, whether an output's tap lies on an input: (outputs, taps)."""
        axes = zip(
            self.size,
            self.kernel,
            self.strides,
            self.padding,
            self.dilation,
            self.input_dilation,
            strict=True,
        )
        return [_inside(*axis) for axis in axes]


def _inside(
    size: int,
    kernel: int,
    stride: int,
    padding: tuple[int, int],
    dilation: int,
    input_dilation: int,
) -> npt.NDArray[np.bool_]:
    spread = (size - 1) * input_dilation + 1
    outputs = max(0, (spread + sum(padding) - (kernel - 1) * dilation - 1) // stride + 1)
    at = stride * np.arange(outputs)[:, None] + dilation * np.arange(kernel) - padding[0]
    inside: npt.NDArray[np.bool_] = (at >= 0) & (at < spread) & (at % input_dilation == 0)
    return inside
