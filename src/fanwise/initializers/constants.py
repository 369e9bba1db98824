"""Initializers that fill with one value: constant, ones, zeros.

They are factories like all the others: ``zeros()``, not ``zeros``.
"""

from dataclasses import dataclass

from fanwise.distributions import Constant, Distribution
from fanwise.initializers.base import Initializer

__all__ = ["constant", "ones", "zeros"]


@dataclass(frozen=True, repr=False)
class constant(Initializer):
    """Every element is ``val``.

    Args:
        val: a real or complex number.
        layout: ignored.

    Returns:
        An initializer for any shape and any numeric or boolean dtype that holds ``val``; for
        integers exactly, as nothing is rounded in silence.

    Raises:
        TypeError: if ``val`` is no number; on sampling, if it is complex and the dtype is not.
        ValueError: on sampling, if the dtype does not hold ``val``.

    Example:
        >>> import jax
        >>> constant(0.3)(jax.random.key(0), (2,))
        Array([0.3, 0.3], dtype=float32)

    References:
        ``torch.nn.init.constant_``.
    """

    val: float | complex

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(val=Constant(self.val).value)

    def _distribution(self, shape: tuple[int, ...], layout: str) -> Distribution:
        return Constant(self.val)


@dataclass(frozen=True, repr=False)
class ones(Initializer):
    """Every element is 1.

    Args:
        layout: ignored.

    Returns:
        An initializer for any shape and any numeric or boolean dtype.

    Example:
        >>> import jax
        >>> ones()(jax.random.key(0), (2,))
        Array([1., 1.], dtype=float32)

    References:
        ``torch.nn.init.ones_``.
    """

    def _distribution(self, shape: tuple[int, ...], layout: str) -> Distribution:
        return Constant(1.0)


@dataclass(frozen=True, repr=False)
class zeros(Initializer):
    """Every element is 0.

    Args:
        layout: ignored.

    Returns:
        An initializer for any shape and any numeric or boolean dtype.

    Example:
        >>> import jax
        >>> zeros()(jax.random.key(0), (2,))
        Array([0., 0.], dtype=float32)

    References:
        ``torch.nn.init.zeros_``.
    """

    def _distribution(self, shape: tuple[int, ...], layout: str) -> Distribution:
        return Constant(0.0)
