"""check names the layer that was made worse, and no layer of a sound model.

Every network is compiled once, and tried with many variables.
"""

import math
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import fanwise as fw
from fanwise.signal.backward_faults import backward_faults
from fanwise.signal.limits import Limits
from tests.signal.networks import MLP, NETWORKS, ResNet, changed, compiled_once, quick_compilation
from tests.signal.synthetic import chain

SEEDS = 5


@pytest.fixture(autouse=True)
def _quick():
    with quick_compilation():
        yield


@pytest.fixture
def checked(monkeypatch, key):
    """Check a network with some variables, as fw.signal.check does, with one program for all."""

    def run(name, variables, **arguments):
        network = NETWORKS[name]
        compiled_once(monkeypatch, name)
        x = network.inputs(key)
        model = network.built(key)
        return fw.signal.check(model, variables, x, key, **arguments, **network.options)

    return run


def times(factor):
    return lambda array: array * factor


def plus(term):
    return lambda array: array + term


def in_slice(index, change):
    """The same in one layer of a stack."""
    return lambda array: array.at[index].set(change(array[index]))


def one_nan(array):
    return array.at[(0,) * array.ndim].set(jnp.nan)


def all_nan(array):
    return array * jnp.nan


# The network, the array, what is done to it, the layer to be named, what it is to be called.
SABOTAGED = [
    ("mlp", "params/dense_2/kernel", times(10.0), "dense_2", "explodes"),
    ("mlp", "params/head/kernel", one_nan, "head", "not finite"),
    ("mlp", "params/dense_3/bias", plus(-100.0), "dense_3", "dead"),
    ("conv", "params/conv_0/kernel", times(0.0), "conv_0", "vanishes"),
    ("conv", "params/conv_2/bias", plus(-100.0), "conv_2", "dead"),
    ("resnet", "params/block_1/conv2/kernel", times(0.0), "block_1/conv2", "vanishes"),
    ("resnet", "params/head/kernel", times(30.0), "head", "explodes"),
    ("resnet", "params/block_1/bn1/bias", plus(-20.0), "block_1/bn1", "dead"),
    ("resnet", "params/block_0/bn2/scale", times(10.0), "block_0/bn2", "explodes"),
    ("gpt", "params/h/c_fc/kernel", in_slice(1, times(10.0)), "h/1/c_fc", "explodes"),
    ("gpt", "params/h/attn/value/kernel", in_slice(2, all_nan), "h/2/attn/value", "not finite"),
    ("gpt", "params/h/attn/out/kernel", in_slice(0, times(0.0)), "h/0/attn/out", "vanishes"),
    ("tanh", "hidden/0/kernel/value", times(50.0), "hidden/0", "saturated"),
    ("tanh", "hidden/2/kernel/value", times(100.0), "hidden/2", "saturated"),
    ("unet", "mix/kernel/value", times(10.0), "mix", "explodes"),
    ("unet", "up/kernel/value", times(0.0), "up", "vanishes"),
    ("unet", "last/bias/value", one_nan, "last", "not finite"),
    ("stacked", "blocks/down/kernel/value", in_slice(3, times(0.0)), "blocks/3/down", "vanishes"),
    ("stacked", "blocks/up/bias/value", in_slice(1, plus(-50.0)), "blocks/1/up", "dead"),
]


@pytest.mark.parametrize(("name", "array", "change", "path", "what"), SABOTAGED)
def test_the_layer_that_was_made_worse_is_the_first(name, array, change, path, what, checked, key):
    network = NETWORKS[name]
    variables = network.started(key, network.inputs(key))
    report = checked(name, changed(variables, array, change))
    assert not report.passed
    assert (report.faults[0].path, report.faults[0].what) == (path, what)
    with pytest.raises(AssertionError, match=re.escape(f"first at {path}: {what}")):
        report.require()


@pytest.mark.parametrize("name", NETWORKS)
def test_sound_networks_pass_with_any_seed(name, checked, key):
    network = NETWORKS[name]
    for own in jax.random.split(key, SEEDS):
        report = checked(name, network.started(own, network.inputs(key)))
        report.require()
        assert report.passed
        assert report.faults == ()


@pytest.mark.parametrize("rule", ["torch_default", "flax_default", "fan_in", "fan_out", "xavier"])
@pytest.mark.parametrize("name", ["mlp", "resnet"])
def test_sound_by_other_rules_as_well(name, rule, checked, key):
    network = NETWORKS[name]
    rule = fw.signal.CANDIDATES[rule]
    variables = fw.linen.init(network.model, key, network.inputs(key), rule=rule, **network.options)
    checked(name, variables).require()


def test_a_start_as_gpt2s_is_sound(checked, key):
    x = NETWORKS["gpt"].inputs(key)
    rule = fw.recipes.gpt2(num_layers=3, residual=r".*/(c_proj|attn/out)")
    for own in jax.random.split(key, SEEDS):
        checked("gpt", fw.linen.init(NETWORKS["gpt"].model, own, x, rule=rule)).require()


def test_batch_norms_that_start_at_zero_are_named_unless_allowed(checked, key):
    x = NETWORKS["resnet"].inputs(key)
    rule = fw.recipes.resnet(zero_init_residual=r".*/bn2")
    variables = fw.linen.init(ResNet(), key, x, rule=rule, train=True)
    report = checked("resnet", variables)
    assert [fault.path for fault in report.faults] == [f"block_{i}/bn2" for i in range(2)]
    assert "allow=['block_0/bn2'] if it is meant to" in str(report)
    checked("resnet", variables, allow=[r".*/bn2"]).require()


def test_what_gives_zeros_and_gets_no_gradient_is_named_though_it_is_allowed(checked, key):
    """A zero convolution before a zero scale: neither will ever change."""
    x = NETWORKS["resnet"].inputs(key)
    rule = fw.recipes.resnet(zero_init_residual=r".*/bn2")
    variables = fw.linen.init(ResNet(), key, x, rule=rule, train=True)
    stuck = changed(variables, "params/block_1/conv2/kernel", times(0.0))
    report = checked("resnet", stuck, allow=[r".*/bn2", ".*/conv2"])
    assert [(fault.path, fault.what) for fault in report.faults] == [
        ("block_1/conv2", "no gradient")
    ]


def test_only_the_layer_that_is_allowed_is_let_through(checked, key):
    variables = NETWORKS["mlp"].started(key, NETWORKS["mlp"].inputs(key))
    worse = changed(variables, "params/dense_1/kernel", times(10.0))
    worse = changed(worse, "params/dense_3/kernel", times(10.0))
    assert checked("mlp", worse).faults[0].path == "dense_1"
    assert checked("mlp", worse, allow=["dense_1"]).faults[0].path == "dense_3"
    assert checked("mlp", worse, allow=["dense_[13]"]).passed


def test_whatever_is_allowed_has_to_be_finite(checked, key):
    variables = NETWORKS["mlp"].started(key, NETWORKS["mlp"].inputs(key))
    worse = changed(variables, "params/dense_1/kernel", one_nan)
    report = checked("mlp", worse, allow=[".*"])
    assert [fault.path for fault in report.faults] == ["dense_1"]
    assert "and so are weights of it" in str(report)


class Deep(nn.Module):
    """A chain of 30, in one stack."""

    @nn.compact
    def __call__(self, x):
        def step(cell, x, _):
            return nn.relu(cell(x)), None

        scanned = nn.scan(step, variable_axes={"params": 0}, split_rngs={"params": True}, length=30)
        x, _ = scanned(nn.Dense(64, name="hidden"), x, None)
        return x


def test_hes_rule_keeps_a_deep_chain_and_twice_its_std_explodes(key, monkeypatch):
    x = jax.random.normal(key, (16, 64))
    compiled_once(monkeypatch, "deep")
    he = partial(fw.linen.init, Deep(), rule=fw.signal.CANDIDATES["fan_in"])
    for own in jax.random.split(key, SEEDS):
        fw.signal.check(Deep(), he(own, x), x, key).require()
    doubled = fw.signal.check(Deep(), jax.tree.map(times(2.0), he(key, x)), x, key)
    assert doubled.faults[0].direction == "forward"
    assert {fault.what for fault in doubled.faults} == {"explodes"}
    # Factors of 4 a layer, each within the limit for one: 4^10 is 1e6. Chance moves it by a few.
    assert abs(10 - int(doubled.faults[0].path.split("/")[1])) < 4


def test_a_gradient_that_vanishes_along_a_chain(checked, key):
    """torch's default multiplies it by 1/6 a layer: 1e-8 is left after 10.3 layers."""
    lost = math.log10(6.0)
    trace = chain(20, 0.0, -lost)
    (fault,) = backward_faults(trace, [False] * 20, frozenset(), Limits(1e-8, 1e6, 1e-6, 10, 0.9))
    assert (fault.path, fault.what, fault.direction) == ("layer_8", "vanishes", "backward")
    assert "times the second moment of that at layer_19" in fault.explanation
    assert "1e-08 times is allowed (smallest=)" in fault.explanation
    variables = fw.linen.init(MLP(), key, NETWORKS["mlp"].inputs(key))
    found = checked("mlp", variables, smallest=1e-3).faults
    assert {(fault.what, fault.direction) for fault in found} == {("vanishes", "backward")}
    assert found[0].path in ("dense_0", "dense_1")


class Odd(nn.Module):
    """Layers between which something is done that is no layer."""

    between: object

    @nn.compact
    def __call__(self, x):
        x = nn.Dense(64, name="first")(x)
        return nn.Dense(8, name="last")(self.between(x))


ODD = {
    "no slope at 0": (
        lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0),
        ("first", "not finite", "backward"),
    ),
    "stopped": (
        lambda x: jax.lax.stop_gradient(jnp.roll(x, 1, -1)),
        ("first", "no gradient", "backward"),
    ),
    "divided": (lambda x: x / jnp.zeros((), x.dtype), ("last", "not finite", "forward")),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_done_between_layers(name, key):
    between, expected = ODD[name]
    x = jax.random.normal(key, (16, 32))
    variables = fw.linen.init(Odd(between), key, x)
    found = fw.signal.check(Odd(between), variables, x, key).faults
    assert [(fault.path, fault.what, fault.direction) for fault in found] == [expected]


class ReZero(nn.Module):
    """A branch multiplied by a number that starts at zero."""

    @nn.compact
    def __call__(self, x):
        x = nn.Dense(32, name="stem")(x)
        y = nn.Dense(32, name="down")(nn.relu(nn.Dense(32, name="up")(x)))
        return x + self.param("alpha", nn.initializers.zeros, ()) * y


def test_rezero(key):
    x = jax.random.normal(key, (16, 32))
    variables = ReZero().init(key, x)
    found = fw.signal.check(ReZero(), variables, x, key).faults
    assert [(fault.path, fault.what) for fault in found] == [("down", "no gradient")]
    fw.signal.check(ReZero(), variables, x, key, allow=["down"]).require()


def test_the_message_says_what_was_expected_and_the_way_out(checked, key):
    variables = NETWORKS["mlp"].started(key, NETWORKS["mlp"].inputs(key))
    report = checked("mlp", changed(variables, "params/dense_2/kernel", times(10.0)))
    text = str(report)
    for part in (
        "the signal goes wrong at initialization, first at dense_2: explodes (forward)",
        "times the second moment of its input",
        "is the largest allowed with 64 units (largest_factor=)",
        "draw its weights with a smaller std, or allow=['dense_2'] if it is meant to",
    ):
        assert part in text
    sound = checked("mlp", variables)
    assert str(sound) == "the signal is sound at all 5 layers, forward and backward"
    assert sound.trace["head"].path == "head"


@pytest.mark.parametrize(
    ("factor", "units"), [(1 / 3, 32), (1.0, 4), (2.0, 2)], ids=["torch", "flax", "he"]
)
def test_the_fewest_units_with_which_a_gain_of_10_is_noticed(factor, units):
    """As the docstring says: what ten times the std makes of a factor is beyond the limit."""
    limits = Limits(1e-8, 1e6, 1e-6, 10.0, 0.9)

    def is_noticed(units):
        return math.log(100 * factor) > limits.factors(units)[1]

    assert is_noticed(units)
    assert not is_noticed(units - 1 if units < 32 else 16)


@pytest.mark.parametrize("units", [1, 3, 10, 64])
def test_the_limits_leave_room_for_chance(units, seed):
    """Of examples that are all alike, E[y^2] is chi-squared: one draw of a million is beyond."""
    limits = Limits(1.0, 1.0, 1.0, 1.0, 1.0)
    draws = np.random.default_rng(seed).chisquare(units, 100_000) / units
    low, high = np.exp(limits.factors(units))
    # More than 5 of 2e5 chances of 1e-6 each come up in one run of 1e8.
    assert np.sum((draws < low) | (draws > high)) <= 5
    # And the limits are no wider than that: half of the way to them is reached.
    assert np.log(draws).max() > np.log(high) / 2
    assert np.log(draws).min() < np.log(low) / 2


def test_thresholds_can_be_moved(checked, key):
    variables = NETWORKS["mlp"].started(key, NETWORKS["mlp"].inputs(key))
    worse = changed(variables, "params/dense_2/kernel", times(10.0))
    assert checked("mlp", worse, largest_factor=100.0).passed
    assert not checked("mlp", variables, largest_factor=0.05).passed
    assert not checked("mlp", variables, smallest_factor=5.0).passed
    assert checked("mlp", variables, idle=0.01).faults[0].path == "dense_0"
    assert {fault.what for fault in checked("mlp", variables, smallest=0.5).faults} == {"vanishes"}
    assert {fault.what for fault in checked("mlp", variables, largest=0.1).faults} == {"explodes"}


BAD = [
    ({"smallest": 0.0}, ValueError, "smallest must be a number greater than 0"),
    ({"largest": "big"}, TypeError, "largest must be a number greater than 0, got 'big'"),
    ({"smallest_factor": -1.0}, ValueError, "smallest_factor must be a number greater than 0"),
    ({"largest_factor": float("nan")}, ValueError, "largest_factor must be"),
    ({"idle": 1.5}, ValueError, "idle must be a number from 0 to 1"),
    ({"allow": "head"}, TypeError, "pass ['head']"),
    ({"allow": ["("]}, ValueError, "allow must be a regular expression"),
    ({"allow": [3]}, TypeError, "allow must be a regular expression"),
    ({"allow": ["tail"]}, ValueError, "got 'tail', which matches none of dense_0"),
]


@pytest.mark.parametrize(("arguments", "error", "text"), BAD)
def test_arguments_that_cannot_be(arguments, error, text, checked, key):
    variables = NETWORKS["mlp"].started(key, NETWORKS["mlp"].inputs(key))
    with pytest.raises(error, match=re.escape(text)):
        checked("mlp", variables, **arguments)


def test_inputs_without_a_signal(key):
    x = jax.random.normal(key, (16, 32))
    variables = MLP().init(key, x)
    with pytest.raises(ValueError, match="x must not be zeros"):
        fw.signal.check(MLP(), variables, jnp.zeros_like(x), key)
    with pytest.raises(ValueError, match="x must be finite"):
        fw.signal.check(MLP(), variables, x.at[0, 0].set(jnp.inf), key)


def test_a_block_of_ones_own_is_named_where_no_layer_fails(key):
    class Logarithm(nn.Module):
        """Its last operation has no finite value."""

        @nn.compact
        def __call__(self, x):
            return jnp.log(-jnp.abs(nn.Dense(8, name="last")(x)))

    x = jax.random.normal(key, (16, 32))
    found = fw.signal.check(Logarithm(), Logarithm().init(key, x), x, key).faults
    assert [(fault.name, fault.what) for fault in found] == [(".", "not finite")]
