"""Weights from a torch model to its twin and back."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import torch
from torch import nn

import fanwise as fw
from fanwise.porting import Correspondence
from parity.fuzz.hidden import Biases
from parity.fuzz.spec import Spec
from parity.seeding import numpy_generator, torch_seeded

__all__ = ["TOLERANCE", "Carried", "carried", "moved"]

TOLERANCE = 1e-4
"""Largest difference of outputs, as a share of the largest output if that is over 1."""


def moved(spec: Spec, seed: int) -> nn.Module:
    """torch's model with every value off its start, so that no zero or one hides an error."""
    rng = numpy_generator(seed, f"moved {spec.name}")
    with torch_seeded(seed, f"moved {spec.name}"):
        model = spec.torch()
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                noise = rng.uniform(0.1, 0.6, tuple(tensor.shape)) * rng.choice(
                    (-1, 1), tuple(tensor.shape)
                )
                tensor.add_(torch.from_numpy(noise).to(tensor.dtype))
        for name, tensor in model.named_buffers():
            if name.endswith("running_var"):
                tensor.abs_().add_(0.5)
    return model


@dataclass(frozen=True)
class Carried:
    """What came of weights.

    Args:
        lines: for everything that is wrong.
        off: the largest difference of outputs, see ``TOLERANCE``; infinite if there are none.
    """

    lines: list[str]
    off: float = math.inf


def carried(spec: Spec, twin: Spec, found: Correspondence, biases: Biases, seed: int) -> Carried:
    """Carry weights across and back, and run both models.

    Args:
        spec: the model.
        twin: the one whose twin is run.
        found: the correspondence.
        biases: of recurrent layers.
        seed: of the suite.
    """
    lines = []
    model = moved(spec, seed)
    lost = [hidden for (_, hidden), (node, name) in biases.items() if (node.kind, name) == _LOSSY]
    state = dict(model.state_dict())
    if lost:
        try:
            fw.port.weights(state, found)
        except ValueError as error:
            lines += [
                f"{name} is lost and not named"
                for name in lost
                if not all(part in str(error) for part in name.rsplit(".", 1))
            ]
        else:
            lines.append("lost biases were not refused")
        for name in lost:
            state[name][-(len(state[name]) // 3) :] = 0
    try:
        variables = fw.port.weights(state, found)
    except ValueError as error:
        return Carried([*lines, f"weights were refused: {error}"])
    x = spec.x(numpy_generator(seed, f"input {spec.name}"))
    expected, output = spec.run_torch(model, x), twin.run_twin(variables, x)
    if output.shape != expected.shape:
        return Carried([*lines, f"outputs of shape {output.shape}, not {expected.shape}"])
    off = float(abs(output - expected).max() / max(1.0, abs(expected).max()))
    if not off <= TOLERANCE:
        lines.append(f"outputs off by {off:.2g}")
    try:
        lines += _back_lines(state, variables, found, biases)
    except ValueError as error:
        lines.append(f"the way back was refused: {error}")
    return Carried(lines, off)


_LOSSY = ("GRU", "nnx")


def _back_lines(
    state: Mapping[str, torch.Tensor], variables: Any, found: Correspondence, biases: Biases
) -> list[str]:
    """The state dict again, and the variables once more, to the bit."""
    back = fw.port.state_dict(variables, found)
    if back.keys() != state.keys():
        return [f"the state dict differs in {sorted(back.keys() ^ state.keys())}"]
    summed = {name for names in biases for name in names}
    lines = [
        f"{name} comes back otherwise"
        for name, tensor in state.items()
        if name not in summed
        and not name.endswith("num_batches_tracked")
        and not _same_bits(tensor.numpy(), back[name])
    ]
    again = fw.port.weights(back, found)
    ours, theirs = (dict(jax.tree_util.tree_leaves_with_path(v)) for v in (variables, again))
    lines += [
        f"{jax.tree_util.keystr(path)} is otherwise the second time"
        for path in ours
        if not _same_bits(np.asarray(ours[path]), np.asarray(theirs[path]))
    ]
    return lines


def _same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )
