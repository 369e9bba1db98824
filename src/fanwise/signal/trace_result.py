"""What was measured of a model: one LayerSignal for each layer that ran, and all of them."""

import math
from dataclasses import dataclass

__all__ = ["LayerSignal", "Trace"]


@dataclass(frozen=True)
class LayerSignal:
    """What was measured of one layer, at its output and of the gradient there.

    Second moments, E[y^2] over all elements, are kept as natural logarithms, so that neither a
    vanishing nor an exploding signal leaves the range of numbers: -inf is a signal of zeros. Where
    something could not be measured (no known activation, no weights) it is nan.

    Args:
        path: the layer's path, as :func:`fanwise.linen.layers` has it; of stacked layers with the
            number in it.
        source: the framework's class.
        kind: torch's class; None where torch has no counterpart.
        call: 0 the first time the layer ran, 1 the second time, and so on.
        shape: of the output.
        log_second_moment: of the output.
        mean: of the output.
        kurtosis: of the output, E[(y - mean)^4] / variance^2, 3 for a normal distribution.
        effective_rank: of the outputs over the batch, between 1 and the size of the batch (at most
            256 examples are looked at): tr(G)^2 / tr(G^2) of the examples' Gram matrix G.
        finite: the share of the output's elements that are finite; nan for a layer that did not
            run, in a branch that was not taken.
        log_input: logarithm of the input's second moment.
        activation: the name of the elementwise function that the output goes into; None if there is
            none, or if only one of the two is inside of a jit or a remat.
        idle: the share of elements at which that function has a slope below 0.01: half of them
            are normal for relu, any at all are saturated for tanh.
        idle_units: the share of units (entries of the last axis) that are so at every position of
            the batch: dead, or saturated for good.
        log_gradient: logarithm of the second moment of the gradient at the output.
        no_gradient: the share of units whose gradient is zero at every position.
        gradient_finite: the share of the gradient's elements that are finite; nan where the model
            takes no gradient, as behind a ``stop_gradient``.
        log_weight_gradient: logarithm of the second moment of the gradient at the weights.
        before: the position, among the trace's layers, of the layer that feeds this one through
            elementwise functions and reshapes at most; None if it is none, or another's sum.
        is_normalized: whether the output goes into a normalization and nowhere else, so that its
            scale does not reach the layers behind.
        is_block: whether other layers ran inside of it.
        log_expected: what theory expects of the second moment, see
            :mod:`fanwise.signal.theory`; nan where the model is no chain up to here.
        log_expected_gradient: the same for the gradient at the output.
        log_ratio: logarithm of the second moment's ratio to the layer before, in order of
            execution; nan for the first.
    """

    path: str
    source: str
    kind: str | None
    shape: tuple[int, ...]
    log_second_moment: float
    mean: float = math.nan
    kurtosis: float = math.nan
    effective_rank: float = math.nan
    finite: float = 1.0
    log_input: float = math.nan
    activation: str | None = None
    idle: float = math.nan
    idle_units: float = math.nan
    log_gradient: float = math.nan
    no_gradient: float = math.nan
    gradient_finite: float = 1.0
    log_weight_gradient: float = math.nan
    before: int | None = None
    is_normalized: bool = False
    is_block: bool = False
    call: int = 0
    log_expected: float = math.nan
    log_expected_gradient: float = math.nan
    log_ratio: float = math.nan

    @property
    def second_moment(self) -> float:
        """E[y^2] of the output; inf where a Python float cannot hold it."""
        return _exp(self.log_second_moment)

    @property
    def gradient(self) -> float:
        """The second moment of the gradient at the output."""
        return _exp(self.log_gradient)

    @property
    def weight_gradient(self) -> float:
        """The second moment of the gradient at the weights."""
        return _exp(self.log_weight_gradient)

    @property
    def ratio(self) -> float:
        """The second moment's ratio to the layer before, in order of execution."""
        return _exp(self.log_ratio)

    @property
    def name(self) -> str:
        """The path, with the number of the call where the layer ran more than once."""
        shown = self.path or "."
        return shown if self.call == 0 else f"{shown} (call {self.call + 1})"


@dataclass(frozen=True)
class Trace:
    """What was measured of a model.

    Args:
        layers: those that have no layer inside of them, in order of execution.
        blocks: the modules around them, in the order in which they ended.
        log_input: logarithm of the second moment of the model's input; nan if it is not floating.
        log_output: logarithm of the second moment of the model's output.
    """

    layers: tuple[LayerSignal, ...]
    blocks: tuple[LayerSignal, ...]
    log_input: float
    log_output: float

    def __getitem__(self, path: str) -> LayerSignal:
        """The layer, or block, of a path, the first time it ran."""
        for signal in (*self.layers, *self.blocks):
            if signal.path == path:
                return signal
        known = ", ".join(signal.path for signal in (*self.layers, *self.blocks))
        raise KeyError(f"path must be one of {known}, got {path!r}")

    def table(self, width: int | None = None) -> str:
        """A row for each layer, in order of execution.

        See :func:`fanwise.signal.table.table_of`.

        Args:
            width: in characters at most; None is the terminal's, up to 120.

        Raises:
            ImportError: without rich, which only those need who print.
        """
        from fanwise.signal.table import table_of

        return table_of(self, width)

    def __str__(self) -> str:
        return self.table()


def _exp(log: float) -> float:
    try:
        return math.exp(log)
    except OverflowError:
        return math.inf
