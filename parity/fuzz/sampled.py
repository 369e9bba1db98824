"""Many starts of one model, and what they have in common.

Arrays are kept by torch's names with one more axis in front, the number of the start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from parity.fuzz.spec import Spec
from parity.seeding import torch_seeded

__all__ = ["Link", "Sampled", "fixed", "links", "repeats", "starts_of"]

Array = npt.NDArray[Any]
Sampled = Mapping[str, Array]


def starts_of(spec: Spec, count: int, seed: int) -> dict[str, Array]:
    """The state of torch's model after construction, from several seeds of torch's generator."""
    states: list[dict[str, Array]] = []
    with torch_seeded(seed, spec.name):
        for _ in range(count):
            state = spec.torch().state_dict()
            states.append({name: tensor.numpy().copy() for name, tensor in state.items()})
    return {name: np.stack([state[name] for state in states]) for name in states[0]}


def fixed(array: Array) -> Array:
    """Which elements are the same in all starts."""
    return (array == array[:1]).all(0)


def repeats(array: Array) -> Array:
    """How often the most frequent value occurs in each start."""
    return np.array([np.unique(each, return_counts=True)[1].max() for each in array])


@dataclass(frozen=True)
class Link:
    """Two arrays of which one follows from the other, element by element.

    Args:
        one: a name.
        other: another.
        slope: of the first over the second.
    """

    one: str
    other: str
    slope: float


_STRAIGHT = 1 - 1e-6
"""From here on a correlation is that of arrays that follow from one another, but for rounding."""


def links(sampled: Sampled) -> list[Link]:
    """All pairs of arrays of one shape that follow from one another, random elements alone."""
    groups: dict[Any, list[tuple[str, Array]]] = {}
    for name, array in sampled.items():
        random = ~fixed(array)
        if array.dtype.kind == "f" and random.any():
            key = (array.shape, random.tobytes())
            groups.setdefault(key, []).append((name, array[:, random].reshape(-1)))
    found = []
    for group in groups.values():
        if len(group) == 1:
            continue
        values = np.stack([each for _, each in group]).astype(np.float64)
        values -= values.mean(1, keepdims=True)
        scales = np.sqrt((values**2).mean(1))
        straight = values @ values.T / values.shape[1] / np.outer(scales, scales)
        for i, j in zip(*np.nonzero(np.triu(abs(straight) > _STRAIGHT, 1)), strict=True):
            slope = float(np.sign(straight[i, j]) * scales[i] / scales[j])
            found.append(Link(group[i][0], group[j][0], slope))
    return found
