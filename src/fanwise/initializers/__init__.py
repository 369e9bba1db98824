"""torch.nn.init's functions as factories of JAX initializers, and a few that torch lacks."""

from fanwise.initializers.base import Initializer
from fanwise.initializers.bias import bias_uniform
from fanwise.initializers.constants import constant, ones, zeros
from fanwise.initializers.kaiming import kaiming_normal, kaiming_uniform
from fanwise.initializers.scalar import normal, trunc_normal, uniform
from fanwise.initializers.structured import delta_orthogonal, dirac, eye, orthogonal, sparse
from fanwise.initializers.variance_scaling import lecun_normal, lecun_uniform, variance_scaling
from fanwise.initializers.xavier import xavier_normal, xavier_uniform

__all__ = [
    "Initializer",
    "bias_uniform",
    "constant",
    "delta_orthogonal",
    "dirac",
    "eye",
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
