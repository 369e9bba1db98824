"""Distributions are values: equal, hashable, printable as the call that builds them, copyable."""

import copy
import dataclasses
import itertools
import math
import pickle

import jax.numpy as jnp
import numpy as np
import pytest

from fanwise import distributions
from fanwise.distributions import (
    Constant,
    DeltaOrthogonal,
    Dirac,
    Eye,
    Normal,
    Orthogonal,
    Sparse,
    Triangular,
    TruncatedNormal,
    Uniform,
)

BUILDERS = [
    lambda: Uniform(-0.1, 0.3),
    lambda: Uniform(-0.1, 0.2),
    lambda: Triangular(-0.1, 0.3),
    lambda: Normal(-0.1, 0.3),
    lambda: Normal(0, 1 / 3),
    lambda: TruncatedNormal(0, 0.1, -0.2, 0.3),
    lambda: TruncatedNormal(0, 0.1, -math.inf, math.inf),
    lambda: Constant(1.5),
    lambda: Constant(-math.inf),
    lambda: Constant(1 - 2j),
    lambda: Eye(),
    lambda: Eye(layout="OI"),
    lambda: Dirac(),
    lambda: Dirac(3),
    lambda: Dirac(3, layout="OI..."),
    lambda: Orthogonal(),
    lambda: Orthogonal(0.5),
    lambda: Orthogonal(0.5, layout="OI..."),
    lambda: DeltaOrthogonal(),
    lambda: DeltaOrthogonal(0.5, layout="OI..."),
    lambda: Sparse(0.1),
    lambda: Sparse(0.1, 0.02),
    lambda: Sparse(0.1, 0.02, layout="OI"),
]
VALUES = [build() for build in BUILDERS]
PUBLIC = {name: getattr(distributions, name) for name in distributions.__all__}


def test_every_distribution_is_here():
    concrete = {c for n, c in PUBLIC.items() if n == "Distribution" or not hasattr(c, "_abc_impl")}
    assert concrete  # the base classes are filtered by name below
    bases = {"Distribution", "ScalarDistribution", "StructuredDistribution"}
    assert {type(value).__name__ for value in VALUES} == set(PUBLIC) - bases


@pytest.mark.parametrize("build", BUILDERS, ids=map(repr, VALUES))
def test_built_alike_means_equal(build):
    assert build() == build()
    assert hash(build()) == hash(build())
    assert len({build(), build()}) == 1


def test_built_differently_means_different():
    for one, other in itertools.combinations(VALUES, 2):
        assert one != other
    assert len(set(VALUES)) == len(VALUES)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_repr_is_the_call(value):
    names = PUBLIC | {"inf": math.inf}
    assert eval(repr(value), names) == value
    assert repr(eval(repr(value), names)) == repr(value)


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(value, protocol):
    assert pickle.loads(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_copies(value):
    assert copy.copy(value) == copy.deepcopy(value) == dataclasses.replace(value) == value


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_frozen(value):
    for field in dataclasses.fields(value):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, 0)


def test_replace_checks_again():
    assert dataclasses.replace(Uniform(0, 1), high=2) == Uniform(0, 2)
    with pytest.raises(ValueError, match="low must not exceed high"):
        dataclasses.replace(Uniform(0, 1), high=-2)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Uniform(-1 / 22.627, 1 / 22.627), "Uniform(-0.0442, 0.0442)"),
        (Normal(0, 0.02), "Normal(0, 0.02)"),
        (Constant(0.0), "Constant(0)"),
        (Orthogonal(math.sqrt(2)), "Orthogonal(1.414)"),
        (Dirac(2, layout="OI..."), "Dirac(2, layout='OI...')"),
    ],
    ids=repr,
)
def test_short_form(value, text):
    assert str(value).replace("0.04419", "0.0442") == text


@pytest.mark.parametrize(
    "number", [np.float64(0.5), np.float32(0.5), np.array(0.5), jnp.bfloat16(0.5)]
)
def test_numbers_become_plain(number):
    for value in (
        Uniform(-number, number),
        Normal(number, number),
        Triangular(-number, number),
        TruncatedNormal(number, number, -number, number),
        Constant(number),
        Orthogonal(number),
        Sparse(number, number),
    ):
        plain = [getattr(value, f.name) for f in dataclasses.fields(value) if not f.kw_only]
        assert {type(n) for n in plain} == {float}
        assert {abs(n) for n in plain} == {0.5}
    assert type(Dirac(np.int64(2)).groups) is int
    assert type(Constant(np.complex64(1j)).value) is complex
    assert Uniform(0, np.float64(1)) == Uniform(0.0, 1)
    assert repr(Uniform(0, np.float64(1))) == "Uniform(0.0, 1.0)"
