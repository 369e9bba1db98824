"""Models in which it is easy to measure the wrong thing."""

import math

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn
from flax import nnx

import fanwise as fw
from tests.signal.models import Chain, batch, experts

pytestmark = pytest.mark.usefixtures("quick_compilation")


class Step(nn.Module):
    @nn.compact
    def __call__(self, x, _):
        return nn.Dense(8, kernel_init=nn.initializers.normal(0.1))(x), None


class Stack(nn.Module):
    @nn.compact
    def __call__(self, x):
        lifted = nn.scan(Step, variable_axes={"params": 0}, split_rngs={"params": True}, length=4)
        return lifted(name="steps")(x, None)[0]


class OverTime(nn.Module):
    """A loop over time around a stack of layers."""

    @nn.compact
    def __call__(self, xs):
        stack = Stack(name="stack")
        run = nn.scan(
            lambda module, carry, x: (carry, module(x)),
            variable_broadcast="params",
            split_rngs={"params": False},
        )
        return run(stack, 0.0, xs)[1]


@pytest.mark.parametrize("times", [3, 4])
def test_a_loop_over_time_as_long_as_the_stack_is_none(key, times):
    xs = batch(key, times, 16, 8)
    variables = OverTime().init(key, xs)
    measured = fw.signal.trace(OverTime(), variables, xs, key)
    kernels = variables["params"]["stack"]["steps"]["Dense_0"]["kernel"]
    outputs = xs
    for index in range(4):
        outputs = outputs @ kernels[index]
        own = measured[f"stack/steps/{index}/Dense_0"]
        expected = math.log(float(jnp.square(outputs).mean()))
        assert own.log_second_moment == pytest.approx(expected, abs=1e-4)


class Mixture(nn.Module):
    """Experts side by side in each of a stack of layers."""

    @nn.compact
    def __call__(self, x, _):
        return experts(8)(x).mean(1), None


class Mixtures(nn.Module):
    @nn.compact
    def __call__(self, x):
        lifted = nn.scan(
            Mixture, variable_axes={"params": 0}, split_rngs={"params": True}, length=4
        )
        return lifted(name="blocks")(x, None)[0]


def test_experts_in_scanned_layers_are_measured_layer_by_layer(key):
    x = batch(key, 16, 8)
    variables = Mixtures().init(key, x)
    measured = fw.signal.trace(Mixtures(), variables, x, key)
    kernels = variables["params"]["blocks"]["experts"]["kernel"]
    assert [layer.path for layer in measured.layers] == [f"blocks/{i}/experts" for i in range(4)]
    for layer, kernel in zip(measured.layers, kernels, strict=True):
        outputs = jnp.einsum("bi,eio->beo", x, kernel)
        expected = math.log(float(jnp.square(outputs).mean()))
        assert layer.log_second_moment == pytest.approx(expected, abs=1e-4)
        assert layer.weight_gradient > 0
        x = outputs.mean(1)


class Masked(nn.Module):
    @nn.compact
    def __call__(self, x):
        mask = jnp.zeros((3, 3, 4, 8)).at[1, 1].set(1.0)
        return nn.Conv(8, (3, 3), mask=mask, name="layer")(x)


class Scaled(nn.Dense):
    """Equalized learning rate: the weights are scaled when they are used."""

    def __call__(self, x):
        return 0.01 * super().__call__(x)


class Equalized(nn.Module):
    @nn.compact
    def __call__(self, x):
        return Scaled(8, name="layer")(x)


class Spectral(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.SpectralNorm(nn.Dense(8, name="layer"))(x, update_stats=True)


class Reshaped(nn.Module):
    """The activation is behind a reshape."""

    @nn.compact
    def __call__(self, x):
        y = nn.Dense(8, name="first")(x)
        y = nn.tanh(y.reshape(*y.shape[:-1], 2, 4)).reshape(y.shape)
        return nn.Dense(8, name="layer")(y)


@pytest.mark.parametrize("model", [Masked, Equalized, Spectral])
def test_theory_is_silent_where_weights_are_not_used_as_they_are(key, model):
    x = batch(key, 2, 6, 6, 4)
    variables = model().init(key, x)
    measured = fw.signal.trace(model(), variables, x, key, rule=fw.torch_default)
    (layer,) = (each for each in measured.layers if each.path.endswith("layer"))
    assert math.isnan(layer.log_expected)
    plain = nn.Conv(8, (3, 3)) if model is Masked else nn.Dense(8)
    control = fw.signal.trace(plain, plain.init(key, x), x, key, rule=fw.torch_default)
    assert not math.isnan(control.layers[0].log_expected)


def test_theory_does_not_go_past_what_is_not_known(key):
    x = batch(key, 4, 8)
    measured = fw.signal.trace(Reshaped(), Reshaped().init(key, x), x, key)
    assert measured["layer"].before is None
    assert measured["first"].activation is None
    # From the layer's own input on it is known.
    assert not math.isnan(measured["layer"].log_expected)


class Target(nn.Module):
    """A target network, which is not trained, runs first."""

    @nn.compact
    def __call__(self, x):
        target = nn.Dense(6, name="target")(x)
        hidden = [nn.relu(nn.Dense(32, name=f"hidden_{at}")(x)) for at in range(4)]
        return nn.Dense(6, name="online")(sum(hidden)) - jax.lax.stop_gradient(target)


class Branched(nn.Module):
    """The branch that is not taken is listed first."""

    @nn.compact
    def __call__(self, x):
        if self.is_initializing():
            x = self.layer("second", x) + self.layer("first", x)
        else:
            x = nn.cond(
                x[0, 0] > 100,
                lambda module, x: module.layer("first", x),
                lambda module, x: module.layer("second", x),
                self,
                x,
            )
        for at in range(4):
            x = nn.relu(nn.Dense(32, name=f"hidden_{at}")(x))
        return nn.Dense(3)(x)

    def layer(self, name, x):
        return nn.Dense(32, name=name, parent=self)(x)


@pytest.mark.parametrize("model", [Target, Branched])
def test_what_does_not_run_or_is_not_trained_loses_no_signal(key, model):
    x = batch(key, 16, 32)
    rules = {name: fw.signal.CANDIDATES[name] for name in ("fan_in", "xavier")}
    found = fw.signal.compare(model(), x, rules, key=key, seeds=2)
    recommendation = found.recommend()
    assert recommendation.best
    assert all(math.isfinite(drift.backward) for drift in recommendation.drifts.values())
    signal = found.traces["fan_in"][0]
    if model is Target:
        assert math.isnan(signal["target"].gradient_finite)
        assert signal["online"].gradient_finite == 1
    else:
        assert math.isnan(signal["first"].finite)


def test_shallow_models_are_told_by_their_scale(key):
    """No drift is no proof that the choice does not matter."""
    x = batch(key, 16, 32)
    rules = {
        f"std {std:g}": lambda layer, std=std: {"weight": fw.normal(std=std), "bias": fw.zeros()}
        for std in (1e-4, 0.2)
    }
    found = fw.signal.compare(Chain(widths=(32, 5)), x, rules, key=key, seeds=2).recommend()
    assert "differ in the output's scale alone" in found.text
    assert "does not matter" not in found.text
    assert all(name in found.text for name in rules)


class Tangent(nn.Module):
    @nn.compact
    def __call__(self, x):
        layer = nn.Dense(6, name="layer")
        if self.is_initializing():
            return layer(x)
        value, tangent = jax.jvp(layer, (x,), (jnp.ones_like(x),))
        return value + tangent


def test_derivatives_inside_of_a_model_are_no_layers(key):
    x = batch(key, 4, 6)
    measured = fw.signal.trace(Tangent(), Tangent().init(key, x), x, key)
    assert [layer.name for layer in measured.layers] == ["layer"]


def test_names_of_nnx_with_a_slash(key):
    class Holder(nnx.Module):
        def __init__(self):
            self.parts = nnx.Dict({"a/b": nnx.Linear(4, 3, rngs=nnx.Rngs(0))})

        def __call__(self, x):
            return self.parts["a/b"](x)

    x = batch(key, 8, 4)
    (layer,) = fw.signal.trace(Holder(), None, x, key).layers
    assert layer.weight_gradient > 0


class Ruled(nn.Module):
    """A layer inside of a function with a derivative of its own."""

    @nn.compact
    def __call__(self, x):
        layer = nn.Dense(6, name="layer")
        if self.is_initializing():
            return layer(x)
        params = {"params": self.variables["params"]["layer"]}
        own = jax.custom_jvp(lambda params, x: nn.Dense(6, parent=None).apply(params, x))
        own.defjvp(lambda primals, tangents: (own(*primals), 100.0 * tangents[1]))
        return own(params, layer(x))


def test_refusals(key):
    x = batch(key, 4, 6)
    variables = Chain(widths=(3,)).init(key, x)
    model = Chain(widths=(3,))
    with pytest.raises(ValueError, match="layers in a 'custom_jvp_call'"):
        fw.signal.trace(Ruled(), Ruled().init(key, x), x, key)
    with pytest.raises(ValueError, match=r"x must have elements, got an array of shape \(0, 6\)"):
        fw.signal.trace(model, variables, x[:0], key)
    with pytest.raises(TypeError, match="x must be an array, or a tuple"):
        fw.signal.trace(model, variables, [[1.0] * 6], key)
    with pytest.raises(TypeError, match=r"outside of jit"):
        jax.jit(lambda x: fw.signal.trace(model, variables, x, key).log_output)(x)
    with pytest.raises(TypeError, match=r"variables must be what model\.init gives, got None"):
        fw.signal.trace(model, None, x, key)
    with pytest.raises(ValueError, match="key must have an entry 'params', got none"):
        fw.signal.trace(model, variables, x, {})
    with pytest.raises(TypeError, match=r"the class Chain; pass an instance, Chain\(\.\.\.\)"):
        fw.signal.compare(Chain, x, key=key)
    with pytest.raises(ValueError, match="x must be finite"):
        fw.signal.compare(model, x.at[0, 0].set(jnp.nan), key=key)
    chosen = nn.Sequential([nn.Dense(3), lambda x: x.argmax(-1)])
    with pytest.raises(ValueError, match=r"floating outputs .* give loss="):
        fw.signal.trace(chosen, variables_of(chosen, x), x, key)
    with pytest.raises(ValueError, match="wrong") as caught:
        fw.signal.compare(model, x, {"bad rule": _raises}, key=key)
    assert caught.value.__notes__ == ["in the rule 'bad rule'"]


def variables_of(model, x):
    return model.init(jax.random.key(0), x)


def _raises(layer):
    raise ValueError("wrong")
