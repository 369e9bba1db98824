"""What every parameter and buffer of a model holds after construction."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from fanwise.distributions import Distribution
from fanwise.keys import path_keys
from fanwise.layers import Layer
from fanwise.recording.evaluate import evaluate
from fanwise.recording.expression import Draw, Expression, numpy_dtype
from fanwise.typing import DType, DTypeLike, Key, canonical_dtype

__all__ = ["Recipe", "Recorded"]


@dataclass(frozen=True)
class Recorded:
    """One parameter or buffer.

    Args:
        shape: torch's.
        dtype: its name, ``"float32"``.
        value: a Distribution where the array is drawn independently of all others, else an
            Expression.
        is_buffer: whether it is a buffer.
        is_persistent: whether ``state_dict()`` has it.
    """

    shape: tuple[int, ...]
    dtype: str
    value: Distribution | Expression
    is_buffer: bool = False
    is_persistent: bool = True

    @property
    def law(self) -> Distribution | None:
        """The law of an element, shared with others or not; None if there is no one law."""
        return self.value.marginal if isinstance(self.value, Expression) else self.value


@dataclass(frozen=True)
class Recipe:
    """What a torch constructor asked for.

    Args:
        tensors: by torch's names in torch's order, each once, under its first name.
        layers: torch's.
        ties: names of tensors that are another one, by its first name.
        notes: what a reader should know of how it was recorded.

    Example:
        >>> from fanwise.distributions import Normal
        >>> recipe = Recipe({"weight": Recorded((2, 3), "float32", Normal(0, 0.02))})
        >>> recipe.draw("weight", jax.random.key(0)).shape
        (2, 3)
    """

    tensors: Mapping[str, Recorded]
    layers: tuple[Layer, ...] = ()
    ties: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def distributions(self) -> dict[str, Distribution | Expression]:
        """What each tensor holds, by all its names."""
        own = {name: each.value for name, each in self.tensors.items()}
        return own | {name: own[first] for name, first in self.ties.items()}

    def draw(self, name: str, key: Key, dtype: DTypeLike | None = None) -> jax.Array:
        """Draw one tensor, in torch's shape.

        Every random draw has a key folded from ``key`` and its name, so that tensors that share
        one share its values, and no tensor depends on which others are drawn, or when.

        Args:
            name: of a parameter or buffer, by any of its names.
            key: the model's key.
            dtype: of the result, drawn in float32 at least and rounded once. None is torch's, in
                JAX's 32-bit integers if 64 bits are off; ask for ``"float32"`` where torch's is
                float64 and 64 bits are off.

        Raises:
            KeyError: if there is no such tensor.
            TypeError: if ``key`` is no key, or the dtype does not suit the value.
        """
        recorded = self[name]
        first = self.ties.get(name, name)
        resolved = _resolved(recorded.dtype) if dtype is None else canonical_dtype(dtype)
        value = recorded.value
        if not isinstance(value, Expression):
            (own,) = path_keys(key, [first])
            return value.sample(own, recorded.shape, resolved)
        keys = path_keys(key, [each.name for each in value.draws])
        numbers = {each.name: str(number) for number, each in enumerate(value.draws)}
        array: jax.Array = _drawn(value.renamed(numbers), (*keys, key), resolved)
        return array

    def __getitem__(self, name: str) -> Recorded:
        """What is recorded of a tensor, by any of its names."""
        found = self.tensors.get(self.ties.get(name, name))
        if found is None:
            near = get_close_matches(name, [*self.tensors, *self.ties], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise KeyError(f"name must be a parameter or buffer of the model, got {name!r}{hint}")
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a JSON file, which :meth:`load` reads without torch."""
        from fanwise.recording.file import save  # it is written in terms of recipes

        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Recipe":
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: if the file is no recipe, or one of a later version.
        """
        from fanwise.recording.file import load  # as above

        return load(path)

    def __str__(self) -> str:
        names = {name: name for name in self.tensors} | dict(self.ties)
        width = max((len(name) for name in names), default=0)
        lines = []
        for name, first in names.items():
            each = self.tensors[first]
            shown = str(each.value) if name == first else f"is {first}"
            lines.append(f"{name:{width}}  {each.shape!s:16}  {shown}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


# One program for all expressions that differ in names only, such as the layers of a model: eagerly
# as well, where operations one by one would take more memory, and round sums otherwise.
@partial(jax.jit, static_argnames=("value", "dtype"))
def _drawn(value: Expression, keys: tuple[Key, ...], dtype: DType) -> jax.Array:
    def drawn(node: Draw, dtype: DType) -> jax.Array:
        # What is not random takes any key.
        own = keys[int(node.name)] if node.is_random else keys[-1]
        return node.distribution.sample(own, node.shape, dtype)

    array: jax.Array = evaluate(value, drawn, dtype)
    return array


def _resolved(name: str) -> DType:
    dtype = numpy_dtype(name)
    if dtype.kind in "iub":
        # JAX has no 64-bit integers unless asked: nobody chose them for a counter or a mask.
        return np.dtype(jax.dtypes.canonicalize_dtype(dtype))
    return canonical_dtype(jnp.dtype(dtype))
