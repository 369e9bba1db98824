"""A traced program, run again with something measured at each of its marks.

Programs within the program are run as what they are: loops as loops, rematerialized parts
rematerialized. A jit is run as part of the one around it. So nothing is kept that the model's own
backward pass would not keep.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import ClosedJaxpr, Literal, jaxpr_as_fun

from fanwise.frameworks.observation import INPUT
from fanwise.signal.elementwise import region_of
from fanwise.signal.mark import mark_p
from fanwise.signal.measures import FORWARD, log_second_moment, probe
from fanwise.signal.occurrences import is_around, known_numbers, programs_in

__all__ = ["evaluate"]


def evaluate(
    jaxpr: Any, constants: Sequence[Any], inputs: Sequence[Any], sinks: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """Run a program.

    Args:
        jaxpr: the program.
        constants: its constants.
        inputs: its inputs.
        sinks: zeros, for each mark at an output, in order; with the lengths of the loops around in
            front.

    Returns:
        The program's results, and what was measured at each mark, in order, with the lengths of the
        loops around in front: at an input the logarithm of the second moment, at an output what
        :data:`fanwise.signal.measures.FORWARD` names.

    Raises:
        ValueError: for layers in a ``while`` loop, or where else nothing can be measured.
    """
    return _run(jaxpr, constants, inputs, iter(sinks))


def _run(
    jaxpr: Any, constants: Sequence[Any], inputs: Sequence[Any], sinks: Iterator[Any]
) -> tuple[list[Any], list[Any]]:
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, constants, strict=True))
    values |= zip(jaxpr.invars, inputs, strict=True)
    numbers = known_numbers(jaxpr, constants)

    def read(v: Any) -> Any:
        return v.val if isinstance(v, Literal) else values[v]

    measured: list[Any] = []
    for equation in jaxpr.eqns:
        own = [read(v) for v in equation.invars]
        outputs: Sequence[Any]
        if equation.primitive is mark_p:
            outputs, new = _mark(equation, jaxpr, numbers, own[0], sinks)
        elif not _marks(equation):
            outputs, new = _bound(equation, jaxpr, values), []
        else:
            outputs, new = _inside(equation, own, sinks)
        values |= zip(equation.outvars, outputs, strict=True)
        measured += new
    return [read(v) for v in jaxpr.outvars], measured


def _bound(equation: Any, jaxpr: Any, values: Mapping[Any, Any]) -> Sequence[Any]:
    """The equation's own results, as of a program that has no other."""
    variables = list({v: None for v in equation.invars if not isinstance(v, Literal)})
    program = jaxpr.replace(
        constvars=[],
        invars=variables,
        outvars=equation.outvars,
        eqns=[equation],
        effects=equation.effects,
    )
    results: Sequence[Any] = jaxpr_as_fun(ClosedJaxpr(program, []))(*map(values.get, variables))
    return results


def _mark(
    equation: Any, jaxpr: Any, numbers: Mapping[Any, Any], x: Any, sinks: Iterator[Any]
) -> tuple[list[Any], list[Any]]:
    if equation.params["role"] == INPUT:
        return [x], [log_second_moment(lax.stop_gradient(x))[None]]
    around = is_around(equation.params["names"])
    function = region_of(jaxpr, equation.outvars[0], numbers, around)
    slope = None
    if function is not None and not function.is_affine:
        at = lax.stop_gradient(x)
        _, slope = jax.jvp(function, (at,), (jnp.ones_like(at),))
    x, measured = probe(x, slope, next(sinks))
    return [x], [measured]


def _marks(equation: Any) -> list[str]:
    """The roles of the marks inside of an equation, in order."""
    roles = []
    for program in programs_in(equation):
        for inner in program.eqns:
            roles += _roles(inner)
    return roles


def _inside(
    equation: Any, inputs: list[Any], sinks: Iterator[Any]
) -> tuple[Sequence[Any], list[Any]]:
    """An equation that runs other programs with marks in them."""
    name, parameters = equation.primitive.name, equation.params
    own = list(islice(sinks, sum(role != INPUT for role in _marks(equation))))
    if name == "jit":
        return _run(parameters["jaxpr"].jaxpr, parameters["jaxpr"].consts, inputs, iter(own))
    if name == "remat2":
        return _rematerialized(parameters, inputs, own)
    if name == "scan":
        return _scanned(parameters, inputs, own)
    if name == "cond":
        return _either(parameters["branches"], inputs, own)
    raise ValueError(
        f"model must run its layers in plain code, jit, scan, remat or cond, got layers in a "
        f"{name!r}, where their gradients or their number are not known; trace the part of the "
        f"model that is inside of it"
    )


def _rematerialized(
    parameters: Mapping[str, Any], inputs: list[Any], sinks: list[Any]
) -> tuple[Sequence[Any], list[Any]]:
    def body(inputs: list[Any], sinks: list[Any]) -> Any:
        return _run(parameters["jaxpr"], (), inputs, iter(sinks))

    options = {name: parameters[name] for name in ("policy", "prevent_cse")}
    result: tuple[Sequence[Any], list[Any]] = jax.checkpoint(body, **options)(inputs, sinks)
    return result


def _scanned(
    parameters: Mapping[str, Any], inputs: list[Any], sinks: list[Any]
) -> tuple[Sequence[Any], list[Any]]:
    body = parameters["jaxpr"]
    first, second = parameters["num_consts"], parameters["num_carry"]
    constants, carry, rest = (
        inputs[:first],
        inputs[first : first + second],
        inputs[first + second :],
    )

    def step(carry: list[Any], each: Any) -> Any:
        own, own_sinks = each
        outputs, measured = _run(
            getattr(body, "jaxpr", body),
            getattr(body, "consts", ()),
            [*constants, *carry, *own],
            iter(own_sinks),
        )
        return outputs[:second], (outputs[second:], measured)

    carried, (made, measured) = lax.scan(
        step,
        carry,
        (rest, sinks),
        length=parameters["length"],
        reverse=parameters["reverse"],
        unroll=parameters["unroll"],
    )
    return [*carried, *made], measured


def _either(
    branches: Sequence[Any], inputs: list[Any], sinks: list[Any]
) -> tuple[Sequence[Any], list[Any]]:
    """A cond: what is measured in the branch that is not taken is nan."""
    which, *operands = inputs
    programs = [getattr(branch, "jaxpr", branch) for branch in branches]
    roles = [[r for eqn in p.eqns for r in _roles(eqn)] for p in programs]

    def branch_of(index: int) -> Any:
        def run(operands: list[Any], sinks: list[Any]) -> Any:
            outputs_before = sum(r != INPUT for own in roles[:index] for r in own)
            outputs, measured = _run(
                programs[index],
                getattr(branches[index], "consts", ()),
                operands,
                iter(sinks[outputs_before:]),
            )
            empty = [
                [jnp.full(1 if r == INPUT else len(FORWARD), jnp.nan, jnp.float32) for r in own]
                for own in roles
            ]
            empty[index] = measured
            return outputs, [each for own in empty for each in own]

        return run

    result: tuple[Sequence[Any], list[Any]] = lax.switch(
        which, [branch_of(index) for index in range(len(branches))], operands, sinks
    )
    return result


def _roles(equation: Any) -> list[str]:
    return [equation.params["role"]] if equation.primitive is mark_p else _marks(equation)
