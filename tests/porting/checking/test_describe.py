"""A sample in words: the family is told, the numbers are near."""

import jax
import numpy as np
import pytest

from fanwise.distributions import Constant, Normal, Triangular, TruncatedNormal, Uniform
from fanwise.porting.checking.describe import describe
from fanwise.testing import sample_of

LAWS = [
    Normal(0.0, 0.02),
    Normal(3.0, 0.5),
    Uniform(-0.3, 0.3),
    Uniform(0.0, 0.3),
    Uniform(1.0, 1.5),
    TruncatedNormal(0.0, 0.02, -0.04, 0.04),
    Triangular(-0.5, 0.5),
]


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_family_and_numbers(law, key):
    found = describe(sample_of(np.asarray(law.sample(key, (60_000,)))))
    assert type(found.distribution) is type(law)
    assert abs(found.distribution.mean - law.mean) < 0.02 * law.std
    assert found.distribution.std == pytest.approx(law.std, rel=0.02)
    assert str(found).startswith("about")


def test_constant():
    found = describe(sample_of(np.full(7, 0.25, np.float32)))
    assert (str(found), found.distribution) == ("0.25", Constant(0.25))


def test_one_sign_is_said(key):
    values = np.abs(np.asarray(jax.random.normal(key, (10_000,))))
    assert str(describe(sample_of(values))).startswith("never negative")
    assert str(describe(sample_of(-values))).startswith("never positive")


def test_not_finite():
    assert str(describe(sample_of(np.asarray([0.0, np.nan], np.float32)))) == "not finite"
