"""What is marked in a traced program, in the order in which it runs, and what feeds what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
from jax.extend.core import Jaxpr, Literal

from fanwise.frameworks.observation import INPUT, OUTPUT
from fanwise.signal.elementwise import Elementwise, is_elementwise, region_of, sub_program
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

    @property
    def is_normalization(self) -> bool:
        """Whether the layer sets the scale of what it gets."""
        return self.source in _NORMALIZATIONS


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
    walk = _Walk(_around(jaxpr))
    outputs = walk.run(jaxpr, known_numbers(jaxpr, constants), [None] * len(jaxpr.invars), ())
    walk.use(outputs)
    return walk.found


def _around(jaxpr: Any) -> set[tuple[str, ...]]:
    """The names of modules that have layers inside."""
    names: set[tuple[str, ...]] = set()
    for equation in jaxpr.eqns:
        if equation.primitive is mark_p:
            own = equation.params["names"]
            names.update(own[:length] for length in range(len(own)))
        for program in programs_in(equation):
            names |= _around(program)
    return names


class _Walk:
    def __init__(self, blocks: set[tuple[str, ...]]) -> None:
        self.blocks = blocks
        self.found: list[Occurrence] = []
        # Since the last mark at an input.
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
        one = Occurrence(names, source, role, equation.invars[0].aval.shape, lengths)
        self.found.append(one)
        if role == INPUT:
            self.convolutions = []
            if tag is None or names in self.blocks:
                return tag
            one.fed_by = tag.occurrence
            self.found[tag.occurrence].uses.append((len(self.found) - 1, tag.is_exact))
            return None
        if len(self.convolutions) == 1:
            one.convolution = self.convolutions[0]
        one.activation = region_of(jaxpr, equation.outvars[0], constants, is_around(names))
        if tag is not None:
            inner = self.found[tag.occurrence].names
            if len(inner) > len(names) and inner[: len(names)] == names:
                return tag  # a module around the layer whose output this is
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
        if is_elementwise(equation) and len({tag.occurrence for tag in known}) == 1:
            others = [v for v, tag in zip(equation.invars, tags, strict=True) if tag is None]
            if all(v.aval.shape == () for v in others):
                return [_Tag(next(iter(known)).occurrence, False) for _ in none]
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
