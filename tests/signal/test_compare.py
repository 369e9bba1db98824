"""Several rules and seeds: the same numbers as one by one, compiled once."""

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn
from flax import nnx

import fanwise as fw
from tests.compilations import compilations
from tests.signal.models import Chain, NnxChain, UNet, batch

pytestmark = pytest.mark.usefixtures("quick_compilation")

RULES = {name: fw.signal.CANDIDATES[name] for name in ("fan_in", "torch_default", "flax_default")}


def test_the_candidates():
    assert list(fw.signal.CANDIDATES) == [
        "fan_in",
        "fan_out",
        "xavier",
        "torch_default",
        "flax_default",
    ]


def test_equal_to_a_trace_of_each_start(key):
    x = batch(key, 16, 10)
    compared = fw.signal.compare(Chain(), x, RULES, key=key, seeds=2)
    assert list(compared.traces) == list(RULES)
    for name, rule in RULES.items():
        assert len(compared.traces[name]) == 2
        for seed, measured in enumerate(compared.traces[name]):
            start, own = jax.random.split(jax.random.fold_in(key, seed))
            variables = fw.linen.init(Chain(), start, x, rule=rule)
            alone = fw.signal.trace(Chain(), variables, x, own, rule=rule)
            assert repr(alone) == repr(measured)  # nan is not equal to itself


def test_equal_for_nnx(key):
    x = batch(key, 16, 10)

    def build(rngs):
        return NnxChain(rngs=rngs)

    compared = fw.signal.compare(build, x, {"torch": fw.torch_default}, key=key, seeds=1)
    start, own = jax.random.split(jax.random.fold_in(key, 0))
    model = fw.nnx.init(build, start, fw.torch_default)
    alone = fw.signal.trace(model, None, x, own, rule=fw.torch_default)
    assert repr(compared.traces["torch"][0]) == repr(alone)


def test_compiled_once_whatever_the_rules_and_seeds(key):
    x = batch(key, 2, 12, 12, 3)
    rules = dict(fw.signal.CANDIDATES)
    rules["silent"] = lambda layer: None
    with compilations() as compiled:
        fw.signal.compare(UNet(), x, rules, key=key, seeds=3, train=True)
    assert sum("measure" in (name or "") for name in compiled) == 1
    # What is compiled for one seed of each rule is all there is.
    with compilations() as compiled:
        fw.signal.compare(UNet(), x[:1], rules, key=key, seeds=1, train=True)
    one = len(compiled)
    with compilations() as compiled:
        fw.signal.compare(UNet(), x[:, :8], rules, key=key, seeds=4, train=True)
    assert len(compiled) <= one


def test_rules_of_ones_own_and_losses(key):
    x = batch(key, 16, 10)

    def small(layer):
        return {"weight": fw.normal(std=1e-3)} if layer.kind == "Linear" else None

    rules = {"small": small, "he": fw.signal.CANDIDATES["fan_in"]}
    compared = fw.signal.compare(
        Chain(), x, rules, key=key, seeds=1, loss=lambda y: jnp.square(y - 1).mean()
    )
    small, he = (compared.traces[name][0] for name in rules)
    assert small.layers[-1].second_moment < 1e-9 * he.layers[-1].second_moment
    # d/dy mean (y - 1)^2 = 2 (y - 1) / n, and y is 0 here.
    assert small.layers[-1].gradient == pytest.approx((2 / (16 * 5)) ** 2, rel=1e-3)


def test_refusals(key):
    x = batch(key, 4, 10)
    with pytest.raises(ValueError, match=r"rules must be a mapping .* got {}; leave it out for"):
        fw.signal.compare(Chain(), x, {}, key=key)
    with pytest.raises(ValueError, match="seeds must be a positive integer, got 0"):
        fw.signal.compare(Chain(), x, key=key, seeds=0)
    with pytest.raises(TypeError, match="key must be a JAX PRNG key"):
        fw.signal.compare(Chain(), x, key=3)
    with pytest.raises(TypeError, match=r"a function of nnx\.Rngs .* got NnxChain"):
        fw.signal.compare(NnxChain(rngs=nnx.Rngs(0)), x, key=key)
    with pytest.raises(TypeError, match="rule must be a function"):
        fw.signal.compare(Chain(), x, {"he": fw.kaiming_normal()}, key=key)
    with pytest.raises(ValueError, match="none ran"):
        fw.signal.compare(nn.Embed(3, 4), x[:, :4], key=key, method="attend")
