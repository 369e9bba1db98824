"""The arguments of a model's call: the arrays among them, which are traced, and all else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

__all__ = ["Arguments"]

_ARRAYS = (jax.Array, np.ndarray, jax.ShapeDtypeStruct)


@dataclass(frozen=True)
class Arguments:
    """Positional and keyword arguments, taken apart.

    Args:
        leaves: everything in them.
        structure: how they are put together.
    """

    leaves: Sequence[Any]
    structure: Any

    @classmethod
    def of(cls, args: Sequence[Any], kwargs: Mapping[str, Any]) -> "Arguments":
        """Take arguments apart."""
        leaves, structure = jax.tree.flatten((tuple(args), dict(kwargs)))
        return cls(leaves, structure)

    @property
    def arrays(self) -> list[Any]:
        """The arrays among them, abstract ones too, in order."""
        return [leaf for leaf in self.leaves if isinstance(leaf, _ARRAYS)]

    def filled(self, arrays: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with other arrays, as many as there are."""
        given = iter(arrays)
        leaves = [next(given) if isinstance(leaf, _ARRAYS) else leaf for leaf in self.leaves]
        args, kwargs = jax.tree.unflatten(self.structure, leaves)
        return args, kwargs
