"""Layers at which the gradient goes wrong on its way back."""

import math
import re
from collections.abc import Sequence

from fanwise.signal.check_result import Fault
from fanwise.signal.forward_faults import percent
from fanwise.signal.limits import Limits
from fanwise.signal.profile import is_broken
from fanwise.signal.table import scientific
from fanwise.signal.trace_result import LayerSignal, Trace

__all__ = ["backward_faults"]

# Past normalizations, poolings, sums over the batch and scales of branches gradients change by
# many decades in models that train well: LayerNorm behind embeddings of std 0.02 multiplies their
# second moment by 1e3, LayerScale of 1e-6 divides it by 1e12. What is left of float32 beyond these
# limits is not enough for the layers behind.
_FAINTEST, _LARGEST = 1e-26, 1e13


def backward_faults(
    trace: Trace,
    allowed: Sequence[bool],
    faulty: frozenset[str],
    limits: Limits,
) -> list[Fault]:
    """From the output to the input.

    Args:
        trace: of the model.
        allowed: whether a layer may do what it likes, as long as it is finite.
        faulty: names of the layers that fail forward, which explains what comes back from them.
        limits: what others may do.
    """
    excused = _without_gradient(trace.layers, allowed, faulty)
    ends = _ends(trace.layers)
    outermost = [block for block in trace.blocks if block.path == ""]
    reference = (outermost or trace.layers)[-1].log_gradient
    faults: list[Fault] = []
    found: set[str] = set()
    for index in reversed(range(len(trace.layers))):
        signal = trace.layers[index]
        if math.isnan(signal.finite):
            continue  # in a branch that was not taken
        if is_broken(signal, "backward"):
            return [*faults, _not_finite(signal)]  # all before it has it from there
        if signal.log_gradient == -math.inf:
            if not excused[index] and "no gradient" not in found:
                faults.append(_no_gradient(trace.layers, index))
                found.add("no gradient")
            continue
        fault = _outside(signal, trace.layers[ends[index]], reference, limits)
        if fault is not None and not allowed[index] and fault.what not in found:
            faults.append(fault)
            found.add(fault.what)
    return faults


def _without_gradient(
    layers: Sequence[LayerSignal], allowed: Sequence[bool], faulty: frozenset[str]
) -> list[bool]:
    """Which layers have no gradient because of one that may, or that is known to, block it.

    A branch that starts at zero ends in a layer of zeros, which passes none back, or is multiplied
    by zero, so that its last layer gets none. In order of execution, the layers of the branch
    without gradient are those just before it.
    """
    none = [signal.log_gradient == -math.inf for signal in layers]
    # What gives zeros and gets no gradient either can never change.
    stuck = [
        gets_none and signal.log_second_moment == -math.inf
        for gets_none, signal in zip(none, layers, strict=True)
    ]
    excused = [False] * len(layers)
    for index, signal in enumerate(layers):
        if signal.name in faulty or (allowed[index] and not stuck[index]):
            excused[index] = True
            before = index - 1
            while before >= 0 and none[before] and not stuck[before]:
                excused[before] = True
                before -= 1
    return excused


def _ends(layers: Sequence[LayerSignal]) -> list[int]:
    """For each layer the last of the plain chain that it is in: a layer feeds the next alone."""
    ends = list(range(len(layers)))
    for index in reversed(range(len(layers))):
        before = layers[index].before
        if before is not None:
            ends[before] = max(ends[before], ends[index])
    return ends


def _not_finite(signal: LayerSignal) -> Fault:
    return Fault(
        signal.path,
        signal.name,
        "not finite",
        "backward",
        f"{percent(1 - signal.gradient_finite)} of the gradient at its output is NaN or infinite",
        "look at what is computed of its output: roots, logarithms, divisions and norms at zero "
        "have no finite slope, also where jnp.where does not choose them",
    )


def _no_gradient(layers: Sequence[LayerSignal], index: int) -> Fault:
    signal = layers[index]
    behind = f", of {layers[index + 1].name} for one" if index + 1 < len(layers) else ""
    return Fault(
        signal.path,
        signal.name,
        "no gradient",
        "backward",
        "the gradient at its output is zero everywhere",
        f"look at what becomes of its output{behind}: zeros that it is multiplied by, a "
        f"stop_gradient, an output that the loss does not use; or allow="
        f"[{re.escape(signal.path)!r}] if it is meant to start so",
    )


def _outside(
    signal: LayerSignal, end: LayerSignal, reference: float, limits: Limits
) -> Fault | None:
    """What is wrong with the size of a gradient, within its chain and in the whole model."""
    own, output = signal.log_gradient, "the model's output"
    if own < end.log_gradient + math.log(limits.smallest):
        return _beyond(signal, "vanishes", end.log_gradient, end.name, limits.smallest, "smallest=")
    if own < reference + math.log(_FAINTEST):
        return _beyond(signal, "vanishes", reference, output, _FAINTEST)
    # Beside the chain, its first layer may feed others, whose gradient is larger.
    if end is not signal and own > max(end.log_gradient, reference) + math.log(limits.largest):
        return _beyond(signal, "explodes", end.log_gradient, end.name, limits.largest, "largest=")
    if own > reference + math.log(_LARGEST):
        return _beyond(signal, "explodes", reference, output, _LARGEST)
    return None


def _beyond(
    signal: LayerSignal, what: str, against: float, where: str, limit: float, argument: str = ""
) -> Fault:
    named = f" ({argument})" if argument else ""
    return Fault(
        signal.path,
        signal.name,
        what,
        "backward",
        f"the gradient at its output has {scientific(signal.log_gradient - against)} times the "
        f"second moment of that at {where} ({scientific(signal.log_gradient)} and "
        f"{scientific(against)}), and {limit:.0e} times is allowed{named}",
        "start the layers from here on by a rule that keeps the gradient, see "
        f"fanwise.signal.compare, or allow=[{re.escape(signal.path)!r}] if it is meant to",
    )
