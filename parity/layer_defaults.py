"""What torch's Linear and convolutions draw by default, weight and bias.

The layers are built while their draws are recorded. Ours are ``kaiming_uniform(a=sqrt(5))`` and
``bias_uniform(fan_in)``. For a transposed convolution torch calls dim 0 the output, although it
is the input; on the Flax kernel (*field, in, out) that is the layout ``...OI``.
"""

import math
from collections.abc import Callable
from typing import Any

from torch import nn

import fanwise
from parity.arrays import shape_in
from parity.intercept import Call, Recording, recording
from parity.request import of_distribution, of_recording

__all__ = ["LAYERS", "compare", "mismatches"]

Layer = Callable[..., nn.Module]

# The layer, its arguments, and the layout of the Flax kernel.
LAYERS: tuple[tuple[Layer, tuple[Any, ...], dict[str, Any], str], ...] = (
    (nn.Linear, (48, 12), {}, "...IO"),
    (nn.Linear, (3, 200), {"bias": False}, "...IO"),
    (nn.Linear, (9216, 4096), {}, "...IO"),
    (nn.Conv1d, (16, 80, 5), {"dilation": 2}, "...IO"),
    (nn.Conv1d, (24, 48, 3), {"groups": 6}, "...IO"),
    (nn.Conv2d, (3, 64, 7), {"stride": 2}, "...IO"),
    (nn.Conv2d, (32, 32, (3, 5)), {"groups": 32}, "...IO"),
    (nn.Conv2d, (64, 16, 2), {"bias": False}, "...IO"),
    (nn.Conv3d, (4, 40, (1, 3, 3)), {}, "...IO"),
    (nn.ConvTranspose1d, (10, 60, 4), {}, "...OI"),
    (nn.ConvTranspose2d, (64, 8, 3), {"stride": 2}, "...OI"),
    (nn.ConvTranspose2d, (12, 96, (2, 3)), {"groups": 4}, "...OI"),
    (nn.ConvTranspose3d, (5, 20, 3), {"bias": False}, "...OI"),
)


def compare() -> dict[str, tuple[list[str], list[str]]]:
    """Compare all layers; return the cases and the mismatches of weights and of biases."""
    found: dict[str, tuple[list[str], list[str]]] = {
        "kaiming_uniform": ([], []),
        "bias_uniform": ([], []),
    }
    for layer, args, kwargs, layout in LAYERS:
        text = f"default of {layer.__name__}{args} {kwargs or ''}".rstrip()
        weights, biases = mismatches(layer, args, kwargs, layout)
        has_bias = kwargs.get("bias", True)
        for initializer, lines, cases in (
            ("kaiming_uniform", weights, [text]),
            ("bias_uniform", biases, [text] if has_bias else []),
        ):
            found[initializer][0].extend(cases)
            found[initializer][1].extend(f"{text}: {line}" for line in lines)
    return found


def mismatches(
    layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any], layout: str
) -> tuple[list[str], list[str]]:
    """Return how our weight differs from the layer's, and how our bias does."""
    with recording() as kept:
        module = layer(*args, **kwargs)
    weight, bias = module.weight, module.bias
    shape = tuple(weight.shape)
    kernel = shape_in(layout, shape)
    default = fanwise.kaiming_uniform(a=math.sqrt(5))
    weights, biases = [], []
    for ours_shape, ours_layout in ((shape, "OI..."), (kernel, layout)):
        ours = default.distribution(ours_shape, ours_layout)
        weights += _line(kept.draws, weight, ours, ours_layout)
        if bias is not None:
            fan_in = fanwise.fans(ours_shape, ours_layout).fan_in
            ours = fanwise.bias_uniform(fan_in).distribution(tuple(bias.shape))
            biases += _line(kept.draws, bias, ours, ours_layout)
    return weights, biases


def _line(
    draws: list[Call],
    parameter: nn.Parameter,
    ours: fanwise.distributions.Distribution,
    layout: str,
) -> list[str]:
    """Compare the only draw into a parameter with ours."""
    into = [call for call in draws if call.tensor is parameter]
    if len(into) != 1:
        return [f"torch drew {len(into)} times"]
    theirs, ours_request = of_recording(Recording(into), ""), of_distribution(ours)
    if theirs.agrees(ours_request):
        return []
    return [f"torch asks for {theirs}, we for {ours_request} in {layout}"]
