"""The table of cases that all kinds of checks share.

A case is one call of a function of ``torch.nn.init``: its arguments, and the shape and dtype of
the tensor. The shape is in torch's order; our own side of a case draws the same weight in the
layout that the case names.

Functions of the fans get shapes whose fans differ by a factor of 4 and more, so that swapped fans
are plain to see, and the real weights of five networks.
"""

import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch

import fanwise
from fanwise.initializers.base import Initializer
from parity.arrays import shape_in
from parity.kernels import NETWORKS

__all__ = ["INITIALIZERS", "SCALAR", "Case", "kernel_cases", "table"]

Shape = tuple[int, ...]

SCALAR = (
    "uniform",
    "normal",
    "trunc_normal",
    "constant",
    "ones",
    "zeros",
    "xavier_uniform",
    "xavier_normal",
    "kaiming_uniform",
    "kaiming_normal",
)
"""Functions whose elements are independent draws of one law."""

INITIALIZERS = (*SCALAR, "eye", "dirac", "orthogonal", "sparse")
"""Every function of torch.nn.init, without the underscore."""


@dataclass(frozen=True)
class Case:
    """One call.

    Args:
        initializer: torch's name without the underscore.
        shape: torch's shape.
        kwargs: the arguments, by torch's names.
        layout: how our side lays the same weight out.
        dtype: the dtype of the parameter.
        label: what the case stands for.
    """

    initializer: str
    shape: Shape
    kwargs: Mapping[str, Any] = field(default_factory=dict, hash=False)
    layout: str = "...IO"
    dtype: str = "float32"
    label: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "kwargs", MappingProxyType(dict(self.kwargs)))

    @property
    def our_shape(self) -> Shape:
        """The shape in our layout."""
        return shape_in(self.layout, self.shape)

    def ours(self, layout: str | None = None) -> Initializer:
        """Our initializer, for the case's layout or another one."""
        factory = getattr(fanwise, self.initializer)
        return factory(**self.kwargs, layout=layout or self.layout)

    @property
    def torch_function(self) -> Callable[..., torch.Tensor]:
        """torch's function; call it with a tensor and ``**case.kwargs``."""
        return getattr(torch.nn.init, f"{self.initializer}_")

    @property
    def size(self) -> int:
        """Number of elements."""
        return torch.Size(self.shape).numel()

    def __str__(self) -> str:
        arguments = ", ".join(
            f"{name}={reprlib.repr(value)}" for name, value in self.kwargs.items()
        )
        where = f"{self.shape} {self.dtype} {self.layout}"
        name = f" [{self.label}]" if self.label else ""
        return f"{self.initializer}_({arguments}) {where}{name}"


def table() -> tuple[Case, ...]:
    """Every function of torch.nn.init with its modes, gains, slopes, layouts and dtypes."""
    return (*_plain(), *_scaled(), *_structured(), *_networks())


# fan_in to fan_out is given behind each.
LINEAR_WIDE = (64, 512)  # 8
LINEAR_TALL = (768, 48)  # 1/16
CONV1D = (24, 160, 5)  # 20/3
CONV2D = (128, 16, 3, 3)  # 1/8
CONV3D = (8, 64, 3, 3, 3)  # 8
DEPTHWISE = (192, 1, 3, 3)  # 1/192 for torch, which counts all 192 outputs
GROUPED = (256, 32, 3, 3)  # 1/8, eight groups of 32 inputs
TRANSPOSED = (96, 12, 4, 4)  # of a transposed convolution: 96 inputs, 12 outputs; 1/8
RECTANGULAR = (16, 80, 1, 7)  # 5

WEIGHTS = {
    "linear, wide": LINEAR_WIDE,
    "linear, tall": LINEAR_TALL,
    "conv1d": CONV1D,
    "conv2d": CONV2D,
    "conv3d": CONV3D,
    "depthwise": DEPTHWISE,
    "grouped": GROUPED,
    "rectangular": RECTANGULAR,
}


def _plain() -> list[Case]:
    """Functions that need no fans."""
    tiny = {"std": 0.02}
    cases = [
        Case("uniform", LINEAR_WIDE, label="defaults"),
        Case("uniform", CONV2D, {"a": -0.1, "b": 0.1}, label="[-b, b)"),
        Case("uniform", (300,), {"a": 2.0, "b": 3.0}, label="bias, far from 0"),
        Case("uniform", CONV1D, {"a": -0.3, "b": 0.05}, "OI...", label="lopsided"),
        Case("uniform", LINEAR_TALL, {"a": -0.05, "b": 0.05}, dtype="bfloat16"),
        Case("uniform", LINEAR_TALL, {"a": -0.05, "b": 0.05}, dtype="float16"),
        Case("uniform", LINEAR_WIDE, {"a": -1, "b": 1}, dtype="float64"),
        Case("uniform", LINEAR_WIDE, {"a": -1, "b": 1}, dtype="complex64"),
        Case("normal", LINEAR_WIDE, label="defaults"),
        Case("normal", (640,), {"mean": 1.0, "std": 0.02}, label="scale of a normalization"),
        Case("normal", CONV3D, tiny, "OI..."),
        Case("normal", LINEAR_TALL, tiny, dtype="bfloat16"),
        Case("normal", LINEAR_TALL, tiny, dtype="float16"),
        Case("normal", LINEAR_WIDE, {"mean": -0.5, "std": 2}, dtype="float64"),
        Case("normal", LINEAR_WIDE, dtype="complex64"),
        Case("trunc_normal", LINEAR_WIDE, label="defaults"),
        Case("trunc_normal", LINEAR_TALL, tiny, label="ViT: 100 std to the bounds"),
        Case("trunc_normal", CONV2D, {"std": 0.02, "a": -0.04, "b": 0.04}, label="at 2 std"),
        Case("trunc_normal", CONV1D, {"a": -1, "b": 0.5}, "OI...", label="lopsided"),
        Case("trunc_normal", (400, 7), {"mean": 0.3, "std": 0.5, "a": 0.0, "b": 1.0}),
        # At most 0.3 of the normal is inside, where torch changes its method.
        Case("trunc_normal", (48, 200), {"a": 1.0, "b": 3.0}, label="one tail"),
        Case("trunc_normal", (48, 200), {"std": 4.0, "a": -0.5, "b": 0.5}, label="middle"),
        Case("trunc_normal", LINEAR_WIDE, dtype="bfloat16"),
        Case("trunc_normal", LINEAR_WIDE, dtype="float16"),
        Case("trunc_normal", LINEAR_WIDE, {"std": 0.5}, dtype="float64"),
        Case("ones", (32, 8)),
        Case("zeros", CONV1D),
    ]
    for value in (0.25, -1.5, 0.0, 0.1):
        cases.append(Case("constant", (12, 3), {"val": value}))
    return cases


def _scaled() -> list[Case]:
    """Functions of the fans: each over all weights, and each argument over one of them."""
    cases = []
    for label, shape in WEIGHTS.items():
        cases += [
            Case("xavier_uniform", shape, label=label),
            Case("xavier_normal", shape, {"gain": 5 / 3}, label=label),
            Case("kaiming_uniform", shape, {"a": 5**0.5}, label=f"{label}, torch's default"),
            Case("kaiming_normal", shape, {"mode": "fan_out", "nonlinearity": "relu"}, label=label),
        ]
    for name in ("kaiming_uniform", "kaiming_normal"):
        cases += [
            Case(name, CONV2D, label="defaults"),
            Case(name, CONV2D, {"a": None}, label="no slope"),
            Case(name, CONV2D, {"a": 0.2, "mode": "fan_out"}, "OI...", label="slope"),
            Case(name, CONV2D, {"a": -1}, label="slope of a negative integer"),
            Case(name, CONV2D, {"a": 0.2, "nonlinearity": "relu"}, label="slope that is ignored"),
            Case(name, LINEAR_TALL, {"nonlinearity": "tanh"}),
            Case(name, LINEAR_WIDE, {"nonlinearity": "selu", "mode": "fan_out"}),
            Case(name, CONV3D, {"nonlinearity": "linear", "mode": "FAN_OUT"}, label="upper case"),
            Case(name, CONV1D, {"nonlinearity": "sigmoid"}),
            Case(name, CONV1D, {"nonlinearity": "conv_transpose1d"}, "OI..."),
            Case(name, TRANSPOSED, layout="...OI", label="transposed convolution"),
        ]
    for name in ("xavier_uniform", "xavier_normal"):
        cases += [
            Case(name, LINEAR_TALL, {"gain": 0.02}, "OI...", label="small gain"),
            Case(name, CONV2D, {"gain": 2**0.5}, label="relu"),
            Case(name, TRANSPOSED, layout="...OI", label="transposed convolution"),
        ]
    for dtype in ("bfloat16", "float16", "float64", "complex64"):
        cases += [
            Case("xavier_uniform", LINEAR_WIDE, dtype=dtype),
            Case("xavier_normal", LINEAR_WIDE, dtype=dtype),
            Case("kaiming_uniform", CONV2D, dtype=dtype),
            Case("kaiming_normal", CONV2D, dtype=dtype),
        ]
    return cases


def _structured() -> list[Case]:
    """Functions whose elements depend on one another."""
    return [
        Case("eye", (16, 16)),
        Case("eye", (5, 20), layout="OI..."),
        Case("dirac", (8, 8, 5)),
        Case("dirac", (24, 6, 3, 3), {"groups": 4}),
        Case("dirac", (6, 3, 2, 4, 3), {"groups": 2}, "OI...", label="even kernels"),
        Case("orthogonal", (96, 24), label="tall"),
        Case("orthogonal", (24, 96), {"gain": 2**0.5}, label="wide"),
        Case("orthogonal", (64, 64), {"gain": 0.5}, "OI...", label="square"),
        Case("orthogonal", (16, 64, 3, 3), {"gain": -1.5}, label="convolution, negative gain"),
        Case("orthogonal", (256, 4, 5), label="convolution, tall"),
        Case("orthogonal", (48, 12), dtype="bfloat16"),
        Case("orthogonal", (48, 12), dtype="float16"),
        Case("orthogonal", (48, 12), dtype="float64"),
        Case("sparse", (50, 8), {"sparsity": 0.1}),
        Case("sparse", (7, 40), {"sparsity": 0.5, "std": 2.0}, "OI..."),
        Case("sparse", (33, 11), {"sparsity": 0.9, "std": 1.0}),
    ]


def _networks() -> list[Case]:
    """The weights of real networks, as their authors draw them."""
    return [
        Case(network.initializer, shape, network.arguments, label=name)
        for name, network in NETWORKS.items()
        for shape in network.weights
    ]


def kernel_cases() -> tuple[Case, ...]:
    """The weights of real networks, drawn by every function of the fans; for exact checks."""
    calls: list[tuple[str, dict[str, Any]]] = [("xavier_uniform", {}), ("xavier_normal", {})]
    for mode in ("fan_in", "fan_out"):
        calls += [
            ("kaiming_uniform", {"a": 5**0.5, "mode": mode}),
            ("kaiming_normal", {"mode": mode, "nonlinearity": "relu"}),
        ]
    return tuple(
        Case(initializer, shape, arguments, label=name)
        for name, network in NETWORKS.items()
        for shape in network.weights
        for initializer, arguments in calls
    )
