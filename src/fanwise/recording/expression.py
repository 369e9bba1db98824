"""Values that are made of random draws.

An expression is a graph: draws, fills and literal arrays at its ends, operations between them. Two
expressions that hold the same Draw hold the same values there: that is how deep copies, tensors
computed from one another, and ties by value are told from independent draws.
"""

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fanwise.distributions import Constant, Dirac, Distribution, Eye
from fanwise.typing import DType

__all__ = [
    "Call",
    "Draw",
    "Expression",
    "Fill",
    "Literal",
    "Setting",
    "Unknown",
    "holds",
    "postorder",
    "renamed",
]

Setting: TypeAlias = Any
"""None, a truth value, a number, a string, or a tuple of settings."""


@dataclass(frozen=True, eq=False, repr=False)
class Expression:
    """A tensor as a function of random draws.

    Two are equal if they are built alike, from the same draws.

    Args:
        shape: torch's.
        dtype: its name, ``"float32"``.
    """

    shape: tuple[int, ...]
    dtype: str

    @property
    def arguments(self) -> "tuple[Expression, ...]":
        """What it is made of."""
        return ()

    @property
    def unknown(self) -> "Unknown | None":
        """A part that could not be expressed."""
        return None

    @cached_property
    def draws(self) -> "tuple[Draw, ...]":
        """The random draws in it, each once; what is not random (an identity matrix) is none."""
        found = {
            node.name: node for node in postorder(self) if isinstance(node, Draw) and node.is_random
        }
        return tuple(found.values())

    def renamed(
        self, names: Mapping[str, str], shared: Container[str] = frozenset()
    ) -> "Expression":
        """The same of draws with other names; those that are not listed lose theirs."""
        return renamed([self], names, shared)[0]

    @property
    def marginal(self) -> Distribution | None:
        """The law of an element, whatever else depends on the same draws.

        None where elements have different laws, or one that is no :class:`Distribution`.

        Example:
            >>> from fanwise.distributions import Normal
            >>> drawn = Draw((4,), "float32", "weight", Normal(0, 1))
            >>> Call((4,), "float32", "mul", (drawn, Fill((), "float32", 0.5))).marginal
            Normal(0.0, 0.5)
        """
        from fanwise.recording.law import law  # it is written in terms of expressions

        return law(self)

    @cached_property
    def _table(self) -> tuple[Any, ...]:
        numbers: dict[int, int] = {}
        rows = []
        for node in postorder(self):
            rows.append((node._content(), tuple(numbers[id(a)] for a in node.arguments)))
            numbers[id(node)] = len(rows) - 1
        return tuple(rows)

    def _content(self) -> tuple[Any, ...]:
        """What tells it from others, its arguments apart."""
        return (type(self).__name__, self.shape, self.dtype)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Expression):
            return NotImplemented
        return self is other or self._table == other._table

    def __hash__(self) -> int:
        return hash(self._table)

    def __repr__(self) -> str:
        # Not of its operands: a graph written out as a tree may be exponentially long.
        return f"{type(self).__name__}[{self}]"

    def __str__(self) -> str:
        from fanwise.recording.text import text  # as for the law

        return text(self)


@dataclass(frozen=True, eq=False, repr=False)
class Draw(Expression):
    """An array drawn from a Distribution.

    Args:
        name: what its key is made from; draws of one name are one draw.
        distribution: what it is drawn from.
        is_shared: whether it is in several tensors of the recipe.
    """

    name: str
    distribution: Distribution
    is_shared: bool = False

    @property
    def is_random(self) -> bool:
        """Whether anything is drawn."""
        return not isinstance(self.distribution, (Constant, Dirac, Eye))

    def _content(self) -> tuple[Any, ...]:
        return (*super()._content(), self.name, self.distribution)


@dataclass(frozen=True, eq=False, repr=False)
class Fill(Expression):
    """One number everywhere."""

    value: float | complex

    def _content(self) -> tuple[Any, ...]:
        # As text, in which NaN equals itself and -0.0 is not 0.0.
        return (*super()._content(), repr(self.value))


@dataclass(frozen=True, eq=False, repr=False)
class Literal(Expression):
    """An array of known numbers.

    Args:
        data: the bytes of its elements, in row-major order.
    """

    data: bytes

    @classmethod
    def of(cls, array: npt.ArrayLike, dtype: str | None = None) -> "Literal":
        """From an array; ``dtype`` is its name where numpy lacks it (bfloat16 as uint16)."""
        kept = np.asarray(array)
        return cls(kept.shape, dtype or kept.dtype.name, kept.tobytes())

    @property
    def array(self) -> npt.NDArray[Any]:
        """The array, read-only."""
        return np.frombuffer(self.data, numpy_dtype(self.dtype)).reshape(self.shape)

    def _content(self) -> tuple[Any, ...]:
        return (*super()._content(), self.data)


@dataclass(frozen=True, eq=False, repr=False)
class Call(Expression):
    """The result of an operation.

    Args:
        operation: a name in :mod:`fanwise.recording.operations`.
        operands: what it is made of.
        settings: whatever else it takes, as pairs.
    """

    operation: str
    operands: tuple[Expression, ...]
    settings: tuple[tuple[str, Setting], ...] = ()

    @property
    def arguments(self) -> tuple[Expression, ...]:
        """The operands."""
        return self.operands

    @cached_property
    def unknown(self) -> "Unknown | None":
        """A part that could not be expressed."""
        # Operands have been asked before: the graph is built from its ends.
        return next((each.unknown for each in self.operands if each.unknown is not None), None)

    def setting(self, name: str) -> Setting:
        """A setting, or None."""
        return dict(self.settings).get(name)

    def _content(self) -> tuple[Any, ...]:
        return (*super()._content(), self.operation, self.settings)


@dataclass(frozen=True, eq=False, repr=False)
class Unknown(Expression):
    """What cannot be expressed; never part of what was recorded.

    Args:
        operation: what made it, in the user's terms.
        advice: what to do.
    """

    operation: str
    advice: str = ""

    @property
    def unknown(self) -> "Unknown | None":
        """Itself."""
        return self

    def _content(self) -> tuple[Any, ...]:
        return (*super()._content(), self.operation)


def postorder(*roots: Expression) -> Iterator[Expression]:
    """All nodes, each once, after its arguments; without recursion, as some graphs are deep."""
    seen: set[int] = set()
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        node, is_done = stack.pop()
        if is_done:
            yield node
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack += [(argument, False) for argument in reversed(node.arguments)]


def renamed(
    roots: Sequence[Expression], names: Mapping[str, str], shared: Container[str] = frozenset()
) -> list[Expression]:
    """Expressions with other names for their draws; parts in common stay common.

    Args:
        roots: the expressions.
        names: new names by old ones; draws that are not listed have none.
        shared: the old names of draws that are in several tensors.
    """
    made: dict[int, Expression] = {}
    for node in postorder(*roots):
        if isinstance(node, Draw):
            name, is_shared = names.get(node.name, ""), node.name in shared
            made[id(node)] = Draw(node.shape, node.dtype, name, node.distribution, is_shared)
        elif isinstance(node, Call):
            operands = tuple(made[id(each)] for each in node.operands)
            made[id(node)] = Call(node.shape, node.dtype, node.operation, operands, node.settings)
        else:
            made[id(node)] = node
    return [made[id(root)] for root in roots]


_LARGEST_HALF = float(np.finfo(np.float16).max)


def holds(name: str, value: float | complex) -> bool:
    """Whether a number is in the range of a dtype: others wrap around, or become infinite."""
    if isinstance(value, complex) or not math.isfinite(value):
        return True
    if name == "bool":
        return value in (0, 1)
    if name.startswith(("int", "uint")):
        limits = np.iinfo(name)
        return bool(limits.min <= value <= limits.max)
    return name != "float16" or abs(value) <= _LARGEST_HALF


def numpy_dtype(name: str) -> DType:
    """The dtype of that name, those of JAX included."""
    import jax.numpy as jnp

    return np.dtype(jnp.dtype(name))
