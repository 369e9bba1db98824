"""From what a compiled pass gave to a LayerSignal for each layer."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from fanwise.frameworks.observation import INPUT, Names
from fanwise.layers import Layer, Leaf
from fanwise.rules import Rule
from fanwise.signal.convolution import window_of
from fanwise.signal.elementwise import Elementwise
from fanwise.signal.expected import Link, with_expected
from fanwise.signal.measures import BACKWARD, FORWARD
from fanwise.signal.naming import Numbering, index_of, numbering_of
from fanwise.signal.occurrences import Occurrence
from fanwise.signal.program import Measured, Program
from fanwise.signal.steps import step_of
from fanwise.signal.theory import Step
from fanwise.signal.trace_result import LayerSignal, Trace

__all__ = ["Place", "Places", "trace_of"]

_LOGS = ("log_second_moment", "log_gradient", "log_input")


@dataclass(frozen=True)
class Place:
    """A layer in a program: one output's mark, in one iteration of a stack.

    Args:
        path: with positions in stacks.
        positions: in the stacks.
        axes: which of the loops around are the stacks.
        output: the number of the mark at the output.
        input: the number of the mark at the input, None if that is not floating.
        leaves: the arrays that the layer itself has.
        layer: what it is in torch, as far as it is one of the model's layers.
        call: how often it ran before.
    """

    path: str
    positions: tuple[int, ...]
    axes: tuple[int, ...]
    output: int
    input: int | None
    leaves: tuple[Leaf, ...]
    layer: Layer | None
    call: int


class Places:
    """Where the layers of a program are, the same for each pass."""

    def __init__(self, program: Program) -> None:
        self.program = program
        observed = program.observed
        self._owned: dict[Names, list[tuple[Leaf, Layer]]] = defaultdict(list)
        for layer in observed.layers:
            for leaf in layer.leaves:
                self._owned[observed.owners[leaf.path]].append((leaf, layer))
        self._layers = {layer.path: layer for layer in observed.layers}

    @cached_property
    def every(self) -> list[Place]:
        """In order of execution: of a stack, all of one layer and then all of the next."""
        listed: list[tuple[Any, Place]] = []
        starts: dict[Any, int] = {}
        for output, mark in enumerate(self.program.occurrences):
            if mark.role == INPUT:
                continue
            numbering, axes = self._numbering(mark)
            stacks = [
                (mark.names[:at], mark.lengths[: axis + 1])
                for at, axis in zip(numbering.at, axes, strict=True)
            ]
            for positions in numbering.positions():
                turns = zip((starts.setdefault(s, output) for s in stacks), positions, strict=True)
                path = numbering.path(mark.names, positions)
                own, layer = self._arrays(mark, numbering, positions)
                layer = self._layers.get(path, layer)
                place = Place(path, positions, axes, output, mark.partner, own, layer, 0)
                listed.append(((*turns, (output, -1)), place))
        listed.sort(key=lambda entry: entry[0])
        calls: Counter[Any] = Counter()
        found = []
        for _, place in listed:
            at = (place.path, self.program.occurrences[place.output].source)
            found.append(replace(place, call=calls[at]))
            calls[at] += 1
        return found

    def step(self, place: Place, measured: Measured, rule: Rule | None) -> Step | None:
        """What the layer does to second moments, None if theory does not know."""
        layer, mark = place.layer, self.program.occurrences[place.output]
        own = {at for leaf in place.leaves for at in self.program.positions[leaf.path]}
        if layer is None or place.input is None or not mark.is_linear or not mark.factors <= own:
            return None
        is_convolution = len(layer.shapes.get("weight", ())) > 2
        window = None
        if is_convolution:
            before = self.program.occurrences[place.input]
            window = window_of(mark.convolution, before.shape, mark.shape)
            if window is None:
                return None
        known = {
            piece.name: _second_moment(leaf, measured.weights[leaf.path][index_of(leaf)])
            for leaf in place.leaves
            if leaf.path in measured.weights
            for piece in leaf.pieces
        }
        return step_of(layer, rule, mark.activation, measured=known, window=window)

    def _arrays(
        self, mark: Occurrence, numbering: Numbering, positions: tuple[int, ...]
    ) -> tuple[tuple[Leaf, ...], Layer | None]:
        """The arrays that a module itself has, of this layer of the stack, and the layer.

        All of them where the layers of the stack run at once, as under vmap.
        """
        owned = self._owned.get(mark.names, [])
        own = [each for each in owned if numbering.has(each[0], positions)] or owned
        if mark.is_block or not own:
            return tuple(leaf for leaf, _ in own), None
        return tuple(leaf for leaf, _ in own), own[0][1]

    def _numbering(self, mark: Occurrence) -> tuple[Numbering, tuple[int, ...]]:
        observed = self.program.observed
        numbering = numbering_of(mark.names, observed.layers, observed.owners)
        stacked = {at for path in numbering.paths for at in self.program.positions[path]}
        axes = tuple(axis for axis, loop in enumerate(mark.loops) if loop.sliced & stacked)
        looped = numbering.looped([mark.lengths[axis] for axis in axes])
        # A loop over time runs the same layer again: its measures are averaged.
        return (Numbering(), ()) if looped is None else (looped, axes)


def trace_of(places: Places, measured: Measured, rule: Rule | None = None) -> Trace:
    """What one pass measured, by layer.

    Args:
        places: where the layers are.
        measured: what the pass gave.
        rule: theory goes by its distributions, and by the weights' own second moments where it
            says nothing.
    """
    occurrences = places.program.occurrences
    outputs = [index for index, mark in enumerate(occurrences) if mark.role != INPUT]
    number = {index: n for n, index in enumerate(outputs)}
    layers: list[LayerSignal] = []
    blocks: list[LayerSignal] = []
    at: dict[tuple[int, tuple[int, ...]], int] = {}
    links: list[Link] = []
    for place in places.every:
        mark = occurrences[place.output]
        forward = _chosen(measured.marks[place.output], place, FORWARD)
        backward = _chosen(measured.gradients[number[place.output]], place, BACKWARD)
        log_input, before = math.nan, None
        if place.input is not None:
            log_input = _chosen(measured.marks[place.input], place, ("log_input",))["log_input"]
            fed_by = occurrences[place.input].fed_by
            before = None if fed_by is None else at.get((fed_by, place.positions))
        is_block = mark.is_block
        own = layers if not is_block else blocks
        ratio = forward["log_second_moment"] - own[-1].log_second_moment if own else math.nan
        own.append(
            LayerSignal(
                path=place.path,
                source=mark.source,
                kind=None if place.layer is None else place.layer.kind,
                shape=mark.shape,
                log_input=log_input,
                activation=_name_of(mark.activation),
                log_weight_gradient=_of_weights(place, measured.weight_gradients),
                before=before,
                is_normalized=_is_normalized(mark, occurrences),
                is_block=is_block,
                call=place.call,
                log_ratio=math.nan if is_block else ratio,
                **forward,
                **backward,
            )
        )
        if not is_block:
            at[place.output, place.positions] = len(layers) - 1
            links.append(Link(places.step(place, measured, rule), len(mark.uses) == 1))
    layers = with_expected(layers, links)
    return Trace(tuple(layers), tuple(blocks), measured.log_input, measured.log_output)


def _name_of(activation: Elementwise | None) -> str | None:
    """What only scales, as attention does its queries, is no activation."""
    return None if activation is None or activation.is_affine else activation.name


def _is_normalized(mark: Occurrence, occurrences: Sequence[Occurrence]) -> bool:
    """Whether an output goes into normalizations, as it is, and nowhere else."""
    return bool(mark.uses) and all(
        use is not None and use[1] and occurrences[use[0]].is_normalization for use in mark.uses
    )


def _second_moment(leaf: Leaf, logs: Any) -> float:
    """Of a parameter; nan where its mean is further from 0 than six standard errors."""
    log_moment, log_mean = float(logs[0]), float(logs[1])
    if log_mean + math.log(max(math.prod(leaf.shape), 1)) > log_moment + math.log(36):
        return math.nan
    return math.exp(log_moment)


def _chosen(values: Any, place: Place, names: Sequence[str]) -> dict[str, float]:
    """Measures in the place's iteration, averaged over loops that are no stacks."""
    values = np.moveaxis(np.asarray(values, np.float64), place.axes, range(len(place.axes)))
    flat = values[place.positions].reshape(-1, len(names))
    # A loop may have run the layer in some of its turns only.
    ran = ~np.isnan(flat).all(axis=1)
    flat = flat[ran] if ran.any() else flat
    return {
        name: _mean_of_logs(own) if name in _LOGS else _mean(own)
        for name, own in zip(names, flat.T, strict=True)
    }


def _mean(values: Any) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _mean_of_logs(logs: Any, sizes: Any = 1.0) -> float:
    """The logarithm of the mean of what the logarithms are of."""
    logs = np.asarray(logs, np.float64)
    largest = logs.max()
    if not np.isfinite(largest):
        return float(largest)
    shares = np.broadcast_to(sizes, logs.shape)
    return float(np.log((shares * np.exp(logs - largest)).sum() / shares.sum()) + largest)


def _of_weights(place: Place, measured: Any) -> float:
    """Of the layer's matrices and kernels; of all it has where it has none of these."""
    known = [leaf for leaf in place.leaves if leaf.path in measured]
    chosen = [leaf for leaf in known if len(leaf.shape) > 1] or known
    if not chosen:
        return math.nan
    logs = [float(measured[leaf.path][index_of(leaf)]) for leaf in chosen]
    return _mean_of_logs(logs, [math.prod(leaf.shape) for leaf in chosen])
