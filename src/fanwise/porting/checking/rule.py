"""The rule that mends what differs, as code to paste."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fanwise.distributions import Constant, Distribution, ScalarDistribution
from fanwise.layers import Layer
from fanwise.layers.view import SAME
from fanwise.porting.checking.expected import Expected
from fanwise.porting.correspondence import Pair

__all__ = ["BY_RECIPE", "Mend", "mend_of", "rule_code"]

BY_RECIPE = "variables = fanwise.port.init(recipe, correspondence, key)"
"""What mends values that several parameters share, which no rule for a layer can."""


@dataclass(frozen=True)
class Mend:
    """What a Flax layer's parameters have to be drawn from.

    Args:
        layer: Flax's.
        values: code of a Distribution, or of a function, by the name of the parameter; None if
            no rule can say it.
        names: of the Distributions in it.
    """

    layer: Layer
    values: Mapping[str, str] | None
    names: frozenset[str] = frozenset()


def mend_of(pair: Pair, parameters: Iterable[str], expected: Expected) -> Mend:
    """torch's Distributions for some parameters of a layer.

    Args:
        pair: the layers.
        parameters: those that differ.
        expected: torch's side.
    """
    values: dict[str, str] = {}
    names: set[str] = set()
    for parameter in _with_terms(pair.flax, parameters):
        code, used = _code(pair, parameter, expected)
        if code is None:
            return Mend(pair.flax, None)
        values[parameter] = code
        names |= used
    return Mend(pair.flax, values, frozenset(names))


def _with_terms(layer: Layer, parameters: Iterable[str]) -> list[str]:
    """Those, and what is added to them in one array, which a rule must give as well."""
    wanted = set(parameters)
    grown = True
    while grown:
        size = len(wanted)
        for leaf in layer.leaves:
            for at in {piece.at for piece in leaf.pieces}:
                terms = {piece.name for piece in leaf.pieces if piece.at == at}
                if terms & wanted:
                    wanted |= terms
        grown = len(wanted) > size
    return [name for name in layer.shapes if name in wanted]


def _code(pair: Pair, parameter: str, expected: Expected) -> tuple[str | None, set[str]]:
    sources = [
        (leaf, piece)
        for leaf in pair.torch.leaves
        for piece in leaf.pieces
        if piece.name == parameter
    ]
    if len(sources) != 1:
        return None, set()
    leaf, piece = sources[0]
    value = expected.value(str(leaf.path))
    if isinstance(value, ScalarDistribution | Constant):
        return repr(value), {type(value).__name__}
    if piece.view != SAME or piece.part is not None or piece.at is not None:
        return None, set()
    if isinstance(value, Distribution):
        return repr(value), {type(value).__name__}
    name = expected.first(str(leaf.path))
    return f"lambda key, shape, dtype: recipe.draw({_quoted(name)}, key, dtype)", set()


def rule_code(mends: Sequence[Mend], layers: Sequence[Layer]) -> str:
    """A rule as code, layers that need the same written once.

    Args:
        mends: several for a layer are put together.
        layers: all of the model, so that no pattern takes in one that is not to change.

    Returns:
        Code that defines ``mend``; or the call that starts the whole model, where no rule mends.
    """
    if any(mend.values is None for mend in mends):
        return BY_RECIPE
    together: dict[str, dict[str, str]] = {}
    used: set[str] = set()
    kinds: dict[str, str | None] = {}
    for mend in mends:
        together.setdefault(mend.layer.path, {}).update(mend.values or {})
        kinds[mend.layer.path] = mend.layer.kind
        used |= mend.names
    shared = {path for path in together if len([each for each in layers if each.path == path]) > 1}
    lines = []
    done: set[str] = set()
    for path, values in together.items():
        if path in done:
            continue
        pattern = _pattern(path)
        members = [layer.path for layer in layers if re.fullmatch(pattern, layer.path)]
        if any(together.get(member) != values for member in members) or shared & set(members):
            pattern, members = re.escape(path).replace("\\-", "-"), [path]
        done.update(members)
        answer = _answer(values)
        if path in shared:
            answer = f"lambda layer: {answer} if layer.kind == {kinds[path]!r} else None"
        lines.append(f"    r{_quoted(pattern)}: {answer},")
    imports = f"from fanwise.distributions import {', '.join(sorted(used))}\n\n" if used else ""
    return f"{imports}mend = fanwise.by_path({{\n" + "\n".join(lines) + "\n})"


def _answer(values: Mapping[str, str]) -> str:
    """The dictionary in one line, or in several where it is long."""
    items = [f"{_quoted(name)}: {code}" for name, code in values.items()]
    line = "{" + ", ".join(items) + "}"
    if len(line) <= 60:
        return line
    return "{\n" + "".join(f"        {item},\n" for item in items) + "    }"


def _pattern(path: str) -> str:
    """The path with every number left open."""
    parts = re.split(r"\d+", path)
    return r"\d+".join(re.escape(part).replace("\\-", "-") for part in parts)


def _quoted(pattern: str) -> str:
    return f'"{pattern}"'
