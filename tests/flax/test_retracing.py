"""A model rebuilt with equal initializers is the same model to jit: it is not traced again.

Flax modules are static to jit and are compared by their fields. A closure equals nothing but
itself, so a model rebuilt with one of JAX's own initializers is compiled anew each time.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import fanwise as fw

# Per initializer: how it is made, how it is made alike in other words, and one that differs.
FACTORIES = {
    "uniform": (fw.uniform, lambda: fw.uniform(0, 1), lambda: fw.uniform(0, 2)),
    "normal": (
        lambda: fw.normal(std=0.5),
        lambda: fw.normal(0, np.float32(0.5)),
        lambda: fw.normal(std=0.25),
    ),
    "trunc_normal": (
        fw.trunc_normal,
        lambda: fw.trunc_normal(0, 1, -2, 2),
        lambda: fw.trunc_normal(b=3),
    ),
    "constant": (
        lambda: fw.constant(2),
        lambda: fw.constant(jnp.float32(2)),
        lambda: fw.constant(3),
    ),
    "ones": (fw.ones, fw.ones, fw.zeros),
    "zeros": (fw.zeros, fw.zeros, fw.ones),
    "eye": (fw.eye, lambda: fw.eye(layout="...IO"), lambda: fw.eye(layout="OI")),
    "dirac": (fw.dirac, lambda: fw.dirac(1), lambda: fw.dirac(2)),
    "xavier_uniform": (
        fw.xavier_uniform,
        lambda: fw.xavier_uniform(1),
        lambda: fw.xavier_uniform(2),
    ),
    "xavier_normal": (
        fw.xavier_normal,
        lambda: fw.xavier_normal(1),
        lambda: fw.xavier_normal(2),
    ),
    "kaiming_uniform": (
        fw.kaiming_uniform,
        lambda: fw.kaiming_uniform(mode="FAN_IN"),
        lambda: fw.kaiming_uniform(mode="fan_out"),
    ),
    "kaiming_normal": (
        fw.kaiming_normal,
        lambda: fw.kaiming_normal(0.0),
        lambda: fw.kaiming_normal(0.1),
    ),
    "orthogonal": (fw.orthogonal, lambda: fw.orthogonal(1), lambda: fw.orthogonal(2)),
    "delta_orthogonal": (
        fw.delta_orthogonal,
        lambda: fw.delta_orthogonal(1),
        lambda: fw.delta_orthogonal(2),
    ),
    "sparse": (lambda: fw.sparse(0.1), lambda: fw.sparse(0.1, 0.01), lambda: fw.sparse(0.2)),
    "variance_scaling": (
        fw.variance_scaling,
        lambda: fw.variance_scaling(1, "fan_in"),
        lambda: fw.variance_scaling(distribution_name="normal"),
    ),
    "lecun_normal": (fw.lecun_normal, fw.lecun_normal, fw.lecun_uniform),
    "lecun_uniform": (fw.lecun_uniform, fw.lecun_uniform, fw.lecun_normal),
    "bias_uniform": (
        lambda: fw.bias_uniform(4),
        lambda: fw.bias_uniform(fan_in=4.0),
        lambda: fw.bias_uniform(5),
    ),
}
by_factory = pytest.mark.parametrize("name", FACTORIES)


class Tracing:
    """A jitted function of a linen module, or of an nnx graphdef, that counts its traces."""

    def __init__(self):
        self.count = 0
        self.jitted = jax.jit(self._trace, static_argnums=0)

    def _trace(self, static, x):
        self.count += 1
        return x

    def __call__(self, static):
        self.jitted(static, jnp.float32(0))
        return self.count


def linen_model(init):
    return nn.Sequential((nn.Conv(4, (3, 3), kernel_init=init), nn.Dense(2, bias_init=init)))


class Keeper(nnx.Module):
    """nnx's layers drop their initializers once they are built; this one keeps its own."""

    def __init__(self, init, rngs):
        self.init = init
        self.scale = nnx.Param(jnp.ones(3))


def nnx_model(init):
    return nnx.split(Keeper(init, nnx.Rngs(0)))[0]


MODELS = {"linen": linen_model, "nnx": nnx_model}
by_model = pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)


def test_every_initializer_is_in_the_table():
    factories = {name for name in fw.__all__ if isinstance(getattr(fw, name), type)}
    initializers = {name for name in factories if issubclass(getattr(fw, name), fw.Initializer)}
    assert initializers - {"Initializer"} == set(FACTORIES)


@by_factory
@by_model
def test_an_equal_initializer_is_not_traced_again(name, build):
    make, make_alike, make_another = FACTORIES[name]
    traces = Tracing()

    assert traces(build(make())) == 1
    assert traces(build(make())) == 1
    assert traces(build(make_alike())) == 1
    assert build(make()) == build(make_alike())
    assert hash(build(make())) == hash(build(make_alike()))
    # The count can rise, so that it means something when it does not.
    assert traces(build(make_another())) == 2
    assert build(make()) != build(make_another())


@by_model
def test_what_jax_has_is_traced_again(build):
    traces = Tracing()
    assert traces(build(jax.nn.initializers.he_normal())) == 1
    assert traces(build(jax.nn.initializers.he_normal())) == 2


def test_a_training_step_is_compiled_once_for_a_model_built_twice():
    count = 0

    @partial(jax.jit, static_argnums=0)
    def initialize(model, key):
        nonlocal count
        count += 1
        return model.init(key, jnp.ones((1, 3)))

    for _ in range(3):
        model = nn.Dense(2, kernel_init=fw.kaiming_normal(), bias_init=fw.bias_uniform(3))
        initialize(model, jax.random.key(0))
    assert count == 1
    initialize(model.copy(kernel_init=fw.kaiming_normal(mode="fan_out")), jax.random.key(0))
    assert count == 2


def test_nnx_jit_takes_models_built_twice_for_one():
    count = 0

    @nnx.jit
    def step(model):
        nonlocal count
        count += 1
        return model.scale.sum()

    for seed in range(3):
        step(Keeper(fw.orthogonal(), nnx.Rngs(seed)))
    assert count == 1
    step(Keeper(fw.orthogonal(gain=2), nnx.Rngs(0)))
    assert count == 2
