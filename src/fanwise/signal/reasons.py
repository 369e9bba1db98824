"""Why a choice between rules matters or not, as far as the traces tell."""

import math
from collections.abc import Mapping, Sequence

from fanwise.layers import family
from fanwise.signal.drift import Drift
from fanwise.signal.trace_result import LayerSignal, Trace

__all__ = ["reasons"]

_MATRICES = ("Linear", "Conv", "ConvTranspose", "MultiheadAttention")

# Effective ranks: below the one all inputs give nearly the same, and from the other on they do not.
_SAME, _DIFFERENT = 1.1, 2.0

# Logarithms of second moments that differ by less are of one scale: 10 %.
_ONE_SCALE = 0.1

# Layers between which there is something to drift.
_FEW = 4


def reasons(
    traces: Mapping[str, Sequence[Trace]],
    equal: Sequence[str],
    matters: bool,
    is_lost: bool,
    drifts: Mapping[str, Drift],
) -> list[str]:
    """Sentences, each with its figures.

    Args:
        traces: of each rule, one for each seed.
        equal: the rules that are as good as the best one.
        matters: whether there are others.
        is_lost: whether none carries the signal.
        drifts: of each rule.
    """
    layers = next(iter(traces.values()))[0].layers
    found = []
    if not is_lost:
        elsewhere = [_normalized(layers, traces), _joined(layers)]
        found.append(_lost(drifts))
        found += [] if matters else [_shallow(layers), *elsewhere]
        is_deep = sum(map(_is_matrix, layers)) >= _FEW
        if is_deep and {"fan_in", "fan_out"} <= set(equal) and not any(elsewhere):
            found.append(_either(layers, drifts))
    found += [_collapsed(rule, own) for rule, own in traces.items()]
    if max(len(own) for own in traces.values()) == 1:
        found.append("With one seed the noise is not known; several tell what is chance.")
    return [reason for reason in found if reason]


def _lost(drifts: Mapping[str, Drift]) -> str:
    lost = [
        rule
        for rule, drift in drifts.items()
        if math.isinf(drift.forward) or math.isinf(drift.backward)
    ]
    if not lost:
        return ""
    return (
        f"With {', '.join(lost)} the signal or the gradient ends in zeros or in values that are "
        f"not finite, for some seed at least."
    )


def _is_matrix(signal: LayerSignal) -> bool:
    return signal.kind is not None and family(signal.kind) in _MATRICES


def _shallow(layers: Sequence[LayerSignal]) -> str:
    count = sum(map(_is_matrix, layers))
    if count >= _FEW or count == 0:
        return ""
    plural = "layer has" if count == 1 else "layers have"
    return f"Only {count} {plural} a matrix: no factor is repeated often enough to drift."


def _normalized(layers: Sequence[LayerSignal], traces: Mapping[str, Sequence[Trace]]) -> str:
    matrices = [signal for signal in layers if _is_matrix(signal)]
    into = sum(signal.is_normalized for signal in matrices)
    behind = sum(
        signal.before is not None
        and not signal.is_normalized
        and _sets_scale(signal.before, traces)
        for signal in matrices
    )
    if not into and not behind:
        return ""
    go, take = ("goes" if into == 1 else "go"), ("takes" if behind == 1 else "take")
    words = [f"{into} {go} straight into a normalization, which divides the scale out again"]
    words += [f"{behind} {take} what comes from one, whose scale is the same whatever the rule"]
    said = ", and ".join(word for word, n in zip(words, (into, behind), strict=True) if n)
    return f"Of {len(matrices)} layers with a matrix {said}."


def _sets_scale(at: int, traces: Mapping[str, Sequence[Trace]]) -> bool:
    """Whether a layer is a normalization whose output has one scale with every rule and seed.

    One that normalizes by running averages has not.
    """
    signals = [trace.layers[at] for own in traces.values() for trace in own]
    sizes = [signal.log_second_moment for signal in signals]
    is_norm = "Norm" in (signals[0].kind or signals[0].source)
    return is_norm and max(sizes) - min(sizes) < _ONE_SCALE


def _joined(layers: Sequence[LayerSignal]) -> str:
    """Where several layers come together, after the first."""
    joined = sum(signal.before is None for signal in layers[1:] if _is_matrix(signal))
    if joined < 2:
        return ""
    return (
        f"{joined} layers take what several others come together to (residual connections, "
        f"concatenations, attention): where the signal goes past a layer, the layer's factor is "
        f"not multiplied into it."
    )


def _either(layers: Sequence[LayerSignal], drifts: Mapping[str, Drift]) -> str:
    one, other = drifts["fan_in"], drifts["fan_out"]
    widths = [signal.shape[-1] for signal in layers if _is_matrix(signal) and signal.shape]
    ratio = f", here of widths from {min(widths)} to {max(widths)}" if widths else ""
    return (
        f"fan_in and fan_out differ by n_in/n_out at each layer, forward ({one.forward:.1f} and "
        f"{other.forward:.1f} decades) and backward ({one.backward:.1f} and "
        f"{other.backward:.1f}). In a chain these factors cancel but for a ratio of widths"
        f"{ratio}, which does not grow with depth: either is enough (He et al. 2015, section 2.2)."
    )


def _collapsed(rule: str, traces: Sequence[Trace]) -> str:
    """Where nothing is left of the inputs' differences, whatever the second moment is."""
    ranks = [
        sum(signal.effective_rank for signal in signals) / len(signals)
        for signals in zip(*(trace.layers for trace in traces), strict=True)
    ][:-1]
    known = [at for at, rank in enumerate(ranks) if not math.isnan(rank)]
    if not known or ranks[known[0]] < _DIFFERENT or ranks[known[-1]] >= _SAME:
        return ""
    start = known[-1]
    for at in reversed(known):
        if ranks[at] >= _SAME:
            break
        start = at
    return (
        f"With {rule} all inputs give nearly the same from {traces[0].layers[start].name} on "
        f"(effective rank {ranks[known[-1]]:.2f}, {ranks[known[0]]:.1f} at the first layer), which "
        f"the drift of the outputs does not tell."
    )
