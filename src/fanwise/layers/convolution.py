"""Convolutions: U(-1/sqrt(fan_in), 1/sqrt(fan_in)), weight and bias.

A transposed convolution's weight is (in, out / groups, *kernel): torch reads the second axis as
the input all the same, so that its fan_in is (out / groups) * kernel.
"""

from functools import partial
from typing import Any

from fanwise.layers.kind import Kind, Shapes, Values
from fanwise.layers.linear import weight_and_bias

__all__ = ["KINDS"]


def _kernel(kernel_size: int | tuple[int, ...], dimensions: int) -> tuple[int, ...]:
    return (kernel_size,) * dimensions if isinstance(kernel_size, int) else tuple(kernel_size)


def _shapes(
    is_transposed: bool,
    dimensions: int,
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, ...],
    groups: int = 1,
    bias: bool = True,
    **_: Any,
) -> Shapes:
    ends = (out_channels, in_channels // groups)
    if is_transposed:
        ends = (in_channels, out_channels // groups)
    shapes: Shapes = {"weight": (*ends, *_kernel(kernel_size, dimensions))}
    return shapes | ({"bias": (out_channels,)} if bias else {})


def _default(is_transposed: bool, dimensions: int, **hyperparameters: Any) -> Values:
    return weight_and_bias(_shapes(is_transposed, dimensions, **hyperparameters))


KINDS = tuple(
    Kind(
        f"{lazy}{name}{dimensions}d",
        partial(_shapes, is_transposed, dimensions),
        partial(_default, is_transposed, dimensions),
    )
    for lazy in ("", "Lazy")
    for name, is_transposed in (("Conv", False), ("ConvTranspose", True))
    for dimensions in (1, 2, 3)
)
