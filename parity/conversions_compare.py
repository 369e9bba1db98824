"""One layer in torch and in another framework: the same start, and the same outputs.

The framework's layer must be found as one Layer of the right kind, every array in it; its arrays
must start as torch's parameters do; and filled with the parameters of a real torch layer, moved
by the Layer's own description, it must compute what torch computes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fanwise.layers import Layer
from fanwise.rules import Rule, torch_default
from parity.conversions_convert import Array, arrays_of
from parity.conversions_pair import Pair
from parity.kinds_recorded import record
from parity.layer_laws import law_mismatches
from parity.seeding import numpy_generator

__all__ = ["TOLERANCE", "Compared", "Framework", "compare"]

TOLERANCE = 1e-5
"""Largest difference of outputs, as a share of the largest output if that is over 1."""


@dataclass(frozen=True)
class Framework:
    """A framework's side of a pair.

    Args:
        name: linen or nnx.
        layers: finds the layers, given the pair and inputs.
        run: outputs for arrays by path and inputs.
        own: many draws of each array by the framework's own init, by path.
    """

    name: str
    layers: Callable[[Pair, Sequence[Array]], list[Layer]]
    run: Callable[[Pair, Any, Sequence[Array]], Array]
    own: Callable[[Pair, Sequence[Array]], dict[Any, Array]]

    def has(self, pair: Pair) -> bool:
        """Whether the framework has such a layer."""
        return getattr(pair, self.name) is not None


@dataclass(frozen=True)
class Compared:
    """What came of one pair.

    Args:
        lines: one for everything that is wrong.
        off: the largest difference of outputs, see ``TOLERANCE``; infinite if there are none.
        layer: the framework's.
    """

    lines: tuple[str, ...]
    off: float
    layer: Layer | None


def compare(
    pair: Pair,
    framework: Framework,
    seed: int,
    rule: Rule = torch_default,
    spoil: Callable[[Layer], Layer] = lambda layer: layer,
) -> Compared:
    """Compare one pair.

    Args:
        pair: the layer on both sides.
        framework: one of them.
        seed: of the suite.
        rule: for the framework's layer.
        spoil: plants an error in what is known of it.
    """
    generator = numpy_generator(seed, f"{framework.name} {pair}")
    inputs = pair.arrays(generator)
    found = framework.layers(pair, inputs)
    if [layer.kind for layer in found] != [pair.kind]:
        return Compared((f"{pair}: found as {', '.join(map(str, found))}",), np.inf, None)
    layer = spoil(found[0])
    theirs = record(pair.torch, seed)
    lines = law_mismatches(layer, theirs, rule)
    module = _moved(theirs.module, layer, generator)
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    values = {name: tensor.detach().numpy().copy() for name, tensor in state.items()}
    off = np.inf
    try:
        arrays = arrays_of([layer], {layer.path: values})
        with torch.no_grad():
            expected = pair.call(module, *map(torch.from_numpy, inputs)).numpy()
        ours = framework.run(pair, arrays, inputs)
        if ours.shape == expected.shape:
            off = float(np.abs(ours - expected).max() / max(1.0, np.abs(expected).max()))
        else:
            lines.append(f"an output of {expected.shape} in torch, {ours.shape} here")
    except (ValueError, TypeError) as error:
        lines.append(f"cannot be converted: {error}")
    if not off <= TOLERANCE:
        lines.append(f"outputs off by {off:.3g}")
    return Compared(tuple(f"{pair}: {line}" for line in lines), off, layer)


def _moved(
    module: torch.nn.Module, layer: Layer, generator: np.random.Generator
) -> torch.nn.Module:
    """Every value off its default, so that no zero or one hides an error."""
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_floating_point():
            noise = torch.from_numpy(generator.uniform(0.1, 0.6, tuple(tensor.shape)))
            tensor.data += noise.to(tensor.dtype)
        elif name in layer.shapes:
            raise ValueError(f"{name} holds integers")
    _forget(module, layer)
    return module


def _forget(module: torch.nn.Module, layer: Layer) -> None:
    """What the framework has no place for is zero in torch's."""
    for text in layer.lost:
        name, third, _ = text.partition(", its last third")
        if third:
            tensor = dict(module.named_parameters())[name]
            tensor.data[-(len(tensor) // 3) :] = 0
