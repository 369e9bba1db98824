"""What is marked in a traced program, in the order in which it runs, and what feeds what."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import jax
from jax.extend.core import Jaxpr, Literal

from fanwise.frameworks.observation import INPUT, OUTPUT
from fanwise.signal.elementwise import Elementwise, region_of, sub_program
from fanwise.signal.mark import mark_p

__all__ = ["Loop", "Occurrence", "is_around", "known_numbers", "occurrences_of", "programs_in"]

_NORMALIZATIONS = ("BatchNorm", "LayerNorm", "GroupNorm", "RMSNorm", "InstanceNorm")

_PRODUCTS = ("dot_general", "conv_general_dilated")

# What else a linear layer does: its bias, another dtype, a flipped kernel.
_OF_LINEAR = ("add", "broadcast_in_dim", "convert_element_type")

# They move elements, and leave each as it is.
_MOVES = frozenset(["reshape", "squeeze", "expand_dims", "transpose", "copy", "rev"])


class Loop(NamedTuple):
    """A loop around a mark: how often it runs, and which arrays each run gets a slice of.

    Arrays are given by their positions among the program's inputs. Those of a model that are
    sliced so are a stack of layers; a loop over time gives each run the same ones.
    """

    length: int
    sliced: frozenset[int]


@dataclass
class Occurrence:
    """A mark in the program.

    Args:
        names: where the layer is.
        source: the framework's class.
        role: ``INPUT`` or ``OUTPUT``.
        shape: of what is marked, in one iteration of the loops around.
        loops: those around, the outermost first.
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
        operations: of an output, what the layer consists of.
        factors: of an output, which of the program's inputs the layer's products are with.
    """

    names: tuple[str, ...]
    source: str
    role: str
    shape: tuple[int, ...]
    loops: tuple[Loop, ...]
    activation: Elementwise | None = None
    fed_by: int | None = None
    uses: list[tuple[int, bool] | None] = field(default_factory=list)
    convolution: Any = None
    is_reduced: bool = False
    partner: int | None = None
    is_block: bool = False
    operations: tuple[str, ...] = ()
    factors: frozenset[int] = frozenset()

    @property
    def lengths(self) -> tuple[int, ...]:
        """Of the loops around, the outermost first."""
        return tuple(loop.length for loop in self.loops)

    @property
    def is_linear(self) -> bool:
        """Whether the layer is one product with an input of the program as it is, and a bias.

        Where weights are masked or scaled, the product is with what is made of them.
        """
        products = [name for name in self.operations if name in _PRODUCTS]
        return len(products) == len(self.factors) == 1 and set(self.operations) <= {
            *_PRODUCTS,
            *_MOVES,
            *_OF_LINEAR,
        }

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


class _Given(NamedTuple):
    """What a variable is: an input of the program, moved or sliced at most."""

    position: int


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
    given = [_Given(position) for position in range(len(jaxpr.invars))]
    outputs = walk.run(jaxpr, known_numbers(jaxpr, constants), given, ())
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


_Known: TypeAlias = _Tag | _Given | None


class _Walk:
    def __init__(self, places: Sequence[_Place]) -> None:
        self.places = places
        self.found: list[Occurrence] = []
        # The last mark at an input, and what was done since.
        self.last: Occurrence | None = None
        self.convolutions: list[Any] = []
        self.operations: list[str] = []
        self.factors: set[int] = set()

    def run(
        self,
        jaxpr: Any,
        constants: Mapping[Any, Any],
        inputs: Sequence[_Known],
        loops: tuple[Loop, ...],
    ) -> list[_Known]:
        """The marks of a program, and what its results are."""
        tags: dict[Any, _Known] = dict(zip(jaxpr.invars, inputs, strict=True))

        def read(v: Any) -> _Known:
            return None if isinstance(v, Literal) else tags.get(v)

        for equation in jaxpr.eqns:
            own = [read(v) for v in equation.invars]
            if equation.primitive is mark_p:
                outputs = [self._mark(equation, jaxpr, constants, own[0], loops)]
            else:
                outputs = self._equation(equation, own, loops)
            tags.update(zip(equation.outvars, outputs, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def use(self, tags: Sequence[_Known]) -> None:
        """Note that outputs are used by something that is no layer."""
        for tag in tags:
            if isinstance(tag, _Tag):
                self.found[tag.occurrence].uses.append(None)

    def _mark(
        self,
        equation: Any,
        jaxpr: Any,
        constants: Mapping[Any, Any],
        known: _Known,
        loops: tuple[Loop, ...],
    ) -> _Known:
        tag = known if isinstance(known, _Tag) else None
        parameters = equation.params
        names, source, role = parameters["names"], parameters["source"], parameters["role"]
        place = self.places[len(self.found)]
        one = Occurrence(names, source, role, equation.invars[0].aval.shape, loops)
        one.partner, one.is_block = place
        self.found.append(one)
        if role == INPUT:
            self.last, self.convolutions, self.operations, self.factors = one, [], [], set()
            if tag is None or place.is_block:
                return tag
            one.fed_by = tag.occurrence
            self.found[tag.occurrence].uses.append((len(self.found) - 1, tag.is_exact))
            return None
        if len(self.convolutions) == 1:
            one.convolution = self.convolutions[0]
        one.operations, one.factors = tuple(self.operations), frozenset(self.factors)
        one.activation = region_of(jaxpr, equation.outvars[0], constants, is_around(names))
        if tag is not None:
            if place.is_block and tag.occurrence > (-1 if place.partner is None else place.partner):
                return tag  # the output of a layer inside
            self.use([tag])
        return _Tag(len(self.found) - 1, True)

    def _equation(self, equation: Any, tags: list[_Known], loops: tuple[Loop, ...]) -> list[_Known]:
        none: list[_Known] = [None] * len(equation.outvars)
        name = equation.primitive.name
        program = equation.params["jaxpr"] if name == "remat2" else sub_program(equation)
        if program is None:
            self.operations.append(name)
        if len(tags) == 1 and (
            name in _MOVES or (isinstance(tags[0], _Given) and name == "convert_element_type")
        ):
            return tags
        outputs = {tag.occurrence for tag in tags if isinstance(tag, _Tag)}
        if len(outputs) == 1:
            (at,) = outputs
            function = self.found[at].activation
            # Of any other function of the output theory would know nothing.
            if function is not None and any(own is equation for own in function.equations):
                return [_Tag(at, False) for _ in none]
        if name in ("reduce_sum", "dot_general") and self.last is not None:
            self.last.is_reduced = True
        if name in _PRODUCTS:
            self.factors.update(tag.position for tag in tags if isinstance(tag, _Given))
        if name == "conv_general_dilated":
            self.convolutions.append(equation)
        if program is not None:
            return self.run(program, {}, tags, loops)
        self.use(tags)
        given = [tag if isinstance(tag, _Given) else None for tag in tags]
        if name == "scan":
            first = equation.params["num_consts"]
            carried = range(first, first + equation.params["num_carry"])
            sliced = {tag.position for tag in given[carried.stop :] if tag is not None}
            loops = (*loops, Loop(equation.params["length"], frozenset(sliced)))
            given = [None if at in carried else tag for at, tag in enumerate(given)]
        elif name == "cond":
            given = given[1:]
        for inner in programs_in(equation):
            fits = len(inner.invars) == len(given)
            outputs_of = self.run(inner, {}, given if fits else [None] * len(inner.invars), loops)
            self.use(outputs_of)
        return none


def is_around(names: tuple[str, ...]) -> Any:
    """Whether an equation is the mark at the output of a module around that of these names."""

    def passes(equation: Any) -> bool:
        if equation.primitive is not mark_p or equation.params["role"] != OUTPUT:
            return False
        outer = equation.params["names"]
        return len(outer) < len(names) and names[: len(outer)] == outer

    return passes
