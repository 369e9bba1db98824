"""PyTorch's weight initialization for JAX: exact, and proven against torch.nn.init."""

from fanwise import distributions
from fanwise.distributions import Distribution
from fanwise.gains import calculate_gain, gain_of
from fanwise.initializers import (
    Initializer,
    bias_uniform,
    constant,
    delta_orthogonal,
    dirac,
    eye,
    kaiming_normal,
    kaiming_uniform,
    lecun_normal,
    lecun_uniform,
    normal,
    ones,
    orthogonal,
    sparse,
    trunc_normal,
    uniform,
    variance_scaling,
    xavier_normal,
    xavier_uniform,
    zeros,
)
from fanwise.layouts import Fans, fans

__all__ = [
    "Distribution",
    "Fans",
    "Initializer",
    "bias_uniform",
    "calculate_gain",
    "constant",
    "delta_orthogonal",
    "dirac",
    "distributions",
    "eye",
    "fans",
    "gain_of",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "sparse",
    "trunc_normal",
    "uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]
