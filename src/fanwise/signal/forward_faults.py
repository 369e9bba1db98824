"""Layers at which the signal goes wrong on its way forward."""

import math
import re
from collections.abc import Sequence

from fanwise.signal.check_result import Fault
from fanwise.signal.limits import Limits, has_matrix, is_normalization
from fanwise.signal.own_weights import OwnWeights
from fanwise.signal.profile import is_broken
from fanwise.signal.table import scientific
from fanwise.signal.trace_result import LayerSignal, Trace

__all__ = ["forward_faults", "percent"]

# Flat where their input is negative: what stays there is dead, and not saturated.
_RECTIFIERS = ("relu", "relu6", "gelu", "silu", "swish", "softplus", "relu_squared")


def forward_faults(
    trace: Trace, weights: Sequence[OwnWeights], allowed: Sequence[bool], limits: Limits
) -> list[Fault]:
    """In order of execution.

    Args:
        trace: of the model.
        weights: of each of its layers.
        allowed: whether a layer may do what it likes, as long as it is finite.
        limits: what others may do.
    """
    walk = _Walk(trace, weights, limits)
    for index, signal in enumerate(trace.layers):
        if math.isnan(signal.finite):
            continue  # in a branch that was not taken
        if not_finite := walk.not_finite(index):
            return [*walk.faults, not_finite]  # all behind it has it from there
        # Zeros that come in are another's, and what is made of them says nothing.
        if not allowed[index] and signal.log_input != -math.inf:
            walk.look(index)
    # A function between layers may be what fails, and the last may be followed by one.
    for block in trace.blocks:
        if is_broken(block, "forward"):
            return [*walk.faults, _block_not_finite(block)]
    return walk.faults


class _Walk:
    def __init__(self, trace: Trace, weights: Sequence[OwnWeights], limits: Limits) -> None:
        self.layers, self.weights, self.limits = trace.layers, weights, limits
        self.faults: list[Fault] = []
        reference = trace.log_input
        if math.isnan(reference) and self.layers:
            reference = self.layers[0].log_second_moment  # of an embedding, for words
        if not math.isfinite(reference):
            reference = 0.0
        self.reference = reference
        # Layers may keep the input's scale, or set one of about 1.
        self.low = min(reference, 0.0) + math.log(limits.smallest)
        self.high = max(reference, 0.0) + math.log(limits.largest)

    def not_finite(self, index: int) -> Fault | None:
        signal, own = self.layers[index], self.weights[index]
        if not is_broken(signal, "forward"):
            return None
        explanation = f"{percent(1 - signal.finite)} of its output is NaN or infinite"
        remedy = "look at what it computes, and in which dtype"
        if math.inf in (own.matrix, own.bias):
            explanation += ", and so are weights of it"
            remedy = "look at what drew its weights, or loaded them"
        elif index and not signal.log_input < math.inf:
            explanation += ", as its input is"
            remedy = f"look at what happens between {self.layers[index - 1].name} and here"
        return Fault(signal.path, signal.name, "not finite", "forward", explanation, remedy)

    def look(self, index: int) -> None:
        """Note what is wrong with a layer, if anything."""
        signal = self.layers[index]
        is_zero = has_matrix(signal.source, signal.kind) and self.weights[index].matrix == -math.inf
        if is_zero or signal.log_second_moment == -math.inf:
            what = "its weights are all zero" if is_zero else "its output is zero everywhere"
            self._add(signal, "vanishes", what, "start its weights, or its scale, at other values")
            return
        if self._is_idle(signal):
            return
        if has_matrix(signal.source, signal.kind):
            self._factor(index)
        elif is_normalization(signal):
            self._normalization(signal)
        self._overall(signal)

    def _is_idle(self, signal: LayerSignal) -> bool:
        if math.isnan(signal.idle) or signal.idle <= self.limits.idle:
            return False
        is_dead = signal.activation in _RECTIFIERS and signal.mean < 0
        self._add(
            signal,
            "dead" if is_dead else "saturated",
            f"{percent(signal.idle)} of its output lies where {signal.activation} is flat, and "
            f"{percent(signal.idle_units)} of its units do so for every input; at most "
            f"{percent(self.limits.idle)} of the output may (idle=)",
            f"look at its bias: {signal.activation} is flat below zero"
            if is_dead
            else "make its weights smaller, or its input; rounding is flat too",
        )
        return True

    def _factor(self, index: int) -> None:
        """What a layer makes of its input, without what its bias adds."""
        signal, bias = self.layers[index], self.weights[index].bias
        if not math.isfinite(signal.log_input) or signal.is_normalized:
            return
        low, high = self.limits.factors(signal.shape[-1] if signal.shape else 1)
        # rms(W x) lies between |rms(y) - rms(b)| and rms(y) + rms(b).
        share = 0.0 if math.isnan(bias) else math.exp((bias - signal.log_second_moment) / 2)
        measured = signal.log_second_moment - signal.log_input
        least = measured + 2 * math.log(abs(1 - share)) if share != 1 else -math.inf
        most = measured + 2 * math.log(1 + share)
        if low <= most and least <= high:
            return
        what, factor, limit, name = (
            ("explodes", least, high, "largest_factor")
            if least > high
            else ("vanishes", most, low, "smallest_factor")
        )
        self._add(
            signal,
            what,
            f"its output has {scientific(measured)} times the second moment of its input "
            f"({scientific(signal.log_second_moment)} from {scientific(signal.log_input)}), its "
            f"weights {'at least' if least > high else 'at most'} {scientific(factor)} times, "
            f"and {scientific(limit)} is the {name.split('_')[0]} allowed with "
            f"{signal.shape[-1]} units ({name}=)",
            "draw its weights with a smaller std"
            if least > high
            else "draw them with a larger one",
        )

    def _normalization(self, signal: LayerSignal) -> None:
        own = signal.log_second_moment
        low, high = math.log(self.limits.smallest_factor), math.log(self.limits.largest_factor)
        least = most = own
        if signal.source == "BatchNorm" and math.isfinite(signal.log_input):
            # With running statistics it hands on the scale that comes in, if it has no own.
            factor = own - signal.log_input
            least, most = min(own, factor), max(own, factor)
        if most < low or least > high:
            self._add(
                signal,
                "explodes" if least > high else "vanishes",
                f"its output has a second moment of {scientific(own)}, and that of a normalization "
                f"may be between {scientific(low)} and {scientific(high)} (smallest_factor=, "
                f"largest_factor=)",
                "look at its scale, which usually starts at 1",
            )

    def _overall(self, signal: LayerSignal) -> None:
        """Whether the signal leaves its range here; once, as all behind is outside too."""
        own = signal.log_second_moment
        what = "explodes" if own > self.high else "vanishes" if own < self.low else None
        if what is None or any(fault.what == what for fault in self.faults):
            return
        self._add(
            signal,
            what,
            f"its output has a second moment of {scientific(own)}, outside of "
            f"{scientific(self.low)} to {scientific(self.high)} (smallest=, largest=), for a model "
            f"whose input has {scientific(self.reference)}",
            "start the layers up to here by a rule that keeps the signal, see "
            "fanwise.signal.compare and fanwise.signal.balance",
        )

    def _add(self, signal: LayerSignal, what: str, explanation: str, remedy: str) -> None:
        meant = f"{remedy}, or allow=[{re.escape(signal.path)!r}] if it is meant to"
        self.faults.append(Fault(signal.path, signal.name, what, "forward", explanation, meant))


def _block_not_finite(block: LayerSignal) -> Fault:
    return Fault(
        block.path,
        block.name,
        "not finite",
        "forward",
        f"{percent(1 - block.finite)} of its output is NaN or infinite, and no layer's",
        "look at what it computes between its layers and behind them",
    )


def percent(share: float) -> str:
    """A share in percent; never none or all where it is neither."""
    shown = f"{100 * share:.3g} %"
    return shown if shown != "100 %" or share == 1 else "99.9 %"
