"""Causes in the fans: of a packed matrix, and of inputs taken for outputs."""

import math
from collections.abc import Iterator

from fanwise.distributions import ScalarDistribution
from fanwise.layers import family
from fanwise.layouts import TORCH, fans
from fanwise.porting.checking.causes import Cause, Evidence, Hypothesis
from fanwise.porting.checking.laws import families, scaled

__all__ = ["fans_of", "is_nice", "packed_fan", "transposed_fan"]

_GATES = {"LSTM": 4, "GRU": 3}

# What people give variance_scaling and torch's gains come to: std^2 times the fan.
_NICE = (1 / 3, 1 / 2, 2 / 3, 1.0, 2.0, 3.0, 25 / 9, 9 / 16, 2 / (1 + 0.01**2), 2 / (1 + 0.2**2))


def fans_of(evidence: Evidence) -> tuple[int, int] | None:
    """torch's fans of the weight of a layer, for its bias too; None where it has none."""
    layer = evidence.part.pair.flax
    shape = evidence.shape
    if len(shape) < 2:
        name = evidence.part.parameters[0].replace("bias", "weight")
        shape = tuple(layer.shapes.get(name, ()))
    if len(shape) < 2:
        return None
    own = fans(shape, TORCH)
    return own.fan_in, own.fan_out


def is_nice(law: ScalarDistribution, fan: float) -> bool:
    """Whether a law is what a usual gain gives for a fan."""
    scale = law.std**2 * fan
    return any(math.isclose(scale, nice, rel_tol=1e-5) for nice in _NICE)


def packed_fan(evidence: Evidence, law: ScalarDistribution) -> Iterator[Hypothesis]:
    """The fan of (3E, E) on one side and of three (E, E) on the other."""
    own = fans_of(evidence)
    if own is None or len(evidence.shape) < 2:
        return
    fan_in, fan_out = own
    for blocks, is_torch_packed in _packings(evidence):
        # Of the whole and of a block, as xavier and as fan_out count them.
        whole_out, block_out = float(fan_out), fan_out / blocks
        if evidence.part.blocks > 1 and not _is_split_parameter(evidence):
            whole_out, block_out = float(fan_out * blocks), float(fan_out)
        for mode, whole, block in (
            ("fan_in + fan_out", fan_in + whole_out, fan_in + block_out),
            ("fan_out", whole_out, block_out),
        ):
            torch_fan, flax_fan = (whole, block) if is_torch_packed else (block, whole)
            ratio = math.sqrt(torch_fan / flax_fan)
            nice = is_nice(law, torch_fan / (2 if mode != "fan_out" else 1))
            sides = ("torch", "Flax") if is_torch_packed else ("Flax", "torch")
            words = (
                f"{sides[0]} takes {mode} of all {blocks} blocks together, {whole:g}, and "
                f"{sides[1]} of each by itself, {block:g}: {ratio:.3g} of torch's std"
            )
            key = f"{is_torch_packed}"
            yield Hypothesis(Cause.PACKED_FAN, scaled(law, ratio), words, 2 if nice else 3, key)
            for other in families(law.std * ratio):
                yield Hypothesis(Cause.PACKED_FAN, other, f"{words}, and of another law", 3, key)


def _is_split_parameter(evidence: Evidence) -> bool:
    """Whether the layer's own parameter is the packed one, as in MultiheadAttention."""
    return any(piece.part is not None for piece in evidence.part.pieces)


def _packings(evidence: Evidence) -> Iterator[tuple[int, bool]]:
    """Into how many blocks the matrix may be divided, and whether torch has it packed."""
    if evidence.part.blocks > 1:
        yield evidence.part.blocks, True
        return
    kind = (evidence.part.pair.flax.kind or "").removesuffix("Cell")
    shape = evidence.shape
    if kind in _GATES:
        yield _GATES[kind], False
    elif family(kind) == "Linear":
        for blocks in (3, 2):
            if shape[0] == blocks * shape[1]:
                yield blocks, False


def transposed_fan(evidence: Evidence, law: ScalarDistribution) -> Iterator[Hypothesis]:
    """fan_in taken for fan_out: as torch and Flax do of a transposed convolution."""
    own = fans_of(evidence)
    kind = family((evidence.part.pair.flax.kind or "").partition("(")[0])
    if own is None or kind not in ("Linear", "Conv", "ConvTranspose"):
        return
    fan_in, fan_out = own
    groups = evidence.part.pair.flax.hyperparameters.get("groups", 1)
    for mode, torch_fan, flax_fan in (
        ("fan_in", fan_in, fan_out * _of_flax(kind, groups)),
        ("fan_out", fan_out, fan_in * _of_flax(kind, groups)),
    ):
        ratio = math.sqrt(torch_fan / flax_fan)
        if abs(ratio - 1) < 1e-3:
            continue
        if kind == "ConvTranspose":
            words = (
                f"torch counts the outputs of a transposed convolution as its {mode}, "
                f"{torch_fan:g}, and Flax the inputs, {flax_fan:g}: {ratio:.3g} of torch's std"
            )
        else:
            words = (
                f"torch divides by {mode}, {torch_fan:g}, and Flax by the other one, "
                f"{flax_fan:g}: {ratio:.3g} of torch's std"
            )
        tier = 2 if is_nice(law, torch_fan) else 3
        yield Hypothesis(Cause.TRANSPOSED_FAN, scaled(law, ratio), words, tier, mode)
        for other in families(law.std * ratio):
            yield Hypothesis(Cause.TRANSPOSED_FAN, other, f"{words}, and of another law", 3, mode)


def _of_flax(kind: str, groups: int) -> float:
    """Both count all outputs of a convolution in groups, but only a group's inputs."""
    return 1.0 if groups == 1 or kind == "ConvTranspose" else 1.0 / groups
