"""One architecture in three frameworks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Family", "images", "tokens"]


@dataclass(frozen=True)
class Family:
    """One architecture in three frameworks, all built with the same keyword arguments.

    Args:
        name: for people.
        torch: builds torch's.
        linen: builds linen's.
        nnx: builds nnx's; it takes ``rngs`` too.
        inputs: random inputs from a numpy generator, images with channels last.
        real: arguments for the published size.
        is_image: whether the inputs are images.
        gives_image: whether the output is one.
        flatten: linear layers that follow a flattened map, with torch's shape of that map, by
            torch's names.
        names: names of torch's and their counterparts where one cannot tell, for linen; several
            counterparts for one that is split.
        nnx_names: the same for nnx.
    """

    name: str
    torch: Callable[..., Any]
    linen: Callable[..., Any]
    nnx: Callable[..., Any]
    inputs: Callable[[np.random.Generator], tuple[np.ndarray, ...]]
    real: Mapping[str, Any] = field(default_factory=dict)
    is_image: bool = False
    gives_image: bool = False
    flatten: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    names: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    nnx_names: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def images(size: int, channels: int = 3) -> Callable[[np.random.Generator], tuple[np.ndarray, ...]]:
    """Two random square images, channels last."""

    def draw(generator: np.random.Generator) -> tuple[np.ndarray, ...]:
        return (generator.normal(size=(2, size, size, channels)).astype(np.float32),)

    return draw


def tokens(
    vocabulary: int, *lengths: int
) -> Callable[[np.random.Generator], tuple[np.ndarray, ...]]:
    """Two random sentences, for each length."""

    def draw(generator: np.random.Generator) -> tuple[np.ndarray, ...]:
        return tuple(
            generator.integers(0, vocabulary, (2, length), dtype=np.int32) for length in lengths
        )

    return draw
