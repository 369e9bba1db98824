"""Nodes that see each position by itself: Linear, Embedding, normalizations, PReLU."""

from dataclasses import dataclass
from typing import Any

from flax import linen, nnx
from torch import nn
from torch.nn.utils import parametrizations

from parity.fuzz.node import Node, Paths

__all__ = ["Embedding", "Linear", "Norm", "PReLU", "Unembedding"]

EPSILON = 1e-5
"""torch's; Flax has another, which a port has to state."""


@dataclass(frozen=True)
class Linear(Node):
    """A Linear.

    Args:
        inputs: in torch's words ``in_features``.
        outputs: ``out_features``.
        bias: whether there is one.
        is_normed: whether its weight is under ``weight_norm``.
        image: (C, *space) where it is behind a flattened image of more than one position.
    """

    inputs: int
    outputs: int
    bias: bool = True
    is_normed: bool = False
    image: tuple[int, ...] = ()

    def torch(self) -> nn.Module:
        layer = nn.Linear(self.inputs, self.outputs, self.bias)
        return parametrizations.weight_norm(layer) if self.is_normed else layer

    def linen(self, name: str | None, is_setup: bool) -> linen.Module:
        layer = linen.Dense(self.outputs, use_bias=self.bias, name=name)
        return linen.WeightNorm(layer) if self.is_normed else layer

    def nnx(self, rngs: nnx.Rngs) -> nnx.Module:
        return nnx.Linear(self.inputs, self.outputs, use_bias=self.bias, rngs=rngs)

    @property
    def numbered(self) -> str:
        return "Dense"

    def paths(self, framework: str, is_setup: bool) -> Paths:
        return (("", "layer_instance" if self.is_normed and is_setup else ""),)


@dataclass(frozen=True)
class Embedding(Node):
    """An Embedding.

    Args:
        count: of words.
        width: of each.
        padding: ``padding_idx``.
    """

    count: int
    width: int
    padding: int | None = None

    def torch(self) -> nn.Module:
        return nn.Embedding(self.count, self.width, self.padding)

    def linen(self, name: str | None, is_setup: bool) -> linen.Module:
        return linen.Embed(self.count, self.width, name=name)

    def nnx(self, rngs: nnx.Rngs) -> nnx.Module:
        return nnx.Embed(self.count, self.width, rngs=rngs)

    @property
    def numbered(self) -> str:
        return "Embed"


@dataclass(frozen=True)
class Unembedding(Node):
    """A Linear without bias whose weight is that of an Embedding.

    Args:
        source: torch's name of the Embedding, in the same class.
        count: of words.
        width: of each.
        attends: whether Flax's twin uses the Embedding itself, and has no layer here.
    """

    source: str
    count: int
    width: int
    attends: bool

    def torch(self) -> nn.Module:
        return nn.Linear(self.width, self.count, bias=False)

    def linen(self, name: str | None, is_setup: bool) -> linen.Module:
        return linen.Dense(self.count, use_bias=False, name=name)

    def nnx(self, rngs: nnx.Rngs) -> nnx.Module:
        return nnx.Linear(self.width, self.count, use_bias=False, rngs=rngs)

    def run(self, module: Any, x: Any, is_torch: bool) -> Any:
        return module.attend(x) if self.attends and not is_torch else module(x)

    @property
    def numbered(self) -> str:
        return "Dense"


@dataclass(frozen=True)
class Norm(Node):
    """A normalization.

    Args:
        kind: torch's class.
        width: of what is normalized, or the channels.
        groups: of GroupNorm.
        bias: of LayerNorm, whether there is one.
    """

    kind: str
    width: int
    groups: int = 1
    bias: bool = True

    def torch(self) -> nn.Module:
        if self.kind == "GroupNorm":
            return nn.GroupNorm(self.groups, self.width)
        if self.kind == "RMSNorm":
            return nn.RMSNorm(self.width, eps=EPSILON)
        given: dict[str, Any] = {"bias": self.bias} if self.kind == "LayerNorm" else {}
        if self.kind.startswith("InstanceNorm"):
            given = {"affine": True}
        return getattr(nn, self.kind)(self.width, **given)

    def linen(self, name: str | None, is_setup: bool) -> linen.Module:
        return getattr(linen, self.numbered)(**self._given, name=name)

    def nnx(self, rngs: nnx.Rngs) -> nnx.Module:
        return getattr(nnx, self.numbered)(self.width, **self._given, rngs=rngs)

    @property
    def _given(self) -> dict[str, Any]:
        # Flax's own variance, E[x^2] - E[x]^2, loses digits that torch's keeps.
        given: dict[str, Any] = {"epsilon": EPSILON, "use_fast_variance": False}
        if self.kind == "GroupNorm":
            given["num_groups"] = self.groups
        if self.kind == "LayerNorm":
            given["use_bias"] = self.bias
        if self.kind.startswith("BatchNorm"):
            given["use_running_average"] = True
        return given

    @property
    def numbered(self) -> str:
        return self.kind[:-2] if self.kind.endswith("d") else self.kind


@dataclass(frozen=True)
class PReLU(Node):
    """A PReLU of one slope."""

    def torch(self) -> nn.Module:
        return nn.PReLU()

    def linen(self, name: str | None, is_setup: bool) -> linen.Module:
        return linen.PReLU(name=name)

    def nnx(self, rngs: nnx.Rngs) -> nnx.Module:
        return nnx.PReLU()

    @property
    def numbered(self) -> str:
        return "PReLU"
