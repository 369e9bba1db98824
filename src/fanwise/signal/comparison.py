"""What was measured of one model under several rules, with several seeds each."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike

from fanwise.signal.recommend import Recommendation, recommendation
from fanwise.signal.trace_result import Trace

__all__ = ["Comparison"]


@dataclass(frozen=True)
class Comparison:
    """One model started by several rules.

    Means over the seeds are means of logarithms, so geometric means of second moments: a product
    over many layers is spread over decades, and its arithmetic mean is that of its largest few.
    The spread is from the smallest to the largest over the seeds.

    Args:
        traces: for each rule, one Trace for each seed, all with the same layers.

    Raises:
        ValueError: if there are no rules, a rule has no seeds, or the layers differ.

    Example:
        >>> from fanwise.signal.trace_result import LayerSignal
        >>> layer = LayerSignal("fc", "Dense", "Linear", (2, 3), 0.0, log_gradient=0.0)
        >>> compared = Comparison({"fan_in": (Trace((layer,), (), 0.0, 0.0),)})
        >>> print(compared.table())
        forward: second moment of each layer's output
        <BLANKLINE>
        #  layer  fan_in
        1  fc       1.00
        <BLANKLINE>
        backward: second moment of the gradient at each layer's output
        <BLANKLINE>
        #  layer  fan_in
        1  fc       1.00
    """

    traces: Mapping[str, tuple[Trace, ...]]

    def __post_init__(self) -> None:
        if not self.traces:
            raise ValueError("traces must hold at least one rule, got none")
        layers = None
        for rule, own in self.traces.items():
            if not own:
                raise ValueError(f"traces of rule {rule!r} must be at least one, got none")
            for trace in own:
                names = [(signal.path, signal.call, signal.shape) for signal in trace.layers]
                layers = names if layers is None else layers
                if names != layers:
                    odd = next(
                        (
                            f"{ours} and {theirs}"
                            for ours, theirs in zip(names, layers, strict=False)
                            if ours != theirs
                        ),
                        f"{len(names)} and {len(layers)} of them",
                    )
                    raise ValueError(
                        f"all traces must have the same layers in the same order; those of rule "
                        f"{rule!r} differ: {odd}; trace one model on inputs of one shape"
                    )

    def table(self, width: int | None = None) -> str:
        """The second moments layer by layer, forward and backward, theory beside.

        Args:
            width: in characters at most; None is 120.

        Raises:
            ImportError: without rich.
        """
        from fanwise.signal.table import comparison_table

        return comparison_table(self.traces, width)

    def plot(self, path: str | PathLike[str], title: str | None = None) -> None:
        """Draw the second moments over depth, forward and backward, a line for each rule.

        See :func:`fanwise.signal.plot.plot`.

        Args:
            path: of the picture; its suffix, ``.png``, ``.svg`` or ``.pdf``, says which.
            title: above the picture; what it shows if None.

        Raises:
            ImportError: without matplotlib.
            ValueError: for another suffix.
        """
        from fanwise.signal.plot import plot

        plot(self.traces, path, title)

    def recommend(self, forward: float = 1.0, backward: float = 1.0) -> Recommendation:
        """The rules with the smallest drift, or that the choice does not matter, in words.

        See :func:`fanwise.signal.recommend.recommendation`.

        Args:
            forward: weight of the drift of the outputs.
            backward: weight of the drift of the gradients.

        Raises:
            TypeError: for a weight that is no real number.
            ValueError: for one that is negative or not finite, and if both are 0.
        """
        return recommendation(self.traces, forward, backward)

    def __str__(self) -> str:
        return f"{self.table()}\n\n{self.recommend()}"
