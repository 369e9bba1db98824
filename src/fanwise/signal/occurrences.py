"""What is marked in a traced program, in the order in which it runs, and what feeds what."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
from jax.extend.core import Jaxpr, Literal

from fanwise.frameworks.observation import INPUT, OUTPUT
from fanwise.signal.elementwise import Elementwise, region_of, sub_program
from fanwise.signal.mark import mark_p

__all__ = ["Occurrence", "is_around", "known_numbers", "occurrences_of", "programs_in"]

_NORMALIZATIONS = ("BatchNorm", "LayerNorm", "GroupNorm", "RMSNorm", "InstanceNorm")

# They move elements, and leave each as it is.
_MOVES = frozenset(["reshape", "squeeze", "expand_dims", "transpose", "copy", "rev"])


@dataclass
class Occurrence:
    """A mark in the program.

    Args:
        names: where the layer is.
        source: the framework's class.
        role: ``INPUT`` or ``OUTPUT``.
        shape: of what is marked, in one iteration of the loops around.
        lengths: of the loops around, the outermost first.
        activation: the elementwise function that an output goes into.
        fed_by: the position of the output that an input is, through elementwise functions and
            reshapes at most.
        uses: what an output goes into: for each layer, the position of the mark at its input and
            whether it gets the output as it is; None for anything else.
        convolution: the one convolution that the layer runs, as an equation.
        is_reduced: of an input, whether the layer sums over some of it.
        partner: of an output, the position of the mark at the layer's input; None if that is not
            floating.
        is_block: whether other layers ran inside of the module.
    """

    names: tuple[str, ...]
    source: str
    role: str
    shape: tuple[int, ...]
    lengths: tuple[int, ...]
    activation: Elementwise | None = None
    fed_by: int | None = None
    uses: list[tuple[int, bool] | None] = field(default_factory=list)
    convolution: Any = None
    is_reduced: bool = False
    partner: int | None = None
    is_block: bool = False

    @property
    def is_normalization(self) -> bool:
        """Whether it is the input of a layer that sets the scale of what it gets.

        A batch norm that uses running averages sums nothing, and keeps the scale.
        """
        return self.source in _NORMALIZATIONS and self.is_reduced


class _Tag(NamedTuple):
    """What a variable is: an output, through elementwise functions unless it is exact."""

    occurrence: int
    is_exact: bool


def programs_in(equation: Any) -> list[Any]:
    """The programs that an equation runs, as jaxprs."""
    found = []
    for value in equation.params.values():
        for each in value if isinstance(value, tuple | list) else (value,):
            each = getattr(each, "jaxpr", each)
            if isinstance(each, Jaxpr):
                found.append(each)
    return found


def known_numbers(jaxpr: Any, constants: Sequence[Any]) -> dict[Any, Any]:
    """The program's constants that are single numbers, by variable."""
    return {
        variable: value
        for variable, value in zip(jaxpr.constvars, constants, strict=True)
        if variable.aval.shape == () and not isinstance(value, jax.core.Tracer)
    }


def occurrences_of(jaxpr: Any, constants: Sequence[Any]) -> list[Occurrence]:
    """All marks of a closed program."""
    walk = _Walk(_blocks(list(_marks(jaxpr))))
    outputs = walk.run(jaxpr, known_numbers(jaxpr, constants), [None] * len(jaxpr.invars), ())
    walk.use(outputs)
    return walk.found


def _marks(jaxpr: Any) -> Iterator[Mapping[str, Any]]:
    """What is said of each mark, in order."""
    for equation in jaxpr.eqns:
        if equation.primitive is mark_p:
            yield equation.params
        for program in programs_in(equation):
            yield from _marks(program)


class _Place(NamedTuple):
    """What is known of a mark from the order of all."""

    partner: int | None
    is_block: bool


def _blocks(marks: Sequence[Mapping[str, Any]]) -> list[_Place]:
    """Which mark at an input belongs to each output, and which modules have others inside.

    Inside is what runs between the two, and what is named so: an input may have no mark.
    """
    outer = {
        mark["names"][:length]
        for mark in marks
        if mark["role"] == OUTPUT
        for length in range(len(mark["names"]))
    }
    begun: dict[Any, list[int]] = defaultdict(list)
    places = [_Place(None, mark["names"] in outer) for mark in marks]
    last = -1  # the output before
    for index, mark in enumerate(marks):
        own = begun[mark["names"], mark["source"]]
        if mark["role"] == INPUT:
            own.append(index)
            continue
        partner = own.pop() if own else None
        is_block = places[index].is_block or (partner is not None and last > partner)
        places[index] = _Place(partner, is_block)
        if partner is not None:
            places[partner] = _Place(None, is_block)
        last = index
    return places


class _Walk:
    def __init__(self, places: Sequence[_Place]) -> None:
        self.places = places
        self.found: list[Occurrence] = []
        # The last mark at an input, and the convolutions since.
        self.last: Occurrence | None = None
        self.convolutions: list[Any] = []

    def run(
        self,
        jaxpr: Any,
        constants: Mapping[Any, Any],
        inputs: Sequence[_Tag | None],
        lengths: tuple[int, ...],
    ) -> list[_Tag | None]:
        """The marks of a program, and what its results are."""
        tags: dict[Any, _Tag | None] = dict(zip(jaxpr.invars, inputs, strict=True))

        def read(v: Any) -> _Tag | None:
            return None if isinstance(v, Literal) else tags.get(v)

        for equation in jaxpr.eqns:
            own = [read(v) for v in equation.invars]
            if equation.primitive is mark_p:
                outputs = [self._mark(equation, jaxpr, constants, own[0], lengths)]
            else:
                outputs = self._equation(equation, own, lengths)
            tags.update(zip(equation.outvars, outputs, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def use(self, tags: Sequence[_Tag | None]) -> None:
        """Note that outputs are used by something that is no layer."""
        for tag in tags:
            if tag is not None:
                self.found[tag.occurrence].uses.append(None)

    def _mark(
        self,
        equation: Any,
        jaxpr: Any,
        constants: Mapping[Any, Any],
        tag: _Tag | None,
        lengths: tuple[int, ...],
    ) -> _Tag | None:
        parameters = equation.params
        names, source, role = parameters["names"], parameters["source"], parameters["role"]
        place = self.places[len(self.found)]
        one = Occurrence(names, source, role, equation.invars[0].aval.shape, lengths)
        one.partner, one.is_block = place
        self.found.append(one)
        if role == INPUT:
            self.last, self.convolutions = one, []
            if tag is None or place.is_block:
                return tag
            one.fed_by = tag.occurrence
            self.found[tag.occurrence].uses.append((len(self.found) - 1, tag.is_exact))
            return None
        if len(self.convolutions) == 1:
            one.convolution = self.convolutions[0]
        one.activation = region_of(jaxpr, equation.outvars[0], constants, is_around(names))
        if tag is not None:
            if place.is_block and tag.occurrence > (-1 if place.partner is None else place.partner):
                return tag  # the output of a layer inside
            self.use([tag])
        return _Tag(len(self.found) - 1, True)

    def _equation(
        self, equation: Any, tags: list[_Tag | None], lengths: tuple[int, ...]
    ) -> list[_Tag | None]:
        none: list[_Tag | None] = [None] * len(equation.outvars)
        name = equation.primitive.name
        known = {tag for tag in tags if tag is not None}
        if name in _MOVES and len(tags) == 1:
            return tags
        if len({tag.occurrence for tag in known}) == 1:
            at = next(iter(known)).occurrence
            function = self.found[at].activation
            # Of any other function of the output theory would know nothing.
            if function is not None and any(own is equation for own in function.equations):
                return [_Tag(at, False) for _ in none]
        if name in ("reduce_sum", "dot_general") and self.last is not None:
            self.last.is_reduced = True
        if name == "conv_general_dilated":
            self.convolutions.append(equation)
        program = sub_program(equation)
        if program is None and name == "remat2":
            program = equation.params["jaxpr"]
        if program is not None:
            return self.run(program, {}, tags, lengths)
        self.use(tags)
        if name == "scan":
            lengths = (*lengths, equation.params["length"])
        for inner in programs_in(equation):
            outputs = self.run(inner, {}, [None] * len(inner.invars), lengths)
            self.use(outputs)
        return none


def is_around(names: tuple[str, ...]) -> Any:
    """Whether an equation is the mark at the output of a module around that of these names."""

    def passes(equation: Any) -> bool:
        if equation.primitive is not mark_p or equation.params["role"] != OUTPUT:
            return False
        outer = equation.params["names"]
        return len(outer) < len(names) and names[: len(outer)] == outer

    return passes
