"""Sums of distributions, and axes of stacks: the arithmetic below the adapters."""

import numpy as np
import pytest

from fanwise.distributions import Constant, Normal, Triangular, TruncatedNormal, Uniform
from fanwise.frameworks.answers import sum_of
from fanwise.frameworks.stacking import added_axes, is_ambiguous, stacks_of

TRUNCATED = TruncatedNormal(0.0, 1.0, -2.0, 2.0)
SUMS = [
    ([Uniform(-1, 1)], Uniform(-1.0, 1.0)),
    ([Uniform(-1, 1), Uniform(-1, 1)], Triangular(-2.0, 2.0)),
    ([Uniform(0, 1), Uniform(0, 1), Constant(3.0)], Triangular(3.0, 5.0)),
    ([Uniform(-1, 1), Constant(0.5)], Uniform(-0.5, 1.5)),
    ([Normal(1, 3), Normal(2, 4)], Normal(3.0, 5.0)),
    ([Normal(1, 3), Constant(2.0)], Normal(3.0, 3.0)),
    ([Constant(1.0), Constant(2.0)], Constant(3.0)),
    ([TRUNCATED, Constant(0.0)], TRUNCATED),
    ([TRUNCATED, Constant(1.0)], None),
    ([Uniform(-1, 1), Uniform(-2, 2)], None),
    ([Uniform(-1, 1), Normal(0, 1)], None),
    ([Uniform(-1, 1)] * 3, None),
]


@pytest.mark.parametrize(("terms", "expected"), SUMS, ids=str)
def test_sums(terms, expected):
    assert sum_of(terms) == expected


@pytest.mark.parametrize(("terms", "expected"), [case for case in SUMS if case[1]], ids=str)
def test_moments_of_sums_add(terms, expected, key):
    mean = sum(
        float(np.mean(term.sample(key, (3,)))) for term in terms if isinstance(term, Constant)
    )
    mean += sum(term.mean for term in terms if not isinstance(term, Constant))
    variance = sum(term.std**2 for term in terms if not isinstance(term, Constant))
    if isinstance(expected, Constant):
        assert expected.value == mean
    else:
        assert expected.mean == pytest.approx(mean, abs=1e-12)
        assert expected.std == pytest.approx(variance**0.5, rel=1e-12)


def test_axes_of_a_stack():
    assert added_axes((5, 3, 4), (3, 4)) == [(0,)]
    assert added_axes((3, 5, 4), (3, 4)) == [(1,)]
    assert added_axes((3, 3, 4), (3, 4)) == [(0,), (1,)]
    assert added_axes((3, 4), (3, 4)) == [()]
    with pytest.raises(ValueError, match=r"\(5, 3\) is no stack of arrays of shape \(4,\)"):
        added_axes((5, 3), (4,))


def test_stacks_from_what_modules_saw():
    levels = [{(6, 4, 5)}, {(2, 6, 4, 5)}, {(4, 5)}]
    assert stacks_of((2, 6, 4, 5), [set(), *levels[1:]]) == ((4, 5), ((0, 2, 2), (0, 6, 2)))
    nested = [{(2, 6, 4, 5)}, {(6, 4, 5)}, {(4, 5)}]
    assert stacks_of((2, 6, 4, 5), nested) == ((4, 5), ((0, 2, 1), (0, 6, 2)))


def test_a_stack_as_long_as_the_layer_is_wide_needs_to_be_known():
    levels = [{(4, 4)}]
    assert is_ambiguous((4, 4, 4), levels)
    assert not is_ambiguous((3, 4, 4), levels)
    assert stacks_of((4, 4, 4), levels)[1] == ((0, 4, 0),)
    assert stacks_of((4, 4, 4), levels, known=[1])[1] == ((1, 4, 0),)
