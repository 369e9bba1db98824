"""What is a layer and what a module around one, however they are nested and lifted."""

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

import fanwise as fw
from fanwise.frameworks.observation import INPUT
from fanwise.signal.models import observed_of
from fanwise.signal.occurrences import occurrences_of
from tests.signal.models import batch, experts

pytestmark = pytest.mark.usefixtures("quick_compilation")


class Experts(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(experts(4)(x))
        return nn.Dense(2, name="out")(x.reshape(len(x), -1))


class Lifted(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.jit(nn.Dense)(6, name="first")(x))
        x = nn.tanh(nn.remat(nn.Dense)(6, name="second")(x))
        return nn.WeightNorm(nn.Dense(6, name="third"), name="norm")(x)


class Wrapper(nn.Module):
    def setup(self):
        self.inner = nn.Dense(6)
        nn.share_scope(self, self.inner)

    def __call__(self, x):
        return nn.relu(self.inner(x))


class Around(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(3, name="out")(Wrapper(name="shared")(x))


class Decorated(nn.Module):
    @nn.remat
    @nn.compact
    def __call__(self, x):
        return nn.gelu(nn.Dense(6, name="inner")(x))


class Outer(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(3, name="out")(Decorated(name="block")(x))


class Normalized(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        x = nn.Dense(6, name="first")(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not train, name="norm")(x))
        y = nn.Dense(6, name="second")(x)
        return nn.LayerNorm(name="last")(y) + y


def occurrences(model, x, **options):
    variables = model.init(jax.random.key(0), x, **options)
    observed = observed_of(model, x, options, None)
    arrays = observed.given(variables)
    inputs = [jnp.asarray(each) for each in observed.inputs]
    paths = sorted(arrays)

    def run(values, inputs, key):
        return observed.run(dict(zip(paths, values, strict=True)), inputs, key)

    values = [arrays[path] for path in paths]
    closed = jax.make_jaxpr(run)(values, inputs, jax.random.key(0))
    return occurrences_of(closed.jaxpr, closed.consts)


LAYERS = {
    Experts: (["experts", "out"], [""], [None, 0]),
    # The activations are not in the jit and the remat that the layers are in: not known.
    Lifted: (["first", "second", "third"], ["norm", ""], [None, None, None]),
    Around: (["shared", "out"], ["shared", ""], [None, 0]),
    Outer: (["block/inner", "out"], ["block", ""], [None, 0]),
}


@pytest.mark.parametrize("model", LAYERS)
def test_layers_blocks_and_what_feeds_them(model):
    layers, blocks, before = LAYERS[model]
    found = occurrences(model(), batch(jax.random.key(0), 8, 6))
    outputs = [each for each in found if each.role != INPUT]
    own = [each for each in outputs if not each.is_block]
    assert ["/".join(each.names) for each in own] == layers
    assert ["/".join(each.names) for each in outputs if each.is_block] == blocks
    fed = [found[each.partner].fed_by for each in own]
    assert [None if at is None else own.index(found[at]) for at in fed] == before
    if model is Lifted:
        assert own[0].activation is None
    else:
        assert own[0].activation.name in ("relu", "gelu")


@pytest.mark.parametrize("train", [False, True])
def test_a_batch_norm_normalizes_only_in_training(key, train):
    x = batch(key, 8, 6)
    variables = Normalized().init(key, x, True)
    measured = fw.signal.trace(Normalized(), variables, (x, train), key)
    assert measured["first"].is_normalized == train
    # It goes past the normalization as well.
    assert not measured["second"].is_normalized


def test_experts_share_a_mark_and_all_their_weights_count(key):
    x = batch(key, 8, 6)
    variables = Experts().init(key, x)
    measured = fw.signal.trace(
        Experts(), variables, x, key, loss=lambda y: jnp.sum(y * jnp.arange(2.0))
    )

    def loss(params):
        return jnp.sum(Experts().apply({"params": params}, x) * jnp.arange(2.0))

    gradient = jax.grad(loss)(variables["params"])["experts"]["kernel"]
    assert measured["experts"].shape == (8, 3, 4)
    assert measured["experts"].kind == "Linear"
    expected = float(jnp.square(gradient).mean())
    assert measured["experts"].weight_gradient == pytest.approx(expected, rel=1e-4)
