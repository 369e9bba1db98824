"""How many products a convolution sums: the taps that lie inside of the map, counted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fanwise.expectation import Array

__all__ = ["Window"]


@dataclass(frozen=True)
class Window:
    """The geometry of a convolution, with the numbers of ``jax.lax.conv_general_dilated``.

    Zeros around the map lower the second moment at its border, with each layer further inwards.
    What is counted here is exact, at every position.

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
        ((4,), 10)
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
    def outputs(self) -> tuple[int, ...]:
        """The size of the output."""
        return tuple(len(counts) for counts in self._counts())

    @property
    def connections(self) -> int:
        """The number of pairs of an output and a tap inside of the input."""
        return math.prod(int(counts.sum()) for counts in self._counts())

    def only(self, tap: Sequence[int]) -> "Window":
        """The window of one tap alone, given by its position in the kernel."""
        moved = [at * dilation for at, dilation in zip(tap, self.dilation, strict=True)]
        last = [(k - 1) * d for k, d in zip(self.kernel, self.dilation, strict=True)]
        padding = tuple(
            (low - at, high + at - end)
            for (low, high), at, end in zip(self.padding, moved, last, strict=True)
        )
        return replace(self, kernel=(1,) * len(tap), padding=padding)

    def sums(self, values: Array) -> Array:
        """From the second moments at the inputs to sums over taps at the outputs.

        They are divided by the mean number of taps, so that the mean stays where all are equal.
        """
        return self._applied(self._counts(), values)

    def sums_back(self, values: Array) -> Array:
        """The same from the gradients' second moments at the outputs to those at the inputs."""
        return self._applied([counts.T for counts in self._counts()], values)

    def _applied(self, counts: list[Array], values: Array) -> Array:
        for axis, own in enumerate(counts):
            values = np.moveaxis(np.tensordot(own, values, (1, axis)), 0, axis)
        result: Array = values * (values.size / max(self.connections, 1))
        return result

    def _counts(self) -> list[Array]:
        """For each axis, how many taps of an output lie on an input: (outputs, inputs)."""
        axes = zip(
            self.size,
            self.kernel,
            self.strides,
            self.padding,
            self.dilation,
            self.input_dilation,
            strict=True,
        )
        return [_counts(*axis) for axis in axes]


def _counts(
    size: int,
    kernel: int,
    stride: int,
    padding: tuple[int, int],
    dilation: int,
    input_dilation: int,
) -> Array:
    spread = (size - 1) * input_dilation + 1
    outputs = max(0, (spread + sum(padding) - (kernel - 1) * dilation - 1) // stride + 1)
    at = stride * np.arange(outputs)[:, None] + dilation * np.arange(kernel) - padding[0]
    inside = (at >= 0) & (at < spread) & (at % input_dilation == 0)
    counts = np.zeros((outputs, size))
    np.add.at(counts, (np.nonzero(inside)[0], at[inside] // input_dilation), 1)
    return counts
