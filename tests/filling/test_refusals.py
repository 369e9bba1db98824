"""All parameters are checked before the first is drawn, and errors say which one it was."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec

import fanwise as fw
from fanwise.distributions import Dirac, Normal, Orthogonal, Uniform
from fanwise.filling import Parameter, fill

KEY = jax.random.key(0)
NORMAL = Normal(0.0, 1.0)


@pytest.fixture
def watched():
    """Two good parameters and a list of what was drawn of them.

    Their classes are new, so that nothing is compiled for them and drawing means tracing.
    """
    drawn = []

    class WatchedNormal(Normal):
        @staticmethod
        def transform(standard, dtype, *parameters):
            drawn.append("normal")
            return Normal.transform(standard, dtype, *parameters)

    class WatchedOrthogonal(Orthogonal):
        def _make(self, key, weight, dtype):
            drawn.append("orthogonal")
            return super()._make(key, weight, dtype)

    good = [
        Parameter("a", (4, 4), WatchedNormal(0.0, 1.0), KEY),
        Parameter("c", (4, 4), WatchedOrthogonal(), KEY),
    ]
    return good, drawn


REFUSED = {
    "key": (TypeError, Parameter("b", (3,), NORMAL, 0), "key must be a JAX PRNG key"),
    "words": (
        (TypeError, ValueError),
        Parameter("b", (3,), NORMAL, np.zeros(3, np.uint32)),
        "key",
    ),
    "many keys": (
        (TypeError, ValueError),
        Parameter("b", (3,), NORMAL, jax.random.split(KEY, 4)),
        "key",
    ),
    "shape": (TypeError, Parameter("b", 3, NORMAL, KEY), "shape must be"),
    "negative": (ValueError, Parameter("b", (3, -1), NORMAL, KEY), "negative"),
    "dtype": (TypeError, Parameter("b", (3,), NORMAL, KEY, "int32"), "dtype must be"),
    "range": (ValueError, Parameter("b", (3,), Uniform(0, 1e6), KEY, "float16"), "does not fit"),
    "one axis": (ValueError, Parameter("b", (3,), Orthogonal(), KEY), ""),
    "matrix": (ValueError, Parameter("b", (3, 3), Dirac(), KEY), "receptive-field"),
    "sharding": (TypeError, Parameter("b", (3,), NORMAL, KEY, None, "x"), "out_sharding must"),
    "no mesh": (
        ValueError,
        Parameter("b", (3,), NORMAL, KEY, None, PartitionSpec("x")),
        "there is no mesh",
    ),
    "initializer": (TypeError, Parameter("b", (3,), fw.normal(), KEY), "istribution"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_path(name, watched):
    (first, last), drawn = watched
    error, parameter, sentence = REFUSED[name]
    with pytest.raises(error, match=rf"^b: .*{sentence}"):
        fill([first, parameter, last])
    assert not drawn


@pytest.mark.parametrize("name", ["shape", "one axis", "range", "sharding", "many keys"])
def test_refused_under_a_trace_as_well(name, watched):
    (first, last), drawn = watched
    error, parameter, sentence = REFUSED[name]

    def init(key, bad_key):
        traced = replace(parameter, key=bad_key)
        return fill([replace(first, key=key), traced, replace(last, key=key)])

    with pytest.raises(error, match=rf"^b: .*{sentence}"):
        jax.eval_shape(init, KEY, parameter.key)
    assert not drawn


def test_a_path_may_occur_once(watched):
    (first, last), drawn = watched
    with pytest.raises(ValueError, match=r"path 'dense\.kernel' occurs twice"):
        fill([replace(first, path="dense.kernel"), replace(last, path="dense.kernel")])
    assert not drawn


def test_what_is_drawn_is_noticed(watched):
    """The control of the fixture."""
    good, drawn = watched
    fill(good)
    assert set(drawn) == {"normal", "orthogonal"}
