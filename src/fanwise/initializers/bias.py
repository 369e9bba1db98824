"""torch's default for the biases of Linear and convolutions."""

import math
from dataclasses import dataclass

from fanwise.distributions import Distribution, Uniform
from fanwise.initializers.base import Initializer
from fanwise.validation import real

__all__ = ["bias_uniform"]


@dataclass(frozen=True, repr=False)
class bias_uniform(Initializer):
    r"""Uniform within one over the square root of the *kernel's* fan_in.

    .. math:: U(-b, b), \quad b = 1 / \sqrt{\text{fan\_in}}, \quad
        \text{std} = 1 / \sqrt{3\,\text{fan\_in}}

    A Flax ``bias_init`` sees only the bias's shape, so the fan_in of the kernel has to be given:
    the input width of a Dense layer, input channels / groups * kernel size of a convolution. For
    torch's transposed convolution it is output channels / groups * kernel size.

    Args:
        fan_in: the kernel's fan_in, as ``fanwise.fans(kernel_shape).fan_in``; 0 gives zeros, as
            in torch.
        layout: ignored.

    Returns:
        An initializer for any shape, in float16, bfloat16, float32, float64, complex64 and
        complex128.

    Raises:
        TypeError: if ``fan_in`` is no real number.
        ValueError: if it is negative or not finite.

    Example:
        >>> bias_uniform(fan_in=400).distribution((120,))
        Uniform(-0.05, 0.05)

    References:
        ``reset_parameters`` of ``torch.nn.Linear`` and of torch's convolutions.
    """

    fan_in: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(fan_in=real("bias_uniform", "fan_in", self.fan_in, minimum=0.0))

    def _distribution(self, shape: tuple[int, ...], layout: str) -> Distribution:
        bound = 1 / math.sqrt(self.fan_in) if self.fan_in > 0 else 0.0
        return Uniform(-bound, bound)
