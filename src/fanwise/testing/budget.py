"""Sharing one false-alarm rate among many assertions."""

import operator
from dataclasses import dataclass

from fanwise.testing.check import check_rate

__all__ = ["Budget"]


@dataclass(frozen=True)
class Budget:
    """A false-alarm rate for a whole suite, shared equally among its assertions.

    By the union bound the suite fails on correct code with a probability of at most ``total``,
    however the assertions depend on one another. Costs are small: thresholds grow with the
    square root of the logarithm of the number of assertions.

    Args:
        total: false-alarm rate of the suite.
        assertions: number of assertions, or an upper bound of it.

    Raises:
        TypeError: if ``assertions`` is no integer.
        ValueError: if ``total`` is no rate, or there is not at least one assertion.

    Example:
        >>> Budget(total=1e-6, assertions=4).each
        2.5e-07
    """

    total: float = 1e-6
    assertions: int = 1

    def __post_init__(self) -> None:
        check_rate("Budget: total", self.total)
        if operator.index(self.assertions) < 1:
            raise ValueError(
                f"Budget: assertions must be at least 1, got {self.assertions!r}; count the "
                f"assertions of the suite first"
            )
        check_rate("Budget: total / assertions", self.each)

    @property
    def each(self) -> float:
        """False-alarm rate of one assertion."""
        return self.total / self.assertions
