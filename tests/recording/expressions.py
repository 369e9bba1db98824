"""Expressions to test with."""

import math

import numpy as np

from fanwise.distributions import Distribution, Normal
from fanwise.recording import Call, Draw, Expression, Fill, Literal

NORMAL = Normal(0.0, 1.0)


def draw(
    shape: tuple[int, ...],
    law: Distribution = NORMAL,
    name: str = "weight",
    dtype: str = "float32",
) -> Draw:
    return Draw(shape, dtype, name, law)


def number(value: float, dtype: str = "float32") -> Fill:
    return Fill((), dtype, value)


def elementwise(name: str, *operands: Expression, dtype: str = "float32", **settings) -> Call:
    shape = np.broadcast_shapes(*(each.shape for each in operands))
    return Call(shape, dtype, name, operands, tuple(settings.items()))


def read(source: Expression, size, stride, offset=0) -> Call:
    settings = (("size", size), ("stride", stride), ("offset", offset))
    return Call(size, source.dtype, "read", (source,), settings)


def write(source: Expression, values: Expression, stride, offset=0) -> Call:
    settings = (("size", values.shape), ("stride", stride), ("offset", offset))
    return Call(source.shape, source.dtype, "write", (source, values), settings)


def padded(rows: int = 6, columns: int = 4, row: int = 1) -> Call:
    """An embedding's table, a row of it zero."""
    return write(draw((rows, columns)), Fill((columns,), "float32", 0.0), (1,), row * columns)


def numbers(shape: tuple[int, ...]) -> Literal:
    count = math.prod(shape)
    return Literal.of(np.linspace(-1.0, 1.0, count, dtype=np.float32).reshape(shape))
