"""The rule as code: what it names, what it leaves alone, and that it runs."""

import jax.numpy as jnp
import pytest
from flax import linen
from jax.nn import initializers

import fanwise
from fanwise.distributions import Constant, Normal, Orthogonal
from tests.porting.checking.made import checked

X = jnp.zeros((1, 32))


class Net(linen.Module):
    @linen.compact
    def __call__(self, x):
        for index in range(3):
            x = linen.Dense(32, kernel_init=initializers.normal(0.1), name=f"fc_{index}")(x)
        return x * self.param("gain", initializers.normal(1.0), (32,))


def values(**weights):
    found = {"gain": Normal(0.0, 1.0)}
    for index in range(3):
        found[f"fc_{index}.weight"] = weights.get(f"fc_{index}", Normal(0.0, 0.1))
        found[f"fc_{index}.bias"] = Constant(0.0)
    return found


def mend_of(code):
    scope = {"fanwise": fanwise}
    exec(code, scope)
    return scope["mend"]


def changed(code):
    """What the rule names, by layer."""
    layers = fanwise.linen.layers(Net(), X)
    found = {layer.path: dict(mend_of(code)(layer) or {}) for layer in layers}
    return {path: answer for path, answer in found.items() if answer}


def test_equal_answers_share_a_pattern():
    law = Normal(0.0, 0.3)
    code = checked(Net(), X, values=values(fc_0=law, fc_1=law, fc_2=law)).rule
    assert r'r"fc_\d+": {"weight": Normal(0.0, 0.3)}' in code
    assert changed(code) == {f"fc_{index}": {"weight": law} for index in range(3)}


def test_a_pattern_takes_in_no_sound_layer():
    law = Normal(0.0, 0.3)
    code = checked(Net(), X, values=values(fc_0=law, fc_1=law)).rule
    assert r"\d+" not in code
    assert changed(code) == {"fc_0": {"weight": law}, "fc_1": {"weight": law}}


def test_different_answers_stay_apart():
    laws = {"fc_0": Normal(0.0, 0.3), "fc_1": Normal(0.0, 0.4), "fc_2": Orthogonal(layout="OI...")}
    code = checked(Net(), X, values=values(**laws)).rule
    assert changed(code) == {path: {"weight": law} for path, law in laws.items()}


def test_a_bare_parameter():
    code = checked(Net(), X, values=values() | {"gain": Normal(0.0, 2.0)}).rule
    assert changed(code) == {"": {"gain": Normal(0.0, 2.0)}}


def test_nothing_to_mend():
    report = checked(Net(), X, values=values())
    assert report.rule == ""
    report.require()


@pytest.mark.parametrize("width", [80, 120])
def test_table(width):
    report = checked(Net(), X, values=values(fc_1=Normal(0.0, 0.3)))
    table = report.table(width)
    assert max(map(len, table.partition("This mends it")[0].splitlines())) <= width
    lines = table.splitlines()
    (first,) = [line for line in lines if line.startswith("fc_1.weight")]
    (rest,) = [line for line in lines if line.startswith("fc_*.weight")]
    assert "DIFFERS" in first
    assert "×2" in rest
    assert lines.index(first) < lines.index(rest)
    assert "6 of 7 tensors agree, 1 differ." in table
    assert str(report) == report.table()


def test_many_parameters_in_few_lines():
    class Deep(linen.Module):
        @linen.compact
        def __call__(self, x):
            for index in range(60):
                x = linen.Dense(8, kernel_init=initializers.normal(0.1), name=f"h_{index}_fc")(x)
                x = linen.LayerNorm(name=f"h_{index}_ln")(x)
            return x

    names = {f"h_{n}_fc.weight": Normal(0.0, 0.1) for n in range(60)}
    names |= {f"h_{n}_fc.bias": Constant(0.0) for n in range(60)}
    report = checked(Deep(), jnp.zeros((1, 8)), values=names, samples=2**12)
    assert report.passed
    assert len(report.rows) == 240
    assert len(report.table(100).splitlines()) < 12


def test_require_raises_the_table():
    report = checked(Net(), X, values=values(fc_1=Normal(0.0, 0.3)))
    with pytest.raises(AssertionError, match=r"fc_1\.weight"):
        report.require()
