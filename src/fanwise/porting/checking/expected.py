"""torch's side of a check: what a recipe says of each region of a Flax array."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from fanwise.distributions import Constant, Distribution, ScalarDistribution
from fanwise.frameworks.answers import sum_of
from fanwise.porting.checking.laws import brief
from fanwise.porting.checking.parts import Part
from fanwise.porting.convert import hub_array
from fanwise.porting.correspondence import Pair
from fanwise.recording import Recipe
from fanwise.typing import Key

__all__ = ["Expected"]

Array = npt.NDArray[Any]

# Draws of what has no law of its own: enough to tell what is fixed from what is random.
_KEYS = 8


@dataclass
class Expected:
    """A recipe, and draws of it for what is no independent draw.

    Args:
        recipe: what torch's constructor asks for.
        key: from which draws are made.
    """

    recipe: Recipe
    key: Key
    _draws: dict[str, Array] = field(default_factory=dict)

    def value(self, tensor: str) -> Any:
        """What a tensor holds: a Distribution or an Expression."""
        return self.recipe.tensors[self.first(tensor)].value

    def first(self, tensor: str) -> str:
        """The first name of a tensor that has several."""
        return self.recipe.ties.get(tensor, tensor)

    def law(self, part: Part) -> Distribution | None:
        """The law of one element of a region, where all elements have the same."""
        laws = [_marginal(self.value(tensor)) for tensor in part.tensors]
        known = [law for law in laws if isinstance(law, ScalarDistribution | Constant)]
        return sum_of(known) if len(known) == len(laws) else None

    def is_independent(self, tensors: Sequence[str]) -> bool:
        """Whether the elements are independent draws, of each other and of all other tensors."""
        return all(
            isinstance(self.value(tensor), ScalarDistribution | Constant) for tensor in tensors
        )

    def text(self, part: Part) -> str:
        """What torch asks for, for a table."""
        law = self.law(part)
        if law is not None:
            return brief(law) + ("" if self.is_independent(part.tensors) else ", shared")
        return " + ".join(str(self.value(tensor)) for tensor in part.tensors)

    def draws(self, tensor: str) -> Array:
        """Several draws of a tensor, of shape (keys, ...); equal where tensors share draws."""
        name = self.first(tensor)
        if name not in self._draws:
            keys = [jax.random.fold_in(self.key, index) for index in range(_KEYS)]
            self._draws[name] = np.stack([np.asarray(self.recipe.draw(name, k)) for k in keys])
        return self._draws[name]

    def hub(self, pair: Pair, parameters: Sequence[str]) -> list[dict[str, Array]]:
        """Parameters of a layer, a dictionary for each key."""
        own = {leaf.path: self.draws(str(leaf.path)) for leaf in _leaves(pair, parameters)}
        return [
            {
                name: hub_array(pair.torch, name, {path: each[key] for path, each in own.items()})
                for name in parameters
            }
            for key in range(_KEYS)
        ]

    def of_part(self, part: Part) -> Array:
        """Draws of a region, as :meth:`Part.from_flax` arranges it."""
        made = self.hub(part.pair, part.parameters)
        return np.stack([part.from_hub(arrays) for arrays in made])


def _leaves(pair: Pair, parameters: Sequence[str]) -> list[Any]:
    return [leaf for leaf in pair.torch.leaves if any(p.name in parameters for p in leaf.pieces)]


def _marginal(value: Any) -> Distribution | None:
    if isinstance(value, Distribution):
        return value
    marginal: Distribution | None = getattr(value, "marginal", None)
    return marginal
