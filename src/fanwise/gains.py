"""Gains: the factor by which weights make up for what an activation does to the signal.

:func:`calculate_gain` is torch's table, with torch's defaults and refusals. :func:`gain_of`
computes the gain of any elementwise activation.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from fanwise.expectation import normal_expectation
from fanwise.validation import choice

__all__ = ["NONLINEARITIES", "calculate_gain", "gain_of"]

_CONSTANT_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0),
    # Found empirically by torch's authors: https://github.com/pytorch/pytorch/pull/50664
    "selu": 3.0 / 4,
}
NONLINEARITIES = (*_CONSTANT_GAINS, "leaky_relu")


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    r"""Return the gain that torch recommends for a nonlinearity.

    ================================== ==========================
    nonlinearity                       gain
    ================================== ==========================
    linear, conv{1,2,3}d,              1
    conv_transpose{1,2,3}d, sigmoid
    tanh                               5/3
    relu                               sqrt(2)
    leaky_relu                         sqrt(2 / (1 + param**2))
    selu                               3/4
    ================================== ==========================

    Args:
        nonlinearity: one of the names above.
        param: the negative slope of ``leaky_relu``, 0.01 if None; ignored by the others, as in
            torch.

    Returns:
        The gain, a Python float.

    Raises:
        ValueError: for an unknown nonlinearity, and for a slope that torch refuses: anything but
            a Python int or float (True and False are refused, and so are numpy's float32 and
            integers; numpy's float64 is a float), and one whose square overflows.
        TypeError: if ``nonlinearity`` is not a string.

    Example:
        >>> calculate_gain("leaky_relu", 0.2)
        1.3867504905630728

    References:
        ``torch.nn.init.calculate_gain``. For an activation that is not in the table, and for the
        exact gains of tanh and selu, see :func:`gain_of`.
    """
    if isinstance(nonlinearity, str) and nonlinearity not in NONLINEARITIES:
        raise ValueError(
            f"calculate_gain: nonlinearity must be one of "
            f"{', '.join(map(repr, NONLINEARITIES))}, got {nonlinearity!r}; for any other "
            f"activation use gain_of(function)"
        )
    choice("calculate_gain", "nonlinearity", nonlinearity, NONLINEARITIES)
    if nonlinearity != "leaky_relu":
        return _CONSTANT_GAINS[nonlinearity]
    if param is None:
        slope: float = 0.01
    elif isinstance(param, (int, float)) and not isinstance(param, bool):
        slope = param
    else:
        raise ValueError(
            f"calculate_gain: param, the negative slope of leaky_relu, must be a Python int or "
            f"float or None, got {param!r} of type {type(param).__name__}; pass float(param)"
        )
    try:
        return math.sqrt(2.0 / (1 + slope**2))
    except OverflowError:
        raise ValueError(
            f"calculate_gain: param, the negative slope of leaky_relu, must be small enough to "
            f"be squared, got {param!r}; torch refuses it as well"
        ) from None


def gain_of(fn: Callable[[jax.Array], jax.Array]) -> float:
    r"""Return the gain that keeps the second moment of a signal through any activation.

    .. math:: \text{gain} = 1 / \sqrt{\mathbb{E}[f(z)^2]}, \quad z \sim N(0, 1)

    With weights of standard deviation ``gain / sqrt(fan_in)`` a wide layer fed by ``f`` of
    standard normal pre-activations gives unit second moment again.

    Where torch's table departs from this: ``tanh`` is 5/3 there and 1.5925 here; ``selu`` is 3/4
    there and 1 here (torch chose 3/4 for steadier gradients, and says to use ``linear`` for
    self-normalizing networks); ``sigmoid`` is 1 there and 1.8462 here. ``relu`` and
    ``leaky_relu`` agree.

    Args:
        fn: an elementwise function of a float array of one axis, such as ``jax.nn.gelu``. It is
            evaluated in float64; a function that casts to float32 itself limits the accuracy to
            float32's.

    Returns:
        The gain, a Python float, to about 1e-6 relative or better: by Gauss-Hermite quadrature,
        or, for functions with kinks and jumps, by Clenshaw-Curtis panels that are halved until
        they agree.

    Raises:
        TypeError: if ``fn`` is not callable, changes the shape, or gives complex values.
        ValueError: if the second moment is zero or not finite.

    Example:
        >>> round(gain_of(jax.nn.gelu), 6)
        1.533581
        >>> round(gain_of(jax.nn.relu) / calculate_gain("relu"), 9)
        1.0

    References:
        He et al. (2015), Delving deep into rectifiers, equation 9, for any f.
    """
    if not callable(fn):
        raise TypeError(
            f"gain_of: fn must be an elementwise function, got {fn!r}; for torch's names use "
            f"calculate_gain(name)"
        )

    def square(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        with jax.ensure_compile_time_eval(), jax.enable_x64(True):
            values = np.asarray(fn(jnp.asarray(points)))
        if values.shape != points.shape or not np.issubdtype(values.dtype, np.floating):
            raise TypeError(
                f"gain_of: fn must be elementwise and real: it took float64 of shape "
                f"{points.shape} and gave {values.dtype} of shape {values.shape}"
            )
        with np.errstate(over="ignore"):
            return values.astype(np.float64) ** 2

    moment = normal_expectation(square)
    if not (0 < moment < math.inf):
        raise ValueError(
            f"gain_of: E[f(z)^2] must be positive and finite, got {moment} for {fn!r}; no gain "
            f"makes up for that"
        )
    return 1 / math.sqrt(moment)
