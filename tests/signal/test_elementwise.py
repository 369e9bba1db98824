"""Activations are found in traced programs, and are the functions that they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxpr_as_fun

from fanwise.signal.elementwise import region_of
from fanwise.signal.mark import mark, mark_p
from fanwise.signal.occurrences import is_around

ACTIVATIONS = {
    "relu": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "gelu": jax.nn.gelu,
    "gelu ": lambda x: jax.nn.gelu(x, approximate=False),
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "celu": jax.nn.celu,
    "leaky_relu": jax.nn.leaky_relu,
    "softplus": jax.nn.softplus,
    "log_sigmoid": jax.nn.log_sigmoid,
    "hard_tanh": jax.nn.hard_tanh,
    "hard_silu": jax.nn.hard_silu,
    "mish": jax.nn.mish,
    "sin": jnp.sin,
    "relu ": lambda x: jnp.maximum(x, 0),
    "ge, ...": lambda x: jnp.where(x >= 0, x, 0.1 * x),
    "relu, ...": lambda x: jax.nn.relu(x) ** 2,
    "sigmoid, ...": lambda x: 1.7 * x * jax.nn.sigmoid(1.7 * x) / 1.7,
}


def found(function, shape=(4, 6), names=("layer",)):
    """The activation behind a layer's output in a program that goes on with a matrix."""

    def program(x, w):
        return function(mark(x, names, "Dense", "output")) @ w

    jaxpr = jax.make_jaxpr(program)(jnp.zeros(shape), jnp.zeros((shape[-1], 2)))
    at = next(e for e in jaxpr.eqns if e.primitive is mark_p)
    return region_of(jaxpr.jaxpr, at.outvars[0], {}, is_around(names))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_found_named_and_evaluated(name):
    function = ACTIVATIONS[name]
    region = found(function)
    points = jnp.linspace(-8, 8, 1001)
    assert np.allclose(region(points), function(points), rtol=1e-6, atol=1e-6)
    slopes = jax.vmap(jax.grad(region))(points)
    assert np.allclose(slopes, jax.vmap(jax.grad(function))(points), rtol=1e-5, atol=1e-6)
    if "..." not in name or name == "relu, ...":
        assert region.name == name.strip()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_evaluated_in_double_precision(name):
    """Theory integrates in float64, whatever the program was traced in."""
    function = ACTIVATIONS[name]
    region = found(function)
    with jax.enable_x64(True):
        points = jnp.linspace(-4, 4, 101, dtype=jnp.float64)
        assert region(points).dtype == jnp.float64
        # Numbers of the function were rounded to float32 when it was traced.
        assert np.allclose(region(points), function(points), rtol=1e-6, atol=1e-9)


NONE = {
    "nothing": lambda x: x,
    "softmax": jax.nn.softmax,
    "residual": lambda x: x + jnp.ones((4, 6)) @ jnp.eye(6),
    "standardized": lambda x: (x - x.mean()) / x.std(),
    "used twice": lambda x: jax.nn.relu(x) + jnp.roll(x, 1),
    "pooled": lambda x: jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2), (1, 1), "SAME"),
    "sorted": lambda x: jnp.sort(x),
    "cumulative": lambda x: jnp.cumsum(x, -1),
    "reversed": lambda x: x[:, ::-1],
}


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_elementwise_function(name):
    assert found(NONE[name]) is None


def test_dropout_behind_an_activation_is_not_part_of_it():
    mask = jax.random.bernoulli(jax.random.key(0), 0.5, (4, 6))
    region = found(lambda x: jnp.where(mask, 2 * jax.nn.relu(x), jnp.zeros(())))
    points = jnp.linspace(-2, 2, 11)
    assert np.allclose(region(points), 2 * jax.nn.relu(points))


def test_marks_of_modules_around_are_passed_and_others_are_not():
    def around(x):
        return jax.nn.relu(mark(x, ("outer",), "Sequential", "output"))

    assert found(around, names=("outer", "layer")).name == "relu"
    assert found(around, names=("layer",)) is None


def test_a_mark_changes_nothing():
    def function(x):
        return mark(jnp.sin(mark(x, ("a",), "Dense", "input")), ("a",), "Dense", "output")

    x = jnp.arange(6.0).reshape(2, 3)
    assert jnp.array_equal(jax.jit(function)(x), jnp.sin(x))
    assert jnp.array_equal(jax.vmap(function, 1, 1)(x), jnp.sin(x))
    one, other = (jax.grad(lambda x, f=f: (f(x) ** 2).sum())(x) for f in (function, jnp.sin))
    assert jnp.array_equal(one, other)
    assert jnp.array_equal(jax.jvp(function, (x,), (x,))[1], jax.jvp(jnp.sin, (x,), (x,))[1])
    jaxpr = jax.make_jaxpr(jax.vmap(function))(x)
    assert jnp.array_equal(jaxpr_as_fun(jaxpr)(x)[0], jnp.sin(x))
    assert sum(e.primitive is mark_p for e in jaxpr.eqns) == 2
