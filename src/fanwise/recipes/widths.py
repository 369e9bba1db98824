"""How a parameter grew from a base model's: by its input, by its output, by both."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fanwise.layers import Layer, family

__all__ = ["FIXED", "HIDDEN", "OUTPUT", "VECTOR", "Bases", "Growth"]

HIDDEN = "hidden"
"""Input and output grew."""
OUTPUT = "output"
"""The input grew, the output did not."""
VECTOR = "vector"
"""One axis grew, and it is not an input: input weights, biases, norms."""
FIXED = "fixed"
"""Nothing grew."""

_TABLES = ("Embedding", "EmbeddingBag")


@dataclass(frozen=True)
class Growth:
    """What became of one parameter.

    Args:
        role: ``HIDDEN``, ``OUTPUT``, ``VECTOR`` or ``FIXED``.
        fan_in: the factor by which the input grew; 1 if it did not.
        other: the factor by which the other axis grew; 1 if none did.
    """

    role: str
    fan_in: float = 1.0
    other: float = 1.0


class Bases:
    """The layers of the base model, by path.

    Args:
        owner: the function that was given them, for messages.
        layers: a model's layers.

    Raises:
        TypeError: if they are not Layers.
    """

    def __init__(self, owner: str, layers: Iterable[Layer]) -> None:
        self._owner = owner
        # What is iterable and no Layer, as a module in place of its layers, is told below.
        given: list[Any] = list(layers) if isinstance(layers, Iterable) else [layers]
        for layer in given:
            if not isinstance(layer, Layer):
                raise TypeError(
                    f"{owner}: base must be the layers of the base model, got {layer!r} of type "
                    f"{type(layer).__name__}; pass fanwise.linen.layers(model, *inputs) or the "
                    f"like"
                )
        self._by_path: dict[str, Layer] = {layer.path: layer for layer in given}

    def of(self, layer: Layer) -> Layer:
        """The base model's layer at the same path.

        Raises:
            ValueError: if there is none, or one of another kind, or with other parameters.
        """
        base = self._by_path.get(layer.path)
        if base is None:
            raise ValueError(
                f"{self._owner}: the base model has no layer {layer.path!r}; it must be the same "
                f"model, of the same depth and with the same names, and only be narrower. It has "
                f"{', '.join(self._by_path) or 'none'}"
            )
        if base.kind != layer.kind or set(base.shapes) != set(layer.shapes):
            raise ValueError(
                f"{self._owner}: {layer.path!r} is {layer} in the model and {base} in the base "
                f"model; both must be of one kind and have the same parameters"
            )
        return base

    def growth(self, layer: Layer, name: str) -> Growth:
        """How a parameter grew.

        Raises:
            ValueError: if the layer is not in the base model, or more than two axes grew, or two
                of which nobody knows which one is the input.
        """
        shape, base = layer.shapes[name], self.of(layer).shapes[name]
        where = f"{self._owner}: {name} of {layer.path!r}, {shape} to {base} in the base model,"
        if len(shape) != len(base):
            raise ValueError(f"{where} must have as many axes in both")
        factors = {
            axis: size / own
            for axis, (size, own) in enumerate(zip(shape, base, strict=True))
            if size != own
        }
        inputs = _input_axis(layer.kind, name, len(shape))
        if len(factors) > 2:
            raise ValueError(f"{where} grew along {len(factors)} axes; two at most have a meaning")
        if len(factors) == 2 and inputs not in factors:
            raise ValueError(
                f"{where} grew along two axes, and which of them is its input is not known; have "
                f"the rule leave it alone, and give it an initializer of its own"
            )
        if inputs in factors:
            fan_in = factors.pop(inputs)
            if not factors:
                return Growth(OUTPUT, fan_in)
            return Growth(HIDDEN, fan_in, *factors.values())
        return Growth(VECTOR, 1.0, *factors.values()) if factors else Growth(FIXED)


def _input_axis(kind: str | None, name: str, rank: int) -> int | None:
    """The axis that a parameter takes its input by; None if it has none, or nobody knows."""
    if kind is None or rank < 2 or family(kind).endswith("Norm") or name.endswith("original0"):
        return None
    if kind in _TABLES or "ConvTranspose" in kind:
        return 0
    return 1
