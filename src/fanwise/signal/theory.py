r"""How the second moment travels through a plain chain of wide layers.

With independent weights of mean 0 a sum over many inputs is normal, so that the second moments
of the layers' outputs follow from one another (Poole et al. 2016), and so do those of the
gradients (Schoenholz et al. 2017):

.. math::

    q_l &= \text{fan\_in}_l \, \mathbb{E}[w_l^2] \, \mathbb{E}[f_{l-1}(z)^2] + \mathbb{E}[b_l^2],
        \quad z \sim N(0, q_{l-1}) \\
    g_l &= g_{l+1} \, \text{fan\_out}_{l+1} \, \mathbb{E}[w_{l+1}^2] \, \mathbb{E}[f_l'(z)^2],
        \quad z \sim N(0, q_l)

Both are exact in the limit of infinite width. The second takes the weights of the way back to be
independent of those of the way forth; for second moments that is right as long as the gradient
at the last output is independent of the weights and has mean 0, as a standard-normal cotangent
(Yang 2020, Tensor programs II). With a loss it is an approximation.

Behind a convolution that pads with zeros the second moment is smaller at the border. It is kept
for every position, and what is given back is the mean over them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fanwise.expectation import Array
from fanwise.signal.pointwise import Activation, pointwise_of
from fanwise.signal.window import Window

__all__ = ["Step", "backward", "forward"]


@dataclass(frozen=True)
class Step:
    """One linear layer of a chain and the function behind it.

    Args:
        fan_in: the number of products that one output sums, on average over the outputs.
        fan_out: the number of outputs that one input goes into, on average over the inputs.
        weight: the weights' second moment, E[w^2].
        bias: the bias's second moment, E[b^2]; 0 without one.
        activation: the elementwise function that the output goes into, such as ``jax.nn.relu``;
            None if there is none.
        window: of a convolution; None counts every position as any other.
        name: for messages and tables.
    """

    fan_in: float
    fan_out: float
    weight: float
    bias: float = 0.0
    activation: Activation | None = None
    window: Window | None = None
    name: str = ""

    def __post_init__(self) -> None:
        for field in ("fan_in", "fan_out", "weight", "bias"):
            value = getattr(self, field)
            if not value >= 0 and not math.isnan(value):
                raise ValueError(f"Step {self.name!r}: {field} must not be negative, got {value!r}")

    @property
    def log_forward(self) -> float:
        """Logarithm of the factor from the input's second moment to the output's, without bias."""
        return _log(self.fan_in * self.weight)

    @property
    def log_backward(self) -> float:
        """Logarithm of the factor from the output's gradient's second moment to the input's."""
        return _log(self.fan_out * self.weight)


def forward(log_q0: float, steps: Sequence[Step]) -> list[float]:
    """The logarithm of the second moment of each layer's output, before its activation.

    Args:
        log_q0: that of the chain's input, which need not be normal.
        steps: the layers, in order.

    Returns:
        One for each step; -inf is a signal of zeros, nan one that nothing is known of.

    Raises:
        TypeError: for an activation that is not elementwise and real.

    Example:
        He's initialization keeps the second moment through relu, from the second layer on:

        >>> import jax
        >>> he = Step(fan_in=256, fan_out=256, weight=2 / 256, activation=jax.nn.relu)
        >>> [round(math.exp(log_q), 9) for log_q in forward(0.0, [he, he, he])]
        [2.0, 2.0, 2.0]

    References:
        Poole et al. (2016), Exponential expressivity in deep neural networks through transient
        chaos, equation 3.
    """
    return [_log_mean(log_q) for log_q in _outputs(log_q0, steps)]


def backward(log_q0: float, steps: Sequence[Step], log_gradient_of_last: float) -> list[float]:
    """The logarithm of the second moment of the gradient at each layer's output.

    Args:
        log_q0: that of the chain's input.
        steps: the layers, in order.
        log_gradient_of_last: that of the gradient at the last layer's output, behind which its
            activation is not looked at; 0 for a standard-normal cotangent.

    Returns:
        One for each step, before its activation.

    Raises:
        TypeError: for an activation that is not elementwise and real.

    Example:
        >>> import jax
        >>> wide = Step(fan_in=256, fan_out=1024, weight=2 / 1024, activation=jax.nn.relu)
        >>> narrow = Step(fan_in=1024, fan_out=256, weight=2 / 256)
        >>> [round(math.exp(log_g), 9) for log_g in backward(0.0, [wide, narrow], 0.0)]
        [1.0, 1.0]

    References:
        Schoenholz et al. (2017), Deep information propagation, section 5.
    """
    outputs = _outputs(log_q0, steps)
    log_g: Array = np.asarray(log_gradient_of_last, np.float64)
    gradients = [_log_mean(log_g)] if steps else []
    for step, after, log_q in zip(steps[-2::-1], steps[:0:-1], outputs[-2::-1], strict=True):
        log_g = _at_inputs(log_g, after)
        if log_g.shape != log_q.shape:
            log_g = np.asarray(_log_mean(log_g))
        if step.activation is not None:
            log_g = log_g + _at_each(pointwise_of(step.activation).log_slope, log_q)
        gradients.append(_log_mean(log_g))
    return gradients[::-1]


def _outputs(log_q0: float, steps: Sequence[Step]) -> list[Array]:
    """The outputs' log second moments, at each position behind a convolution."""
    found: list[Array] = []
    log_input: Array = np.asarray(log_q0, np.float64)
    for step in steps:
        with np.errstate(invalid="ignore"):  # nothing times infinity is nan
            log_product = step.log_forward + _at_outputs(log_input, step)
            log_q: Array = np.logaddexp(log_product, _log(step.bias))
        found.append(log_q)
        log_input = log_q
        if step.activation is not None:
            log_input = _at_each(pointwise_of(step.activation).log_second_moment, log_q)
    return found


def _at_outputs(log_values: Array, step: Step) -> Array:
    """Means over what each output of a step sums, as logarithms."""
    if step.window is None:
        return np.asarray(_log_mean(log_values))
    return _summed(log_values, step.window.size, step.window.sums)


def _at_inputs(log_values: Array, step: Step) -> Array:
    """The gradients at a step's inputs, but for a factor, from those at its outputs."""
    with np.errstate(invalid="ignore"):
        if step.window is None:
            return np.asarray(_log_mean(log_values) + step.log_backward)
        shape = step.window.outputs
        return _summed(log_values, shape, step.window.sums_back) + step.log_backward


def _summed(log_values: Array, shape: tuple[int, ...], sums: Callable[[Array], Array]) -> Array:
    """A linear map with positive coefficients, of logarithms."""
    if log_values.shape != shape:
        log_values = np.full(shape, _log_mean(log_values))
    largest = log_values.max(initial=-math.inf)
    if not math.isfinite(largest):
        return np.full(sums(np.ones(shape)).shape, largest)
    with np.errstate(divide="ignore"):
        logs: Array = np.log(sums(np.exp(log_values - largest))) + largest
    return logs


def _at_each(of: Callable[[float], float], logs: Array) -> Array:
    """A function of a log second moment at each position.

    At many different ones it is interpolated, to about 1e-3: between eighths, which many layers
    share.
    """
    low, high = logs.min(initial=math.inf), logs.max(initial=-math.inf)
    if low == high or high - low < 1e-9:
        return np.full(logs.shape, of(float(low)))
    result = np.full(logs.shape, math.nan)
    for value in (-math.inf, math.inf):
        if (is_value := logs == value).any():
            result[is_value] = of(value)
    if (is_finite := np.isfinite(logs)).any():
        finite = logs[is_finite]
        grid = np.arange(math.floor(8 * finite.min()), math.ceil(8 * finite.max()) + 1) / 8
        result[is_finite] = np.interp(finite, grid, [of(float(log_q)) for log_q in grid])
    return result


def _log_mean(logs: Array) -> float:
    """The logarithm of the mean of what the logarithms are of."""
    largest = float(logs.max(initial=-math.inf))
    if not math.isfinite(largest):
        return largest
    return float(np.log(np.mean(np.exp(logs - largest)))) + largest


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf if value == 0 else math.nan
