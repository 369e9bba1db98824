"""Layers of torch and linen that compute the same: how to build both and how to run both.

Inputs are as Flax has them, with channels last. The torch side of a pair is given them as it
wants them, and its output is turned back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from flax import linen
from torch import nn
from torch.nn.utils import parametrizations

__all__ = ["PAIRS", "Pair"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Pair:
    """One layer on both sides.

    Args:
        kind: fanwise's name of it, torch's class.
        label: Flax's class and what is special.
        torch: builds torch's.
        flax: builds linen's.
        inputs: shapes; ``(n, "integers")`` for integers below n.
        call: runs torch's layer on inputs of Flax.
        options: of the linen module's call.
        output: of what linen returns, the part to compare.
        lost: what of torch's parameters has no place, and is left zero.
    """

    kind: str
    label: str
    torch: Callable[[], nn.Module]
    flax: Callable[[], linen.Module]
    inputs: tuple[tuple[int, ...], ...]
    call: Callable[..., torch.Tensor] = lambda module, x: module(x)
    options: Mapping[str, Any] = field(default_factory=dict)
    output: Callable[[Any], Any] = lambda result: result
    integers: int = 0

    def arrays(self, generator: np.random.Generator) -> tuple[Array, ...]:
        """Inputs: normals, or integers below ``integers``."""
        if self.integers:
            return tuple(generator.integers(0, self.integers, shape) for shape in self.inputs)
        return tuple(generator.normal(size=shape).astype(np.float32) for shape in self.inputs)

    def __str__(self) -> str:
        return f"{self.kind} as {self.label}"


def _channels_first(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return torch.movedim(module(torch.movedim(x, -1, 1)), 1, -1)


def _convolutions() -> list[Pair]:
    pairs = []
    for n in (1, 2, 3):
        field = (9, 8, 7)[:n]
        for label, wide in (
            ("", {"kernel_size": (3,) * n}),
            (", groups", {"kernel_size": (3, 2, 1)[:n], "groups": 3, "bias": False}),
            (", strides", {"kernel_size": (2, 3, 3)[:n], "stride": 2, "dilation": 2, "padding": 1}),
        ):
            pairs.append(_convolution(n, label, field, wide))
        for transpose_kernel in (False, True):
            for stride, padding, bias in ((1, 0, False), (2, 1, True)):
                pairs.append(_transposed(n, field, transpose_kernel, stride, padding, bias))
    return pairs


def _convolution(n: int, label: str, field: tuple[int, ...], given: dict[str, Any]) -> Pair:
    padding = given.get("padding", 0)
    cls: Any = getattr(nn, f"Conv{n}d")
    return Pair(
        f"Conv{n}d",
        f"Conv{label}",
        lambda: cls(6, 12, **given),
        lambda: linen.Conv(
            12,
            given["kernel_size"],
            strides=given.get("stride", 1),
            padding=[(padding, padding)] * n,
            kernel_dilation=given.get("dilation", 1),
            feature_group_count=given.get("groups", 1),
            use_bias=given.get("bias", True),
        ),
        ((2, *field, 6),),
        _channels_first,
    )


def _transposed(
    n: int, field: tuple[int, ...], transpose_kernel: bool, stride: int, padding: int, bias: bool
) -> Pair:
    kernel = (4, 3, 2)[:n]
    cls: Any = getattr(nn, f"ConvTranspose{n}d")
    return Pair(
        f"ConvTranspose{n}d",
        f"ConvTranspose, transpose_kernel={transpose_kernel}",
        lambda: cls(5, 7, kernel, stride=stride, padding=padding, bias=bias),
        lambda: linen.ConvTranspose(
            7,
            kernel,
            strides=(stride,) * n,
            padding=[(k - 1 - padding, k - 1 - padding) for k in kernel],
            transpose_kernel=transpose_kernel,
            use_bias=bias,
        ),
        ((2, *field, 5),),
        _channels_first,
    )


def _first(module: nn.Module, *inputs: torch.Tensor) -> torch.Tensor:
    """The outputs of a recurrent layer or attention, without states or weights."""
    output: torch.Tensor = module(*inputs)[0]
    return output


def _recurrent() -> list[Pair]:
    sequence = ((3, 6, 5),)
    cells: tuple[tuple[str, Any, Any], ...] = (
        ("LSTM", nn.LSTM, linen.LSTMCell),
        ("LSTM", nn.LSTM, linen.OptimizedLSTMCell),
        ("GRU", nn.GRU, linen.GRUCell),
        ("RNN", nn.RNN, linen.SimpleCell),
    )
    pairs = []
    for kind, layer, cell in cells:
        pairs += [
            Pair(
                kind,
                f"RNN({cell.__name__})",
                lambda layer=layer: layer(5, 7, batch_first=True),
                lambda cell=cell: linen.RNN(cell(7)),
                sequence,
                _first,
            ),
            Pair(
                kind,
                f"Bidirectional({cell.__name__})",
                lambda layer=layer: layer(5, 7, batch_first=True, bidirectional=True),
                lambda cell=cell: linen.Bidirectional(linen.RNN(cell(7)), linen.RNN(cell(7))),
                sequence,
                _first,
            ),
        ]
    return [*pairs, *_cells()]


def _cells() -> list[Pair]:
    """One step of a cell from a state that is given."""
    step = ((3, 7), (3, 5))

    def lstm(module: nn.Module, c: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = module(x, (torch.tanh(c), c))[0]
        return output

    def other(module: nn.Module, h: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = module(x, h)
        return output

    class Step(linen.Module):
        """linen's carry of an LSTM is (c, h), here made of c alone."""

        cell: linen.Module

        @linen.compact
        def __call__(self, c: Any, x: Any) -> Any:
            return self.cell((c, linen.tanh(c)), x)[1]

    return [
        Pair(
            "LSTMCell",
            "LSTMCell",
            lambda: nn.LSTMCell(5, 7),
            lambda: Step(linen.LSTMCell(7)),
            step,
            lstm,
        ),
        Pair(
            "LSTMCell",
            "OptimizedLSTMCell",
            lambda: nn.LSTMCell(5, 7),
            lambda: Step(linen.OptimizedLSTMCell(7)),
            step,
            lstm,
        ),
        Pair(
            "GRUCell",
            "GRUCell",
            lambda: nn.GRUCell(5, 7),
            lambda: linen.GRUCell(7),
            step,
            other,
            output=lambda result: result[1],
        ),
        Pair(
            "RNNCell",
            "SimpleCell",
            lambda: nn.RNNCell(5, 7),
            lambda: linen.SimpleCell(7),
            step,
            other,
            output=lambda result: result[1],
        ),
    ]


def _attention() -> list[Pair]:
    pairs = []
    for label, widths, options in (
        ("", (12, 12, 12), {}),
        (", no bias", (12, 12, 12), {"bias": False}),
        (", separate widths", (12, 5, 8), {}),
    ):
        sizes = {"kdim": widths[1], "vdim": widths[2], **options}
        pairs.append(
            Pair(
                "MultiheadAttention",
                f"MultiHeadDotProductAttention{label}",
                lambda sizes=sizes: nn.MultiheadAttention(12, 3, batch_first=True, **sizes),
                lambda options=options: linen.MultiHeadDotProductAttention(
                    3, qkv_features=12, out_features=12, use_bias=options.get("bias", True)
                ),
                ((2, 4, widths[0]), (2, 6, widths[1]), (2, 6, widths[2])),
                _first,
            )
        )
    return pairs


def _normalizing() -> list[Pair]:
    image = ((4, 6, 5, 8),)
    pairs = [
        Pair(
            "LayerNorm",
            "LayerNorm",
            lambda: nn.LayerNorm(8),
            lambda: linen.LayerNorm(1e-5),
            ((3, 8),),
        ),
        Pair(
            "LayerNorm",
            "LayerNorm, two axes",
            lambda: nn.LayerNorm((5, 8)),
            lambda: linen.LayerNorm(1e-5, reduction_axes=(-2, -1), feature_axes=(-2, -1)),
            image,
        ),
        Pair(
            "LayerNorm",
            "LayerNorm, no bias",
            lambda: nn.LayerNorm(8, bias=False),
            lambda: linen.LayerNorm(1e-5, use_bias=False),
            ((3, 8),),
        ),
        Pair(
            "GroupNorm",
            "GroupNorm",
            lambda: nn.GroupNorm(4, 8),
            lambda: linen.GroupNorm(4, epsilon=1e-5),
            image,
            _channels_first,
        ),
        Pair(
            "RMSNorm",
            "RMSNorm",
            lambda: nn.RMSNorm(8, eps=1e-6),
            lambda: linen.RMSNorm(),
            ((3, 8),),
        ),
        Pair(
            "InstanceNorm",
            "InstanceNorm",
            lambda: nn.InstanceNorm2d(8, affine=True),
            lambda: linen.InstanceNorm(epsilon=1e-5),
            image,
            _channels_first,
        ),
    ]
    for use_running in (True, False):
        label = "BatchNorm" if use_running else "BatchNorm, in training"
        for cls, shape in ((nn.BatchNorm1d, ((6, 8),)), (nn.BatchNorm2d, image)):
            pairs.append(
                Pair(
                    "BatchNorm",
                    label,
                    lambda cls=cls, training=not use_running: cls(8).train(training),
                    lambda use_running=use_running: linen.BatchNorm(use_running, epsilon=1e-5),
                    shape,
                    _channels_first if len(shape[0]) > 2 else Pair.call,
                )
            )
    return pairs


def _others() -> list[Pair]:
    return [
        Pair("Linear", "Dense", lambda: nn.Linear(9, 4), lambda: linen.Dense(4), ((3, 9),)),
        Pair("Linear", "Dense, no bias", lambda: nn.Linear(9, 4, bias=False),
             lambda: linen.Dense(4, use_bias=False), ((3, 9),)),
        Pair("Linear", "DenseGeneral", lambda: nn.Linear(12, 10),
             lambda: linen.DenseGeneral((2, 5), axis=(-2, -1)), ((7, 3, 4),),
             lambda module, x: module(x.flatten(1)).unflatten(1, (2, 5))),
        Pair("Embedding", "Embed", lambda: nn.Embedding(11, 6), lambda: linen.Embed(11, 6),
             ((3, 4),), integers=11),
        Pair("PReLU", "PReLU", lambda: nn.PReLU(), lambda: linen.PReLU(), ((3, 4),)),
        Pair("weight_norm(Linear)", "WeightNorm(Dense)",
             lambda: parametrizations.weight_norm(nn.Linear(9, 4)),
             lambda: linen.WeightNorm(linen.Dense(4)), ((3, 9),)),
        Pair("weight_norm(Conv2d)", "WeightNorm(Conv)",
             lambda: parametrizations.weight_norm(nn.Conv2d(6, 12, (3, 2))),
             lambda: linen.WeightNorm(linen.Conv(12, (3, 2), padding="VALID")),
             ((2, 9, 8, 6),), _channels_first),
        Pair("weight_norm(ConvTranspose2d)", "WeightNorm(ConvTranspose)",
             lambda: parametrizations.weight_norm(nn.ConvTranspose2d(5, 7, (4, 3))),
             lambda: linen.WeightNorm(
                 linen.ConvTranspose(7, (4, 3), padding="VALID", transpose_kernel=True)),
             ((2, 9, 8, 5),), _channels_first),
    ]  # fmt: skip


PAIRS: tuple[Pair, ...] = (
    *_others(),
    *_convolutions(),
    *_recurrent(),
    *_attention(),
    *_normalizing(),
)
