"""Pairs of convolutions, of all numbers of dimensions."""

from typing import Any

from flax import linen, nnx
from torch import nn

from parity.conversions_pair import Pair, channels_first

__all__ = ["PAIRS"]

_FIELD, _CHANNELS = (9, 8, 7), 6


def _convolution(n: int, label: str, given: dict[str, Any]) -> Pair:
    cls: Any = getattr(nn, f"Conv{n}d")
    padding, kernel = given.get("padding", 0), given["kernel_size"]
    ours = {
        "strides": given.get("stride", 1),
        "padding": [(padding, padding)] * n,
        "kernel_dilation": given.get("dilation", 1),
        "feature_group_count": given.get("groups", 1),
        "use_bias": given.get("bias", True),
    }
    return Pair(
        f"Conv{n}d",
        f"Conv{label}",
        lambda: cls(_CHANNELS, 12, **given),
        lambda: linen.Conv(12, kernel, **ours),
        ((2, *_FIELD[:n], _CHANNELS),),
        channels_first,
        lambda rngs: nnx.Conv(_CHANNELS, 12, kernel, **ours, rngs=rngs),
    )


def _transposed(n: int, transpose_kernel: bool, given: dict[str, Any]) -> Pair:
    cls: Any = getattr(nn, f"ConvTranspose{n}d")
    kernel = (4, 3, 2)[:n]
    padding, dilation = given.get("padding", 0), given.get("dilation", 1)
    ours = {
        "strides": (given.get("stride", 1),) * n,
        "padding": [(dilation * (k - 1) - padding,) * 2 for k in kernel],
        "kernel_dilation": dilation,
        "transpose_kernel": transpose_kernel,
        "use_bias": given.get("bias", True),
    }
    text = ", ".join(f"{name}={value}" for name, value in given.items())
    return Pair(
        f"ConvTranspose{n}d",
        f"ConvTranspose, transpose_kernel={transpose_kernel}, {text}",
        lambda: cls(_CHANNELS, 7, kernel, **given),
        lambda: linen.ConvTranspose(7, kernel, **ours),
        ((2, *_FIELD[:n], _CHANNELS),),
        channels_first,
        lambda rngs: nnx.ConvTranspose(_CHANNELS, 7, kernel, **ours, rngs=rngs),
    )


PAIRS: tuple[Pair, ...] = (
    *(
        _convolution(n, label, given)
        for n in (1, 2, 3)
        for label, given in (
            ("", {"kernel_size": (3,) * n}),
            (", groups", {"kernel_size": (3, 2, 1)[:n], "groups": 3, "bias": False}),
            (", strides", {"kernel_size": (2, 3, 3)[:n], "stride": 2, "dilation": 2, "padding": 1}),
        )
    ),
    *(
        _transposed(n, transpose_kernel, given)
        for n in (1, 2, 3)
        for transpose_kernel in (False, True)
        for given in ({"bias": False}, {"stride": 2, "padding": 1}, {"dilation": 2})
    ),
)
