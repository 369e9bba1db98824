"""What fanwise answers for a framework's layer, against what torch asked its sampler for.

For every array of the layer: the Distribution that it is to be drawn from is that of torch's
parameter, or of the sum where the array stands for two of them; what follows from other values
is drawn from torch's law first. No array may be left to the framework's own init.
"""

from collections.abc import Sequence

import numpy as np

from fanwise.distributions import Distribution, Triangular
from fanwise.frameworks.answers import Slot, answered
from fanwise.layers import Derived, Layer
from fanwise.rules import Rule, torch_default
from parity.kinds_recorded import Recorded
from parity.request import Request, of_distribution

__all__ = ["law_mismatches", "law_of"]


def law_mismatches(
    layer: Layer, theirs: Recorded, rule: Rule = torch_default, prefix: str = ""
) -> list[str]:
    """A line for everything that would start otherwise than in torch.

    Args:
        layer: the framework's.
        theirs: torch's module.
        rule: asked for the layer.
        prefix: of the names of the layer's parameters in torch's module.
    """
    lines = []
    every = theirs.parameters | theirs.buffers
    for name, shape in layer.shapes.items():
        if every.get(prefix + name) != shape:
            lines.append(f"{name} is {every.get(prefix + name)} in torch, {shape} here")
    if lines:
        return lines
    answer = answered(layer, rule)
    for leaf, slots in answer.slots.items():
        if not answer.is_complete(leaf):
            lines.append(f"{leaf.name} is left to the framework's own init")
        for slot in slots:
            lines += _slot(leaf.name, slot, theirs, prefix)
    for name, value in answer.made.items():
        if isinstance(value, Derived):
            drawn = value.drawn
            # What follows from others alone is compared by its values, in parity.kinds_compare.
            if drawn is not None and not _agree(law_of(theirs, prefix + name, drawn=True), drawn):
                lines.append(f"{name}: torch asks for {law_of(theirs, prefix + name)}, we {drawn}")
        elif not _agree(law_of(theirs, prefix + name), value):
            lines.append(f"{name}: torch asks for {law_of(theirs, prefix + name)}, we {value}")
    return lines


def law_of(theirs: Recorded, name: str, *, drawn: bool = False) -> Request | None:
    """What a parameter of torch holds: the last draw into it if it still does, or a constant.

    Args:
        theirs: the module.
        name: of the parameter.
        drawn: take the last draw whatever became of it.
    """
    draws = [draw for draw in theirs.draws if draw.name == name]
    value = theirs.values[name]
    if drawn and not draws:
        # torch draws some buffers into a tensor that does not stay; their shapes tell them.
        draws = [d for d in theirs.draws if not d.name and d.shape == value.shape]
    if draws and (drawn or np.array_equal(draws[-1].values, value)):
        return draws[-1].request
    constant = np.unique(value)
    return Request("constant", (float(constant[0]),)) if len(constant) == 1 else None


def _slot(where: str, slot: Slot, theirs: Recorded, prefix: str) -> list[str]:
    if not slot.is_direct:
        return []  # made in torch's shape, and compared there
    laws = [law_of(theirs, prefix + piece.name) for piece in slot.pieces]
    if len(slot.values) == len(laws):
        agree = all(map(_agree, laws, slot.values))
    else:
        agree = _agree(_sum(laws), slot.values[0])
    if agree:
        return []
    names = " + ".join(piece.name for piece in slot.pieces)
    asked = " + ".join(map(str, laws))
    return [f"{where} is {names}: torch asks for {asked}, we for {slot.values}"]


def _sum(laws: Sequence[Request | None]) -> Request | None:
    """Of two equal uniforms; every sum in Flax is one."""
    first, second = laws
    if first is None or first != second or first.kind != "uniform":
        return None
    return Request("triangular", tuple(2 * number for number in first.numbers))


def _agree(law: Request | None, value: Distribution) -> bool:
    if isinstance(value, Triangular):
        ours = Request("triangular", (value.low, value.high))
    else:
        ours = of_distribution(value)
    if law is None:
        return False
    if law.kind == ours.kind == "constant":
        # torch's is read back from float32.
        return float(np.float32(law.numbers[0])) == float(np.float32(ours.numbers[0]))
    return law.agrees(ours)
