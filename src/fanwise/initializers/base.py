"""What every initializer is: a frozen dataclass, callable as JAX's initializer protocol.

The class is the factory: ``kaiming_normal(mode="fan_out")`` makes an instance, and the instance
is what ``kernel_init=`` takes. Two that are built alike are equal and hash alike, so a Flax
module that holds one is never traced again for it.
"""

import abc
import dataclasses
import warnings
from typing import Any, Self

import jax

from fanwise.distributions.base import Distribution
from fanwise.keys import is_key
from fanwise.layouts import FLAX, check_layout
from fanwise.typing import DTypeLike, Key, OutSharding, Shape, canonical_shape

__all__ = ["Initializer", "warn_if_empty"]


@dataclasses.dataclass(frozen=True, repr=False)
class Initializer(abc.ABC):
    """From a shape to a Distribution, and from a key to an array.

    Args:
        layout: the roles of the parameter's axes, Flax's ``...IO`` by default; torch's weights
            are ``OI...``. Every initializer takes it; those that need no fans and no matrix
            ignore it.
    """

    layout: str = dataclasses.field(default=FLAX, kw_only=True)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse to be called as if it were an instance."""
        if any(is_key(value) for value in (*args, *kwargs.values())):
            name = cls.__name__
            raise TypeError(
                f"{name} is a factory and was called like an initializer, with a key: write "
                f"{name}({_required_arguments(cls)}), with parentheses, where an initializer "
                f"belongs, as in kernel_init=fanwise.{name}({_required_arguments(cls)})"
            )
        return super().__new__(cls)

    def __post_init__(self) -> None:
        check_layout(self.layout)

    def distribution(self, shape: Shape, layout: str | None = None) -> Distribution:
        """Return what a parameter of this shape is drawn from.

        Args:
            shape: the parameter's shape.
            layout: the roles of its axes; None is the initializer's own layout.

        Raises:
            TypeError: if ``shape`` is no sequence of integers.
            ValueError: if the shape does not fit the layout, or has too few axes.
        """
        if layout is not None:
            check_layout(layout)
        return self._distribution(canonical_shape(shape), self.layout if layout is None else layout)

    @abc.abstractmethod
    def _distribution(self, shape: tuple[int, ...], layout: str) -> Distribution:
        """The distribution, both arguments being checked."""

    def __call__(
        self,
        key: Key,
        shape: Shape,
        dtype: DTypeLike | None = None,
        out_sharding: OutSharding = None,
    ) -> jax.Array:
        """Draw a parameter: ``distribution(shape).sample(key, shape, dtype, out_sharding)``.

        See :meth:`fanwise.distributions.Distribution.sample`.
        """
        # Not by way of distribution(): warnings count the frames between them and the caller.
        drawn_from = self._distribution(canonical_shape(shape), self.layout)
        return drawn_from.sample(key, shape, dtype, out_sharding)

    def __repr__(self) -> str:
        shown = (
            f"{field.name}={value!r}"
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) != field.default
        )
        # Keyword-only fields come first in a dataclass that inherits them; a call reads better
        # with the layout last.
        ordered = sorted(shown, key=lambda text: text.startswith("layout="))
        return f"{type(self).__name__}({', '.join(ordered)})"

    def _set(self, **fields: Any) -> None:
        """Store normalized values, at construction only."""
        for name, value in fields.items():
            object.__setattr__(self, name, value)


def warn_if_empty(shape: tuple[int, ...]) -> bool:
    """Whether the shape has no elements; if so, warn in torch's words, as torch does."""
    if 0 not in shape:
        return False
    warnings.warn("Initializing zero-element tensors is a no-op", UserWarning, stacklevel=5)
    return True


def _required_arguments(cls: type[Initializer]) -> str:
    missing = dataclasses.MISSING
    return ", ".join(
        f"{field.name}=..."
        for field in dataclasses.fields(cls)
        if field.init and field.default is missing and field.default_factory is missing
    )
