"""Elementwise functions in a traced program: the activation that a layer's output goes into.

An activation may be one operation (``tanh``), a function of jax.nn with a program of its own
(``jit[name=silu]``), or several operations in a row (``jax.nn.gelu``, ``x * sigmoid(x)``). What is
looked for is the largest set of elementwise operations that depends on the layer's output and on
numbers alone, of which one result is used by the rest of the program, and the output itself not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

__all__ = ["Elementwise", "is_elementwise", "region_of", "sub_program"]

_UNARY = (
    "tanh logistic exp exp2 expm1 log log1p erf erfc erf_inv sin cos tan sinh cosh asinh acosh "
    "atanh asin acos atan sqrt rsqrt cbrt abs neg sign square integer_pow is_finite not floor ceil "
    "round convert_element_type copy reduce_precision"
)
_OTHERS = (
    "max min add sub mul div rem pow select_n gt lt ge le eq ne and or xor clamp atan2 nextafter "
    "add_any"
)
_ELEMENTWISE = frozenset(f"{_UNARY} {_OTHERS}".split())

# Programs within the program, run as if their operations stood there.
_INLINE = {"jit": "jaxpr", "custom_jvp_call": "call_jaxpr"}


@dataclass(frozen=True, eq=False)
class Elementwise:
    """An elementwise function found in a program.

    Args:
        name: its name where it has one, as jax.nn calls it.
        equations: its operations in order.
        before: the variable that goes in.
        after: the variable that comes out.
        is_affine: whether it only scales and shifts.
        constants: values that the program knows, by variable.
    """

    name: str
    equations: tuple[Any, ...]
    before: Any
    after: Any
    is_affine: bool
    constants: Any

    def __call__(self, x: Any) -> Any:
        """The function at any floating array, in the array's own dtype."""
        return _evaluate(self.equations, {self.before: x}, self.after, self.constants, x)


def sub_program(equation: Any) -> Any:
    """The jaxpr of an equation that only runs another program, else None."""
    name = _INLINE.get(equation.primitive.name)
    if name is None:
        return None
    program = equation.params[name]
    return program.jaxpr if hasattr(program, "jaxpr") else program


def region_of(jaxpr: Any, start: Any, constants: Any, passes: Any) -> Elementwise | None:
    """The elementwise function that a variable goes into, None if there is none.

    Args:
        jaxpr: the program in which the variable is made.
        start: the variable.
        constants: values of the program's constants, by variable.
        passes: whether an equation hands on what it gets, such as the mark of a module around.
    """
    inside, numbers = {start}, set(constants)
    equations, operations = [], []
    used_outside: set[Any] = set()
    for equation in jaxpr.eqns:
        inputs = [v for v in equation.invars if not isinstance(v, Literal)]
        is_own = all(v in inside or v in numbers for v in inputs)
        is_fed = any(v in inside for v in inputs)
        if is_own and is_fed and (passes(equation) or is_elementwise(equation)):
            inside.update(equation.outvars)
            equations.append(equation)
            operations += [] if passes(equation) else [equation]
        elif is_own and not is_fed and is_elementwise(equation):
            numbers.update(equation.outvars)
            equations.append(equation)
        else:
            used_outside.update(v for v in inputs if v in inside)
    used_outside.update(v for v in jaxpr.outvars if not isinstance(v, Literal) and v in inside)
    if not operations or len(used_outside) != 1 or start in used_outside:
        return None
    (after,) = used_outside
    if after.aval.shape != start.aval.shape or not jnp.issubdtype(after.aval.dtype, jnp.floating):
        return None
    is_affine = all(_is_affine(equation, inside) for equation in operations)
    name = _name(operations)
    return Elementwise(name, tuple(equations), start, after, is_affine, constants)


def _is_affine(equation: Any, inside: Any) -> bool:
    """Whether an operation only scales and shifts what it is given."""
    name = equation.primitive.name
    if name in ("mul", "div"):
        scaled = [not isinstance(v, Literal) and v in inside for v in equation.invars]
        return scaled != [True, True] and (name == "mul" or scaled[0])
    return name in ("add", "sub", "neg", "convert_element_type", "copy", "reduce_precision")


def is_elementwise(equation: Any) -> bool:
    """Whether every operation of an equation is elementwise."""
    program = sub_program(equation)
    if program is not None:
        return all(is_elementwise(inner) for inner in program.eqns)
    if equation.primitive.name == "broadcast_in_dim":
        return bool(equation.invars[0].aval.shape == ())
    return equation.primitive.name in _ELEMENTWISE


def _name(operations: Sequence[Any]) -> str:
    names = [_name_of(equation) for equation in operations]
    if len(names) == 1:
        lone = operations[0]
        is_relu = names == ["max"] and any(
            isinstance(v, Literal) and v.val == 0 for v in lone.invars
        )
        return "relu" if is_relu else _RENAMED.get(names[0], names[0])
    if ("tanh" in names and "integer_pow" in names) or "erfc" in names:
        return "gelu"
    return _RENAMED.get(names[0], names[0]) + ", ..."


def _name_of(equation: Any) -> str:
    """As jax.nn calls the function that an equation runs; else the operation's own."""
    if equation.primitive.name == "custom_jvp_call":
        described = str(equation.params["call_jaxpr"].jaxpr.debug_info.func_src_info)
        return described.split(" at ")[0]
    return str(equation.params.get("name", equation.primitive.name))


# jax's name for an operation, where jax.nn's function has another.
_RENAMED = {"logistic": "sigmoid"}

# Their slope at the kink is 0, and not what their operations would give.
_KINKED = {"relu": jax.nn.relu, "relu6": jax.nn.relu6}


def _evaluate(equations: Any, values: dict[Any, Any], after: Any, constants: Any, x: Any) -> Any:
    """Run elementwise operations at an array of another shape or floating dtype than traced."""

    def read(v: Any) -> Any:
        value = v.val if isinstance(v, Literal) else values[v] if v in values else constants[v]
        is_floating = jnp.issubdtype(jnp.result_type(value), jnp.floating)
        return jnp.asarray(value, x.dtype) if is_floating else jnp.asarray(value)

    for equation in equations:
        inputs = [read(v) for v in equation.invars]
        values |= zip(equation.outvars, _outputs(equation, inputs, x), strict=True)
    return values[after]


def _outputs(equation: Any, inputs: list[Any], x: Any) -> list[Any]:
    program = sub_program(equation)
    name, parameters = equation.primitive.name, equation.params
    if name == "custom_jvp_call" and (own_name := _name_of(equation)) in _KINKED:
        return [_KINKED[own_name](*inputs)]
    if program is not None:
        own = dict(zip(program.invars, inputs, strict=True))
        return [
            v.val if isinstance(v, Literal) else _evaluate(program.eqns, own, v, {}, x)
            for v in program.outvars
        ]
    if name in ("broadcast_in_dim", "fanwise_mark"):
        return inputs  # numbers stay numbers
    if name == "convert_element_type":
        dtype = parameters["new_dtype"]
        return [inputs[0].astype(x.dtype if jnp.issubdtype(dtype, jnp.floating) else dtype)]
    shape = np.broadcast_shapes(*(value.shape for value in inputs))
    inputs = [jnp.broadcast_to(value, shape) for value in inputs]
    return [jax.tree.leaves(equation.primitive.bind(*inputs, **parameters))[0]]
