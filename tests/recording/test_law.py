"""Which expressions are Distributions: decided by their laws, confirmed by sampling."""

import math

import jax
import numpy as np
import pytest

from fanwise.distributions import (
    Constant,
    Eye,
    Normal,
    Orthogonal,
    Sparse,
    Triangular,
    TruncatedNormal,
    Uniform,
)
from fanwise.recording import Call, Fill
from fanwise.recording.evaluate import evaluate
from fanwise.recording.law import is_independent
from tests.agreement import disagreements
from tests.recording.expressions import (
    NORMAL,
    draw,
    elementwise,
    number,
    numbers,
    padded,
    read,
    write,
)

UNIFORM = Uniform(-1.0, 2.0)
TRUNCATED = TruncatedNormal(0.5, 1.0, -1.0, 3.0)
SHAPE = (400, 500)


def affine(law):
    value = elementwise("mul", draw(SHAPE, law), number(-2.0))
    value = elementwise("add", value, number(3.0))
    value = elementwise("div", value, number(4.0))
    return elementwise("sub", value, number(1.0))


def other(law=NORMAL):
    return draw(SHAPE, law, "other")


CASES = {
    "normal": (draw(SHAPE), Normal(0.0, 1.0)),
    "affine normal": (affine(Normal(1.0, 2.0)), Normal(-0.75, 1.0)),
    "affine uniform": (affine(UNIFORM), Uniform(-1.25, 0.25)),
    "affine triangular": (affine(Triangular(-1.0, 2.0)), Triangular(-1.25, 0.25)),
    "affine truncated": (affine(TRUNCATED), TruncatedNormal(-0.5, 0.5, -1.75, 0.25)),
    "negative": (elementwise("neg", draw(SHAPE, UNIFORM)), Uniform(-2.0, 1.0)),
    "number minus": (
        elementwise("sub", number(1.0), draw(SHAPE, UNIFORM)),
        Uniform(-1.0, 2.0),
    ),
    "normals": (
        elementwise("sub", affine(Normal(1.0, 6.0)), elementwise("mul", other(), number(4.0))),
        Normal(-0.75, 5.0),
    ),
    "uniforms": (
        elementwise("sub", draw(SHAPE, UNIFORM), other(Uniform(0.0, 3.0))),
        Triangular(-4.0, 2.0),
    ),
    "transposed": (read(draw(SHAPE, UNIFORM), SHAPE[::-1], (1, 500)), UNIFORM),
    "reshaped": (
        Call((200_000,), "float32", "reshape", (draw(SHAPE),), (("shape", (200_000,)),)),
        Normal(0.0, 1.0),
    ),
    "joined": (
        Call((800, 500), "float32", "cat", (draw(SHAPE), other()), (("dim", 0),)),
        Normal(0.0, 1.0),
    ),
    "erfinv": (
        elementwise("erfinv", draw(SHAPE, Uniform(-0.5, 0.9))),
        TruncatedNormal(0.0, math.sqrt(0.5), -0.4769362762044699, 1.1630871536766743),
    ),
    "erfinv of all": (
        elementwise("erfinv", draw(SHAPE, Uniform(-1.0, 1.0))),
        Normal(0.0, math.sqrt(0.5)),
    ),
    "clamped where nothing is": (
        elementwise("clamp", draw(SHAPE, UNIFORM), min=-1.0, max=5.0),
        UNIFORM,
    ),
    "bounded again": (
        elementwise("clamp", draw(SHAPE, TRUNCATED), min=-1.0000001, max=2.9999999),
        TruncatedNormal(0.5, 1.0, -1.0, 2.9999999),
    ),
    "bounded where float32 never is": (
        elementwise("clamp", draw(SHAPE, TruncatedNormal(0.0, 1.0, -20.0, 20.0)), min=-9.0),
        TruncatedNormal(0.0, 1.0, -9.0, 20.0),
    ),
    "narrowed": (elementwise("cast", draw(SHAPE, UNIFORM), dtype="bfloat16"), UNIFORM),
}


@pytest.mark.parametrize("name", CASES)
def test_law_of_independent_elements(name):
    value, expected = CASES[name]
    law = value.marginal
    assert type(law) is type(expected)
    for field in vars(expected):
        assert math.isclose(getattr(law, field), getattr(expected, field), abs_tol=1e-12)
    assert is_independent(value)
    if value.dtype == "bfloat16":
        return
    keys = iter(jax.random.split(jax.random.key(0)))
    drawn = evaluate(value, lambda node, _: node.distribution.sample(next(keys), node.shape))
    assert disagreements(drawn, law) == []


def test_the_check_by_sampling_can_fail():
    value, law = CASES["affine uniform"]
    drawn = evaluate(value, lambda node, _: node.distribution.sample(jax.random.key(0), SHAPE))
    assert disagreements(np.asarray(drawn) * 1.03, law) != []


@pytest.mark.parametrize(
    "value",
    [
        padded(),
        numbers((4,)),
        elementwise("exp", draw((4,))),
        elementwise("mul", draw((4,)), draw((4,), name="other")),
        elementwise("add", draw((4,)), draw((4,), UNIFORM, "other")),
        elementwise("add", draw((4,), UNIFORM), draw((4,), Uniform(0.0, 1.0), "other")),
        elementwise("add", draw((4,)), draw((4,))),
        elementwise("clamp", draw((4,)), min=-1.0, max=1.0),
        elementwise("clamp", draw((4,), TRUNCATED), min=0.0, max=3.0),
        # Bounds as far from the middle as the law's own, on the other side.
        elementwise("clamp", draw((4,), TRUNCATED), min=4.0),
        elementwise("clamp", draw((4,), TRUNCATED), max=-4.0),
        elementwise("clamp", draw((4,), TruncatedNormal(0.0, 1.0, 10.0, 12.0)), max=9.0),
        elementwise("div", number(1.0), draw((4,))),
        elementwise("cast", draw((4,), dtype="bfloat16"), dtype="float32"),
        elementwise("cast", draw((4,)), dtype="int64"),
        elementwise("erfinv", draw((4,))),
        elementwise("add", draw((4, 4), Orthogonal()), number(1.0)),
        read(draw((4, 6), Orthogonal()), (24,), (1,)),
    ],
    ids=str,
)
def test_no_one_law(value):
    assert value.marginal is None


@pytest.mark.parametrize(
    ("value", "law"),
    [
        (elementwise("mul", draw((4, 6), Orthogonal(2.0)), number(-3.0)), Orthogonal(6.0)),
        (elementwise("mul", draw((4, 6), Sparse(0.5, 2.0)), number(3.0)), Sparse(0.5, 6.0)),
        (elementwise("mul", draw((4, 6)), number(0.0)), Constant(0.0)),
        (Fill((3,), "float32", 2.5), Constant(2.5)),
        (draw((3, 3), Eye()), Eye()),
        (
            read(draw((4, 6), Orthogonal(2.0, layout="OI...")), (6, 4), (1, 6)),
            Orthogonal(2.0, layout="IO"),
        ),
    ],
    ids=str,
)
def test_laws_of_a_whole(value, law):
    assert value.marginal == law


@pytest.mark.parametrize(
    "value",
    [
        elementwise("add", draw((4,)), draw((4,))),
        elementwise("add", draw((4,)), draw((3, 4), name="other")),
        read(draw((4,)), (3, 4), (0, 1)),
        read(draw((4,)), (3, 2), (1, 1)),
        Call((2, 4), "float32", "broadcast", (draw((4,)),), (("shape", (2, 4)),)),
        Call((8,), "float32", "cat", (draw((4,)), draw((4,))), (("dim", 0),)),
        write(draw((4, 4)), draw((4,), name="other"), (1,), 4),
        Call((), "float32", "sum", (draw((4,)),)),
    ],
    ids=str,
)
def test_elements_that_depend_on_one_another(value):
    assert not is_independent(value)
