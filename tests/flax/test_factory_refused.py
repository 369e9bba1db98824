"""A factory where an initializer belongs is refused, by its name and with the way out.

JAX's ``zeros`` is an initializer and its ``normal()`` makes one (flax #2002). Here everything is a
factory, so ``kernel_init=fw.zeros`` is the mistake to expect; it must not end in a model whose
parameters are initializers.
"""

import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from flax import nnx

import fanwise as fw

KEY = jax.random.key(0)
X = jnp.ones((2, 3))

# Per factory: the call that the message tells to write.
CALLS = {
    "zeros": "zeros()",
    "ones": "ones()",
    "constant": "constant(val=...)",
    "uniform": "uniform()",
    "normal": "normal()",
    "trunc_normal": "trunc_normal()",
    "eye": "eye()",
    "dirac": "dirac()",
    "xavier_uniform": "xavier_uniform()",
    "xavier_normal": "xavier_normal()",
    "kaiming_uniform": "kaiming_uniform()",
    "kaiming_normal": "kaiming_normal()",
    "orthogonal": "orthogonal()",
    "delta_orthogonal": "delta_orthogonal()",
    "sparse": "sparse(sparsity=...)",
    "variance_scaling": "variance_scaling()",
    "lecun_normal": "lecun_normal()",
    "lecun_uniform": "lecun_uniform()",
    "bias_uniform": "bias_uniform(fan_in=...)",
}


def lstm(factory):
    cell = nn.LSTMCell(3, recurrent_kernel_init=factory)
    return cell.init(KEY, cell.initialize_carry(KEY, X.shape), X)


# Per place: a model that is given the factory there.
PLACES = {
    "linen kernel": lambda factory: nn.Dense(4, kernel_init=factory).init(KEY, X),
    "linen flattened kernel": lambda factory: nn.DenseGeneral((4, 2), kernel_init=factory).init(
        KEY, X
    ),
    "linen bias": lambda factory: nn.Dense(4, bias_init=factory).init(KEY, X),
    "linen embedding": lambda factory: nn.Embed(5, 4, embedding_init=factory).init(
        KEY, jnp.zeros(2, jnp.int32)
    ),
    "linen recurrent kernel": lstm,
    "linen, old-style key": lambda factory: nn.Dense(4, kernel_init=factory).init(
        jax.random.PRNGKey(0), X
    ),
    "linen, partitioned": lambda factory: nn.Dense(
        4, kernel_init=nn.with_partitioning(factory, ("x", "y"))
    ).init(KEY, X),
    "linen under jit": lambda factory: jax.jit(nn.Dense(4, kernel_init=factory).init)(KEY, X),
    "linen under eval_shape": lambda factory: jax.eval_shape(
        nn.Dense(4, kernel_init=factory).init, KEY, X
    ),
    "nnx kernel": lambda factory: nnx.Linear(3, 4, kernel_init=factory, rngs=nnx.Rngs(0)),
    "nnx flattened kernel": lambda factory: nnx.LinearGeneral(
        3, (4, 2), kernel_init=factory, rngs=nnx.Rngs(0)
    ),
    "nnx bias": lambda factory: nnx.Linear(3, 4, bias_init=factory, rngs=nnx.Rngs(0)),
    "nnx embedding": lambda factory: nnx.Embed(5, 4, embedding_init=factory, rngs=nnx.Rngs(0)),
    "nnx recurrent kernel": lambda factory: nnx.GRUCell(
        3, 4, recurrent_kernel_init=factory, rngs=nnx.Rngs(0)
    ),
    "nnx with metadata": lambda factory: nnx.Linear(
        3, 4, kernel_init=nnx.with_metadata(factory, tag=1), rngs=nnx.Rngs(0)
    ),
    "nnx under jit": nnx.jit(
        lambda factory: nnx.Linear(3, 4, kernel_init=factory, rngs=nnx.Rngs(0)),
        static_argnums=0,
    ),
}


def message(name):
    call = re.escape(CALLS[name])
    return rf"^{name} is a factory .*: write {call}, with parentheses.*kernel_init=fanwise\.{call}"


def test_every_factory_is_in_the_table():
    factories = {name for name in fw.__all__ if isinstance(getattr(fw, name), type)}
    initializers = {name for name in factories if issubclass(getattr(fw, name), fw.Initializer)}
    assert initializers - {"Initializer"} == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("place", ["linen kernel", "nnx bias"])
def test_every_factory_says_what_to_write(name, place):
    with pytest.raises(TypeError, match=message(name)):
        PLACES[place](getattr(fw, name))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["zeros", "constant", "kaiming_normal"])
def test_a_factory_is_refused_in_every_place(name, place):
    with pytest.raises(TypeError, match=message(name)):
        PLACES[place](getattr(fw, name))


@pytest.mark.parametrize("place", PLACES)
def test_the_initializer_itself_is_taken_in_every_place(place):
    """Else a place that refuses everything would pass."""
    PLACES[place](fw.zeros())
