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
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fanwise.signal.pointwise import Activation, Pointwise

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
        name: for messages and tables.
    """

    fan_in: float
    fan_out: float
    weight: float
    bias: float = 0.0
    activation: Activation | None = None
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
    known: dict[int, Pointwise] = {}
    moments: list[float] = []
    log_input = log_q0
    for step in steps:
        log_q = _log_sum(step.log_forward + log_input, _log(step.bias))
        moments.append(log_q)
        log_input = log_q
        if step.activation is not None:
            log_input = _pointwise(step.activation, known).log_second_moment(log_q)
    return moments


def backward(
    log_outputs: Sequence[float], steps: Sequence[Step], log_gradient_of_last: float
) -> list[float]:
    """The logarithm of the second moment of the gradient at each layer's output.

    Args:
        log_outputs: of the outputs, as :func:`forward` gives them or as they were measured.
        steps: the layers, in order.
        log_gradient_of_last: that of the gradient at the last layer's output, behind which its
            activation is not looked at; 0 for a standard-normal cotangent.

    Returns:
        One for each step, before its activation.

    Raises:
        ValueError: if there are not as many outputs as steps.

    Example:
        >>> import jax
        >>> wide = Step(fan_in=256, fan_out=1024, weight=2 / 1024, activation=jax.nn.relu)
        >>> narrow = Step(fan_in=1024, fan_out=256, weight=2 / 256)
        >>> outputs = forward(0.0, [wide, narrow])
        >>> [round(math.exp(log_g), 9) for log_g in backward(outputs, [wide, narrow], 0.0)]
        [1.0, 1.0]

    References:
        Schoenholz et al. (2017), Deep information propagation, section 5.
    """
    if len(log_outputs) != len(steps):
        raise ValueError(
            f"log_outputs must have one entry for each of the {len(steps)} steps, got "
            f"{len(log_outputs)}"
        )
    known: dict[int, Pointwise] = {}
    gradients = [log_gradient_of_last] * len(steps)
    for index in reversed(range(len(steps) - 1)):
        log_g = gradients[index + 1] + steps[index + 1].log_backward
        activation = steps[index].activation
        if activation is not None:
            log_g += _pointwise(activation, known).log_slope(log_outputs[index])
        gradients[index] = log_g
    return gradients


def _pointwise(activation: Activation, known: dict[int, Pointwise]) -> Pointwise:
    """One for each function: what it has evaluated is not evaluated again."""
    return known.setdefault(id(activation), Pointwise(activation))


def _log_sum(one: float, other: float) -> float:
    """log(exp(one) + exp(other))."""
    if math.isnan(one) or math.isnan(other):
        return math.nan
    low, high = sorted((one, other))
    return high if math.isinf(low) or math.isinf(high) else high + math.log1p(math.exp(low - high))


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf if value == 0 else math.nan
