"""Faulty ports: every faulty parameter is named with its cause, no sound one; the rule mends it."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import pytest
from flax import linen, nnx
from torch import nn

import fanwise
from fanwise.porting import Cause, Report
from parity.faulty_ports import PORTS, Port

BY_NAME = {str(port): port for port in PORTS}


@cache
def recipe_of(port: Port) -> Any:
    return fanwise.torch.record(port.torch)


def named(report: Report) -> dict[str, Cause]:
    return {name: fault.cause for fault in report.faults for name in fault.torch}


def test_each_cause_twice():
    assert [port.cause for port in PORTS] == [
        cause for cause in Cause if cause != Cause.UNKNOWN for _ in range(2)
    ]


@pytest.mark.parametrize("name", BY_NAME)
def test_faults_and_causes(name, seed):
    port = BY_NAME[name]
    report = port.check(torch=recipe_of(port), key=jax.random.key(seed))
    assert named(report) == dict.fromkeys(port.faults, port.cause), report.table()
    assert not report.passed
    with pytest.raises(AssertionError, match="start differently"):
        report.require()


@pytest.mark.parametrize("name", BY_NAME)
def test_mended(name, seed):
    port = BY_NAME[name]
    report = port.check(mended=True, torch=recipe_of(port), key=jax.random.key(seed))
    assert report.passed, report.table()
    report.require()


@pytest.mark.parametrize("name", BY_NAME)
def test_the_rule_mends(name, seed):
    port = BY_NAME[name]
    recipe = recipe_of(port)
    report = port.check(torch=recipe, key=jax.random.key(seed))
    init = mended_by(report.rule, port, recipe)
    again = fanwise.port.check(
        recipe, port.faulty, *port.inputs, init=init, key=jax.random.key(seed + 1)
    )
    assert again.passed, again.table()


def mended_by(code: str, port: Port, recipe: Any) -> Callable[[Any], Any]:
    """The faulty port's own init, and then the rule that the report prints."""
    scope: dict[str, Any] = {"fanwise": fanwise, "recipe": recipe}
    exec(code, scope)

    def of_linen(key: Any) -> Any:
        variables = port.faulty.init(key, *port.inputs)
        return fanwise.linen.apply(
            scope["mend"], port.faulty, variables, jax.random.fold_in(key, 1), *port.inputs
        )

    def of_nnx(key: Any) -> Any:
        model = port.faulty(nnx.Rngs(key))
        fanwise.nnx.apply(scope["mend"], model, jax.random.fold_in(key, 1))
        return model

    return of_linen if isinstance(port.faulty, linen.Module) else of_nnx


@pytest.mark.parametrize("name", ["tagger: an LSTM left alone", "vision: query, key and value"])
def test_each_fault_has_its_own_rule(name, seed):
    """Mending one fault leaves the others."""
    port = next(own for own in PORTS if str(own).startswith(name))
    recipe = recipe_of(port)
    report = port.check(torch=recipe, key=jax.random.key(seed))
    fault = report.faults[-1]
    again = fanwise.port.check(
        recipe, port.faulty, *port.inputs, init=mended_by(fault.rule, port, recipe)
    )
    assert set(named(again)) == port.faults - set(fault.torch)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_table_fits(width, seed):
    port = PORTS[0]
    table = port.check(torch=recipe_of(port), key=jax.random.key(seed)).table(width)
    above = table.partition("This mends it")[0]
    assert max(map(len, above.splitlines())) <= width
    assert "DIFFERS" in above
    assert "packed fan" in above
    assert above.index("DIFFERS") < above.index("agrees")


def test_a_rule_is_compared_exactly():
    torch = lambda: nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 5))
    flax = linen.Sequential([linen.Dense(20), linen.relu, linen.Dense(5)])
    report = fanwise.port.check(torch, flax, jax.numpy.zeros((1, 30)), rule=fanwise.torch_default)
    assert {row.verdict for row in report.rows} == {"exact"}
    report = fanwise.port.check(torch, flax, jax.numpy.zeros((1, 30)), rule=lambda layer: None)
    assert {fault.cause for fault in report.faults} == {Cause.FRAMEWORK_DEFAULT}
    with pytest.raises(ValueError, match="not both"):
        fanwise.port.check(torch, flax, rule=fanwise.torch_default, init=lambda key: {})


class Encoder(linen.Module):
    """The layers of ``nn.TransformerEncoder``."""

    @linen.compact
    def __call__(self, x):
        for index in range(2):
            y = linen.MultiHeadDotProductAttention(2, name=f"layers_{index}_self_attn")(x)
            y = linen.LayerNorm(name=f"layers_{index}_norm1")(y)
            y = linen.Dense(40, name=f"layers_{index}_linear1")(y)
            y = linen.Dense(24, name=f"layers_{index}_linear2")(y)
            x = linen.LayerNorm(name=f"layers_{index}_norm2")(y)
        return x


def test_copies_of_torch_are_missed_in_flax(seed):
    """torch copies one layer, so that all start equal; laws alone do not show it."""
    torch = lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(24, 2, 40, batch_first=True), 2
    )
    x = jax.numpy.zeros((1, 3, 24))
    recipe = fanwise.torch.record(torch)
    report = fanwise.port.check(
        recipe, Encoder(), x, rule=fanwise.torch_default, key=jax.random.key(seed)
    )
    assert set(named(report)) == {
        f"layers.1.{name}"
        for name in (
            "self_attn.in_proj_weight",
            "self_attn.out_proj.weight",
            "linear1.weight",
            "linear1.bias",
            "linear2.weight",
            "linear2.bias",
        )
    }
    assert set(named(report).values()) == {Cause.STRUCTURE}
    pairs = fanwise.port.match(recipe, fanwise.linen.layers(Encoder(), x))
    init = lambda key: fanwise.port.init(recipe, pairs, key)
    assert fanwise.port.check(recipe, Encoder(), x, init=init, key=jax.random.key(seed)).passed
