"""Which rule to take, or that it does not matter, in words and with the figures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fanwise.signal.drift import Drift, counted, drift_of
from fanwise.signal.reasons import reasons
from fanwise.signal.table import scientific
from fanwise.signal.trace_result import Trace
from fanwise.validation import real

__all__ = ["BAD", "UNNOTICED", "Recommendation", "recommendation"]

UNNOTICED = 0.5
"""The difference of weighed drifts, in decades, that no training notices.

A layer's weight gradient is about as large as the root of the second moment of its input times
that of the gradient at its output: the mean of the two drifts is the drift of the weight
gradients' size. Half a decade is a factor of 3, one step of the learning rates that people try.
"""

BAD = 6.0
"""The weighed drift, in decades, from which a signal counts as lost.

He et al. (2015) multiply by 1/2 a layer, in both directions: with 22 layers, 6.6 decades, the
training starts late, and with 30, 9 decades, it does not start.
"""

# Standard errors between two rules that are not put down to the seeds. With 8 seeds a tie is
# broken by chance in 2 of 100 cases, of which UNNOTICED leaves few.
_ERRORS = 3.0


@dataclass(frozen=True)
class Recommendation:
    """Which rules to take.

    Args:
        best: those with the smallest weighed drift and those that are as good; none if all of
            them lose the signal.
        matters: whether there is a rule that is not as good as the best one.
        text: in words, with the figures.
        drifts: of each rule, the mean over its seeds.
    """

    best: tuple[str, ...]
    matters: bool
    text: str
    drifts: Mapping[str, Drift]

    def __str__(self) -> str:
        return self.text


def recommendation(
    traces: Mapping[str, Sequence[Trace]], forward: float = 1.0, backward: float = 1.0
) -> Recommendation:
    r"""Weigh the drifts of several rules.

    .. math:: s = \frac{w_f d_f + w_b d_b}{w_f + w_b}

    with d_f and d_b the drifts of :func:`fanwise.signal.drift.drift_of`, in decades of the second
    moment, mean over the seeds. Two rules are equally good if their s differ by no more than half
    a decade, which no training notices, or by no more than three standard errors of the
    difference: the std over the seeds of the difference between the two rules' s, divided by the
    root of the number of seeds. Seeds are compared one by one, since two rules may draw the same
    numbers from the same key; with as many independent draws the formula holds as well. With one
    seed the error is not known, and half a decade decides.

    Args:
        traces: of each rule, one for each seed.
        forward: w_f, at least 0.
        backward: w_b, at least 0.

    Returns:
        A Recommendation. No rule is recommended where all of them drift by 6 decades or more.

    Raises:
        TypeError: for a weight that is no real number.
        ValueError: for one that is negative or not finite, and if both are 0.

    References:
        He et al. (2015), Delving deep into rectifiers, section 2.2 and figures 2 and 3.
    """
    weights = (
        real("recommend", "forward", forward, minimum=0.0),
        real("recommend", "backward", backward, minimum=0.0),
    )
    if weights == (0.0, 0.0):
        raise ValueError(
            "recommend: forward and backward must not both be 0, got 0 and 0; a weight of 0 "
            "leaves one direction out"
        )
    drifts = {rule: [drift_of(trace) for trace in own] for rule, own in traces.items()}
    scores = {rule: [_score(each, weights) for each in own] for rule, own in drifts.items()}
    means = {rule: _mean(own) for rule, own in scores.items()}
    first = min(means, key=lambda rule: means[rule])
    equal = tuple(rule for rule in means if _as_good(scores[rule], scores[first]))
    is_lost = means[first] >= BAD
    averages = {
        rule: Drift(_mean([d.forward for d in own]), _mean([d.backward for d in own]))
        for rule, own in drifts.items()
    }
    matters = len(equal) < len(means)
    is_shallow = len(counted(next(iter(traces.values()))[0].layers)) < 2
    text = "\n".join(
        [
            _verdict(equal, matters, is_lost, means, first, is_shallow, _scales(traces)),
            *_figures(drifts, weights, means),
            *(f"- {reason}" for reason in reasons(traces, equal, matters, is_lost, averages)),
        ]
    )
    return Recommendation(() if is_lost else equal, matters, text, averages)


def _score(drift: Drift, weights: tuple[float, float]) -> float:
    parts = zip((drift.forward, drift.backward), weights, strict=True)
    # An infinite drift of weight 0 does not count.
    return sum(size * weight for size, weight in parts if weight > 0) / sum(weights)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _error(values: Sequence[float]) -> float:
    """The standard error of the mean; 0 where it is not known."""
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return 0.0
    mean = _mean(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return math.sqrt(variance / len(values))


def _as_good(own: Sequence[float], best: Sequence[float]) -> bool:
    if _mean(own) == _mean(best):  # infinite ones too
        return True
    if len(own) == len(best):
        error = _error([one - other for one, other in zip(own, best, strict=True)])
    else:
        error = math.hypot(_error(own), _error(best))
    return _mean(own) - _mean(best) <= max(UNNOTICED, _ERRORS * error)


def _verdict(
    equal: Sequence[str],
    matters: bool,
    is_lost: bool,
    means: Mapping[str, float],
    first: str,
    is_shallow: bool,
    scales: str,
) -> str:
    if is_lost:
        if math.isinf(means[first]):
            what = "each of them ends in zeros or in values that are not finite, for some seed"
        else:
            what = (
                f"the layers drift apart by {means[first]:.1f} decades or more, with {first} "
                f"least of all"
            )
        return (
            f"None of the rules carries the signal: {what}. Change the model (normalization, "
            f"residual connections, another activation or gain) rather than choose among them."
        )
    if len(means) == 1:
        return f"There is only {first}, and it carries the signal."
    if is_shallow:
        return (
            f"So few layers have no drift to compare, and the rules differ in the output's scale "
            f"alone: its second moment is {scales}."
        )
    if not matters:
        apart = max(means.values()) - means[first]
        return (
            f"The choice does not matter here: the drifts of {_listed(tuple(means))} are at most "
            f"{apart:.1f} decades apart, which is within the noise of the seeds or too little for "
            f"training to notice."
        )
    next_one = min((rule for rule in means if rule not in equal), key=lambda rule: means[rule])
    apart = means[next_one] - means[first]
    those = "is best" if len(equal) == 1 else "are equally good, and best"
    if math.isinf(apart):
        return f"{_listed(equal)} {those}. No other rule carries the signal."
    return (
        f"{_listed(equal)} {those}. {next_one}, the next one, drifts by {apart:.1f} decades more."
    )


def _scales(traces: Mapping[str, Sequence[Trace]]) -> str:
    """The second moment of the model's output, by rule."""
    logs = {rule: _mean([trace.log_output for trace in own]) for rule, own in traces.items()}
    return ", ".join(f"{scientific(log)} with {rule}" for rule, log in logs.items())


def _figures(
    drifts: Mapping[str, Sequence[Drift]],
    weights: tuple[float, float],
    means: Mapping[str, float],
) -> list[str]:
    seeds = max(len(own) for own in drifts.values())
    how = f"mean of {seeds} seeds ± standard error" if seeds > 1 else "one seed"
    lines = [f"Drift between layers, in decades of the second moment ({how}):"]
    rows = [
        (
            rule,
            _figure([drift.forward for drift in own]),
            _figure([drift.backward for drift in own]),
            "inf" if math.isinf(means[rule]) else f"{means[rule]:.1f}",
        )
        for rule, own in sorted(drifts.items(), key=lambda item: means[item[0]])
    ]
    wide = [max(len(row[column]) for row in rows) for column in range(4)]
    weighed = "" if weights[0] == weights[1] else f" {weights[0]:g} to {weights[1]:g}"
    for rule, forward, backward, mean in rows:
        lines.append(
            f"  {rule:{wide[0]}}  forward {forward:>{wide[1]}}  backward {backward:>{wide[2]}}  "
            f"weighed{weighed} {mean:>{wide[3]}}"
        )
    return lines


def _figure(values: Sequence[float]) -> str:
    if math.isinf(_mean(values)):
        return "lost"
    shown = f"{_mean(values):.1f}"
    return f"{shown} ± {_error(values):.1f}" if len(values) > 1 else shown


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
