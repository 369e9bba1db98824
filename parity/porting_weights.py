"""Weights across for every model of ``examples/models``: the same outputs, and back to the bit.

Values are moved off what the constructor left, so that no zero or one hides an error. Then torch's
weights must give the port torch's outputs; a start of the port, taken to torch, must give torch the
port's; and both ways back must end where they began.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import torch
from flax import nnx as flax_nnx

import fanwise as fw
from examples.models.families import FAMILIES
from examples.models.family import Family
from fanwise.porting import Correspondence
from parity.layer_result import LayerRow
from parity.porting_weights_planted import Variables, planted
from parity.progress import SILENT, Progress
from parity.seeding import numpy_generator, torch_seeded, typed_key

__all__ = ["TOLERANCE", "Port", "compared", "difference", "moved", "port", "run"]

Array = npt.NDArray[Any]

TOLERANCE = 1e-4
"""Largest difference of outputs, as a share of the largest output."""


@dataclass(frozen=True)
class Port:
    """A Flax model beside its torch original.

    Args:
        family: the architecture.
        framework: linen or nnx.
        torch: torch's model, in evaluation.
        correspondence: the two models' layers.
        inputs: for the port; torch's are given channels first.
    """

    family: Family
    framework: str
    torch: torch.nn.Module
    correspondence: Correspondence
    inputs: tuple[Array, ...]

    def started(self, key: jax.Array) -> Any:
        """The port's variables from a key; for nnx the model."""
        if self.framework == "linen":
            return fw.linen.init(self.family.linen(), key, *self.inputs)
        return fw.nnx.init(lambda rngs: self.family.nnx(rngs=rngs), key)

    @cached_property
    def _call(self) -> Callable[[Variables], Any]:
        """The port as a function of variables, compiled once."""
        if self.framework == "linen":
            model = self.family.linen()
            apply = jax.jit(model.apply)
            return lambda variables: apply(variables, *self.inputs)
        model = self.started(jax.random.key(0))
        model.eval()
        forward = flax_nnx.jit(lambda model, inputs: model(*inputs))

        def call(variables: Variables) -> Any:
            flax_nnx.update(model, variables)
            return forward(model, self.inputs)

        return call

    def run(self, variables: Variables) -> Array:
        """The port's outputs."""
        return np.asarray(self._call(variables))

    def run_torch(self) -> Array:
        """torch's outputs, channels last."""
        inputs = [
            torch.from_numpy(np.moveaxis(x, -1, 1).copy() if self.family.is_image else x)
            for x in self.inputs
        ]
        with torch.no_grad():
            output: Array = self.torch(*inputs).numpy()
        return np.moveaxis(output, 1, -1) if self.family.gives_image else output

    def load(self, state: Mapping[str, Array]) -> None:
        """Give torch's model these weights, every name accounted for."""
        tensors = {name: torch.from_numpy(array.copy()) for name, array in state.items()}
        unused = [leaf.name for layer in self.correspondence.unused for leaf in layer.leaves]
        kept = {name: t for name, t in self.torch.state_dict().items() if name in unused}
        self.torch.load_state_dict({**kept, **tensors}, strict=True)


def port(
    family: Family, framework: str, seed: int, flatten: Mapping[str, Any] | None = None
) -> Port:
    """A family's torch model, moved, and its layers matched with those of a port."""
    inputs = family.inputs(numpy_generator(seed, f"inputs of {family}"))
    with torch_seeded(seed, f"{family}"):
        model = family.torch().eval()
    moved(model, numpy_generator(seed, f"moved {family}"))
    if framework == "linen":
        layers, names = fw.linen.layers(family.linen(), *inputs), family.names
    else:
        layers = fw.nnx.layers(lambda rngs: family.nnx(rngs=rngs))
        names = family.nnx_names
    found = fw.port.match(
        model, layers, names=dict(names), flatten=family.flatten if flatten is None else flatten
    )
    return Port(family, framework, model, found, inputs)


def moved(model: torch.nn.Module, generator: np.random.Generator) -> None:
    """Every parameter and running statistic off its start."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point() and "pos_embedding" not in name:
                noise = generator.uniform(0.05, 0.3, tuple(tensor.shape))
                sign = 1 if name.endswith("running_var") else generator.choice((-1, 1), noise.shape)
                tensor.add_(torch.from_numpy(np.asarray(sign * noise)).to(tensor.dtype))


def difference(ours: Array, expected: Array) -> float:
    """The largest difference of outputs, as a share of the largest."""
    if ours.shape != expected.shape:
        return np.inf
    off = float(np.abs(ours - expected).max() / np.abs(expected).max())
    return off if np.isfinite(off) else np.inf


def compared(case: Port, seed: int) -> tuple[list[str], float, dict[str, float]]:
    """A line for everything that is wrong, how far outputs are off, and how far planted errors."""
    state = {name: tensor.numpy().copy() for name, tensor in case.torch.state_dict().items()}
    expected = case.run_torch()
    variables = fw.port.weights(case.torch.state_dict(), case.correspondence)
    off = difference(case.run(variables), expected)
    lines = [] if off <= TOLERANCE else [f"outputs off by {off:.3g}"]
    back = fw.port.state_dict(variables, case.correspondence)
    lines += _back_lines(state, back)
    wrong = {
        name: difference(case.run(spoilt), expected)
        for name, spoilt in planted(case.correspondence, variables).items()
    }
    lines += _other_way(case, seed)
    if case.family.flatten:
        plain = dict.fromkeys(case.family.flatten)
        unpermuted = port(case.family, case.framework, seed, plain).correspondence
        wrong["the map flattened as torch does"] = difference(
            case.run(fw.port.weights(state, unpermuted)), expected
        )
    return lines, off, wrong


def _back_lines(state: Mapping[str, Array], back: Mapping[str, Array]) -> list[str]:
    """What is not as it was; of two biases that are one in Flax the sum must be."""
    lines = []
    for name, array in back.items():
        expected = state[name]
        if "bias_ih" in name or "bias_hh" in name:
            first, other = name.replace("_hh", "_ih"), name.replace("_ih", "_hh")
            expected = state[first] + state[other] if name == first else 0 * array
        elif name.endswith("num_batches_tracked"):
            expected = np.zeros((), np.int64)
        if array.dtype != expected.dtype or array.tobytes() != expected.tobytes():
            lines.append(f"{name} is another after the way back")
    return lines


def _other_way(case: Port, seed: int) -> list[str]:
    """A start of the port, in torch."""
    start = case.started(typed_key(seed, f"start of {case.family}"))
    state = fw.port.state_dict(start, case.correspondence)
    case.load(state)
    variables = fw.port.weights(case.torch.state_dict(), case.correspondence)
    again = fw.port.state_dict(variables, case.correspondence)
    lines = [f"{name} of Flax's start is another" for name in _different(state, again)]
    if case.framework == "linen":
        own = jax.tree.map(np.array_equal, variables, dict(start))
        lines += [] if all(jax.tree.leaves(own)) else ["Flax's start is another"]
    off = difference(case.run(variables), case.run_torch())
    return lines if off <= TOLERANCE else [*lines, f"Flax's start in torch: off by {off:.3g}"]


def _different(one: Mapping[str, Array], other: Mapping[str, Array]) -> list[str]:
    return [name for name in one if one[name].tobytes() != other[name].tobytes()]


def run(seed: int, progress: Progress = SILENT) -> list[LayerRow]:
    """A row for each model in linen and in nnx."""
    rows = []
    for family in progress.track(FAMILIES, "weights of models"):
        for framework in ("linen", "nnx"):
            case = port(family, framework, seed)
            lines, off, wrong = compared(case, seed)
            tensors = sum(len(pair.torch.leaves) for pair in case.correspondence.pairs)
            rows.append(
                LayerRow(
                    family.name,
                    framework,
                    tensors,
                    tuple(lines),
                    len(wrong),
                    tuple(name for name, by in wrong.items() if by <= TOLERANCE),
                    off,
                    "weights, outputs, and back to the bit",
                )
            )
    return rows
