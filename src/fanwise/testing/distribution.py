"""What the checks ask of a distribution."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["ScalarDistribution"]


class ScalarDistribution(Protocol):
    """The law of one real random variable.

    ``mean`` and ``std`` are moments of the law itself, not parameters of a parent law, such as
    the normal that a truncated normal is cut from. That they fit the cdf is verified.

    The law must be log-concave, or else its support must end within 7.5 std of the mean on
    either side. Uniform, normal, truncated normal and triangular laws are log-concave; so is
    what is left of one when its tails are cut. Log-concavity bounds the tails, which a cdf in
    float64 cannot show: near 1 it has steps of 1.1e-16.
    """

    @property
    def mean(self) -> float:
        """The mean."""
        ...

    @property
    def std(self) -> float:
        """The standard deviation."""
        ...

    @property
    def support(self) -> tuple[float, float]:
        """The smallest interval with every value; its ends may be infinite."""
        ...

    def cdf(self, x: npt.NDArray[np.float64], /) -> npt.NDArray[np.float64]:
        """P(X <= x) in float64, of the shape of ``x``."""
        ...
