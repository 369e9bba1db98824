"""From a layer and the rule that starts it to its step in a chain."""

import math
from collections.abc import Mapping
from typing import Any

from fanwise.distributions import (
    Constant,
    DeltaOrthogonal,
    Dirac,
    Eye,
    Orthogonal,
    ScalarDistribution,
    Sparse,
)
from fanwise.distributions.structured import StructuredDistribution, WeightShape
from fanwise.frameworks.answers import distribution_of
from fanwise.layers import Layer, family
from fanwise.rules import Rule, answer_of
from fanwise.signal.pointwise import Activation
from fanwise.signal.theory import Step
from fanwise.signal.window import Window

__all__ = ["second_moment", "step_of"]


def step_of(
    layer: Layer,
    rule: Rule | None = None,
    activation: Activation | None = None,
    *,
    measured: Mapping[str, float] | None = None,
    window: Window | None = None,
) -> Step | None:
    r"""A layer's step in :func:`fanwise.signal.theory.forward`, from the rule's distributions.

    ================= ================================ ===================================
    torch's class     fan_in                           fan_out
    ================= ================================ ===================================
    Linear            in                               out
    Conv              in / groups * taps per output    out / groups * taps per input
    ConvTranspose     in / groups * taps per output    out / groups * taps per input
    ================= ================================ ===================================

    Taps are those that lie inside of the map, counted by the window; without a window all of them
    do, and the strides are 1.

    Args:
        layer: as :func:`fanwise.linen.layers` gives it.
        rule: see :mod:`fanwise.rules`; None says nothing of any parameter.
        activation: the elementwise function behind the layer.
        measured: second moments of the parameters that the rule leaves alone, by torch's names;
            nan for one whose mean is not 0.
        window: of a convolution.

    Returns:
        The step; None where theory does not speak: for layers of other kinds, and for parameters
        of which only a function is known, whose mean is not 0, or whose outputs are copies of
        inputs instead of sums over many (``eye``, ``dirac``).

    Raises:
        TypeError, ValueError: see :func:`fanwise.rules.answer_of`; and for a window with another
            kernel than the layer's.

    Example:
        >>> import fanwise
        >>> layer = Layer(
        ...     "fc",
        ...     "Linear",
        ...     {"in_features": 16, "out_features": 8},
        ...     {"weight": (8, 16), "bias": (8,)},
        ... )
        >>> step = step_of(layer, fanwise.torch_default)
        >>> round(step.fan_in * step.weight, 12), round(48 * step.bias, 12)
        (0.333333333333, 1.0)
    """
    if layer.kind is None or "weight" not in layer.shapes:
        return None
    kind = family(layer.kind).removeprefix("Lazy")
    if kind not in ("Linear", "Conv", "ConvTranspose"):
        return None
    values = {
        name: distribution_of(value, layer, name)
        for name, value in (answer_of(rule, layer) if rule is not None else {}).items()
    }
    moments = dict(measured or {})
    moments |= {name: second_moment(value, layer.shapes[name]) for name, value in values.items()}
    weight = moments.get("weight", math.nan)
    bias = moments.get("bias", math.nan) if "bias" in layer.shapes else 0.0
    value = values.get("weight")
    if math.isnan(weight) or math.isnan(bias) or isinstance(value, Eye | Dirac):
        return None
    outputs, inputs, *kernel = layer.shapes["weight"]
    groups = layer.hyperparameters.get("groups", 1)
    if kind == "ConvTranspose":
        outputs, inputs = inputs * groups, outputs // groups
    if window is not None and tuple(kernel) != window.kernel:
        raise ValueError(
            f"step_of: window must have the kernel of {layer}, got {window.kernel}; of other "
            f"layers than convolutions it must be None"
        )
    taps = math.prod(kernel)
    if isinstance(value, DeltaOrthogonal):
        # All of its mass is at one tap.
        weight, taps = weight * taps, 1
        window = None if window is None else window.only(_centre(kernel, kind))
    per_output = per_input = float(taps)
    if window is not None:
        per_output = window.connections / max(math.prod(window.outputs), 1)
        per_input = window.connections / max(math.prod(window.size), 1)
    return Step(
        fan_in=inputs * per_output,
        fan_out=outputs / groups * per_input,
        weight=weight,
        bias=bias,
        activation=activation,
        window=window,
        name=layer.path,
    )


def _centre(kernel: list[int], kind: str) -> tuple[int, ...]:
    """Where DeltaOrthogonal's matrix is; a transposed convolution meets its taps in reverse."""
    centre = tuple((size - 1) // 2 for size in kernel)
    if kind == "ConvTranspose":
        return tuple(size - 1 - at for size, at in zip(kernel, centre, strict=True))
    return centre


def second_moment(distribution: Any, shape: tuple[int, ...]) -> float:
    r"""E[w^2], averaged over the elements of a parameter.

    ================= =====================================================
    distribution      E[w^2]
    ================= =====================================================
    scalar ones       std^2
    Orthogonal        gain^2 / max(rows, columns)
    DeltaOrthogonal   gain^2 / max(rows, columns) / taps
    Sparse            std^2 * share of elements that are not zero
    Eye, Dirac        share of elements that are one
    ================= =====================================================

    Args:
        distribution: a Distribution; of anything else nothing is known.
        shape: of the parameter.

    Returns:
        The second moment; nan where it is not known or not all that matters: with a mean other
        than 0 the products of one sum go together.

    Example:
        >>> second_moment(Orthogonal(2.0, layout="OI..."), (8, 4, 2, 2))
        0.25
    """
    if isinstance(distribution, ScalarDistribution | Constant):
        if abs(distribution.mean) > 1e-6 * distribution.std:
            return math.nan
        return distribution.std**2
    if not isinstance(distribution, StructuredDistribution):
        return math.nan
    weight = WeightShape.of(shape, distribution.layout)
    taps = math.prod(weight.spatial)
    if 0 in weight.flat:
        return math.nan
    if isinstance(distribution, DeltaOrthogonal):
        return distribution.gain**2 / max(weight.rows, weight.columns) / taps
    if isinstance(distribution, Orthogonal):
        return distribution.gain**2 / max(weight.rows, weight.columns * taps)
    if isinstance(distribution, Sparse):
        share = 1 - distribution.zeros_per_input(weight.rows) / weight.rows
        return distribution.std**2 * share
    if isinstance(distribution, Eye):
        return 1 / max(weight.rows, weight.columns)
    if isinstance(distribution, Dirac):
        rows = weight.rows // distribution.groups
        return min(rows, weight.columns) / (rows * weight.columns * taps)
    return math.nan
