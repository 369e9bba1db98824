"""What theory expects where layers follow one another, beside what was measured.

A chain is a run of layers each of which gets the output of the one before, through an elementwise
function or none, and whose output goes nowhere else. It begins with the measured second moment of
its first layer's input, and on the way back with the measured one of the gradient at its last
layer's output. What happens in between is theory alone. Where a model branches, adds or
normalizes, a chain ends and another one begins.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fanwise.signal.theory import Step, backward, forward
from fanwise.signal.trace_result import LayerSignal

__all__ = ["Link", "with_expected"]


@dataclass(frozen=True)
class Link:
    """A layer in a chain.

    Args:
        step: what it does to second moments; None if theory does not know.
        is_continued: whether its output goes into one layer and nowhere else.
    """

    step: Step | None
    is_continued: bool


def with_expected(signals: Sequence[LayerSignal], links: Sequence[Link]) -> list[LayerSignal]:
    """The layers with ``log_expected`` and ``log_expected_gradient``.

    Args:
        signals: the layers in order of execution, as measured.
        links: of each.
    """
    found = list(signals)
    for chain in _chains(signals, links):
        steps = [step for at in chain if (step := links[at].step) is not None]
        log_input = signals[chain[0]].log_input
        moments = forward(log_input, steps)
        gradients = backward(log_input, steps, signals[chain[-1]].log_gradient)
        # That of the last is where the way back begins.
        for at, moment, gradient in zip(chain, moments, [*gradients[:-1], math.nan], strict=True):
            found[at] = replace(found[at], log_expected=moment, log_expected_gradient=gradient)
    return found


def _chains(signals: Sequence[LayerSignal], links: Sequence[Link]) -> list[list[int]]:
    chains: list[list[int]] = []
    ends: dict[int, list[int]] = {}
    for at, (signal, link) in enumerate(zip(signals, links, strict=True)):
        if link.step is None:
            continue
        before = signal.before
        if before is not None and before in ends and links[before].is_continued:
            chain = ends.pop(before)
            chain.append(at)
        else:
            chain = [at]
            chains.append(chain)
        ends[at] = chain
    return chains
