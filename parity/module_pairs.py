"""A module of torch's and the same layer elsewhere: the same parameters, the same outputs?

torch's parameters, moved away from what the constructor left, are put into the other layer by what
its Layer says of them, and both are run on the same inputs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fanwise.layers import Layer, View
from fanwise.layers.view import SAME
from parity.conversions_convert import arrays_of

__all__ = ["TOLERANCE", "Array", "ModulePair", "Spoil", "reversed_axis", "unspoilt"]

Array = npt.NDArray[Any]
Spoil = Callable[[Layer], Layer]

TOLERANCE = 1e-5
"""Largest difference of outputs, which are about 1 here."""


def unspoilt(layer: Layer) -> Layer:
    """The layer as it was found; others plant an error."""
    return layer


def reversed_axis(layer: Layer) -> Layer:
    """A planted error: the longest axis of the first array's pieces the other way round."""
    first, *rest = layer.leaves
    pieces = []
    for piece in first.pieces:
        shape = piece.torch_shape(layer.shapes[piece.name])
        view = piece.view
        if view == SAME:
            names = " ".join(f"a{axis}" for axis in range(len(shape)))
            view = View(f"{names} -> {names}")
        sizes = view._sizes(shape)
        flipped = set(view.flipped) ^ {max(sizes, key=lambda name: sizes[name], default="")}
        pieces.append(replace(piece, view=replace(view, flipped=tuple(flipped))))
    return replace(layer, leaves=(replace(first, pieces=tuple(pieces)), *rest))


@dataclass(frozen=True)
class ModulePair:
    """The same layer twice.

    Args:
        kind: what ours must be found as.
        module: torch's.
        layers: ours, as found.
        inputs: for torch; random normals of these shapes, or arrays.
        call: torch's outputs.
        run: our outputs for arrays by path, and inputs.
        prepare: of torch's parameters, where the layers compute the same only for some.
        adjust: of our arrays, for a difference between the layers that is written down.
    """

    kind: str
    module: torch.nn.Module
    layers: Sequence[Layer]
    inputs: Sequence[tuple[int, ...] | Array]
    call: Callable[..., Any]
    run: Callable[[Mapping[Any, Array], Sequence[Array]], Any]
    prepare: Callable[[dict[str, torch.Tensor]], None] = lambda parameters: None
    adjust: Callable[[dict[Any, Array]], None] = lambda arrays: None

    def mismatches(self, spoil: Spoil = unspoilt) -> list[str]:
        """One line for everything that is wrong."""
        found = [layer for layer in self.layers if layer.kind is not None]
        if [layer.kind for layer in found] != [self.kind]:
            return [f"found as {', '.join(str(layer.kind) for layer in found)}"]
        layer = spoil(found[0])
        generator = np.random.default_rng(sum(self.kind.encode()))
        with torch.no_grad():
            parameters = dict(self.module.named_parameters())
            for tensor in parameters.values():
                tensor += torch.from_numpy(generator.normal(0, 0.3, tensor.shape)).float()
            self.prepare(parameters)
        inputs = [
            generator.normal(size=each).astype(np.float32) if isinstance(each, tuple) else each
            for each in self.inputs
        ]
        state = {**parameters, **dict(self.module.named_buffers())}
        values = {name: tensor.detach().numpy().copy() for name, tensor in state.items()}
        try:
            arrays = arrays_of([layer], {layer.path: values})
        except ValueError as error:
            return [f"cannot be converted: {error}"]
        self.adjust(arrays)
        with torch.no_grad():
            expected = self.call(self.module, *map(torch.from_numpy, inputs)).numpy()
        ours = np.asarray(self.run(arrays, inputs))
        if ours.shape != expected.shape:
            return [f"an output of {ours.shape}, in torch of {expected.shape}"]
        off = float(np.abs(ours - expected).max())
        return [] if off <= TOLERANCE else [f"outputs off by {off:.3g}"]
