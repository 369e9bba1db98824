"""A random model with its twin: made from a seed, the same in every process."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from fanwise.frameworks import linen, nnx
from fanwise.layers import Layer
from parity.fuzz import linen_twin, nnx_twin
from parity.fuzz.choice import toss
from parity.fuzz.flat import Linear
from parity.fuzz.group import Group
from parity.fuzz.initialization import initialized
from parity.fuzz.models import FAMILIES, Input
from parity.fuzz.naming import named
from parity.fuzz.node import Node
from parity.seeding import numpy_generator

__all__ = ["Spec", "random_spec"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Spec:
    """A torch model and its twin.

    Args:
        name: of the kind of model, and its number.
        root: the model, with both sides' names and torch's own initialization.
        inputs: what both are run on.
        framework: the twin's, linen or nnx.
    """

    name: str
    root: Group
    inputs: Input
    framework: str

    def torch(self) -> nn.Module:
        """torch's constructor."""
        return self.root.torch().eval()

    def layers(self) -> list[Layer]:
        """The twin's layers."""
        if self.framework == "linen":
            return linen.layers(linen_twin.build(self.root), self._abstract)
        return nnx.layers(self.root.nnx)

    @property
    def _abstract(self) -> jax.ShapeDtypeStruct:
        dtype = jnp.int32 if self.inputs.words else jnp.float32
        return jax.ShapeDtypeStruct(self.inputs.shape, dtype)

    def x(self, rng: np.random.Generator) -> Array:
        """An input, as Flax has it."""
        if self.inputs.words:
            return rng.integers(0, self.inputs.words, self.inputs.shape, np.int32)
        return rng.normal(size=self.inputs.shape).astype(np.float32)

    def run_torch(self, model: nn.Module, x: Array) -> Array:
        """torch's outputs, with channels last."""
        given = torch.from_numpy(x)
        with torch.no_grad():
            if self.inputs.is_image:
                given = torch.movedim(given, -1, 1)
            y = model(given)
            if self.inputs.is_image and y.dim() == given.dim():
                y = torch.movedim(y, 1, -1)
        return y.numpy()

    def run_twin(self, variables: Any, x: Array) -> Array:
        """The twin's outputs."""
        given = jnp.asarray(x)
        if self.framework == "linen":
            return np.asarray(linen_twin.build(self.root).apply(variables, given))
        model: Any = nnx_twin.filled(self.root, variables)
        return np.asarray(model(given))


def random_spec(number: int, seed: int = 0) -> Spec:
    """The random model of that number.

    Args:
        number: which; each has a generator of its own.
        seed: of the suite.
    """
    rng = numpy_generator(seed, f"fuzz {number}")
    families, chances = zip(*FAMILIES, strict=True)
    family = families[int(rng.choice(len(families), p=chances))]
    root, inputs = family(rng)
    framework = "nnx" if toss(rng, 0.3) and not _has_normed(root) else "linen"
    with torch.random.fork_rng(devices=[]):  # the model is built, to see what it has
        root = initialized(rng, named(rng, root, framework))
    return Spec(f"{family.__name__} {number}", root, inputs, framework)


def _has_normed(node: Node) -> bool:
    """Whether there is a weight_norm, whose scale is no Variable in nnx."""
    if isinstance(node, Group):
        return any(_has_normed(part.node) for part in node.parts)
    return isinstance(node, Linear) and node.is_normed
