"""What a parameter is drawn from.

Scalar distributions (:class:`Uniform`, :class:`Normal`, :class:`TruncatedNormal`,
:class:`Triangular`, :class:`Constant`) answer ``mean``, ``std``, ``support`` and ``cdf``;
structured ones (:class:`Eye`, :class:`Dirac`, :class:`Orthogonal`, :class:`DeltaOrthogonal`,
:class:`Sparse`) hold the layout that says which axis is which. All of them ``sample``.
"""

from fanwise.distributions.base import Distribution, ScalarDistribution
from fanwise.distributions.constant import Constant
from fanwise.distributions.dirac import Dirac
from fanwise.distributions.eye import Eye
from fanwise.distributions.normal import Normal
from fanwise.distributions.orthogonal import DeltaOrthogonal, Orthogonal
from fanwise.distributions.sparse import Sparse
from fanwise.distributions.structured import StructuredDistribution
from fanwise.distributions.triangular import Triangular
from fanwise.distributions.truncated_normal import TruncatedNormal
from fanwise.distributions.uniform import Uniform

__all__ = [
    "Constant",
    "DeltaOrthogonal",
    "Dirac",
    "Distribution",
    "Eye",
    "Normal",
    "Orthogonal",
    "ScalarDistribution",
    "Sparse",
    "StructuredDistribution",
    "Triangular",
    "TruncatedNormal",
    "Uniform",
]
