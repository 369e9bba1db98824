"""Whole checks: what is exact, what is copied, what is fixed, and what the false-alarm rate is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from jax.nn import initializers

import fanwise
from fanwise.distributions import Constant, Normal, Uniform
from tests.porting.checking.made import causes_of, checked

X = jnp.zeros((1, 48))
NORMAL = Normal(0.0, 0.02)


class Two(linen.Module):
    """Two layers of one shape."""

    first: object = initializers.normal(0.02)
    second: object = initializers.normal(0.02)

    @linen.compact
    def __call__(self, x):
        x = linen.Dense(48, kernel_init=self.first, name="a")(x)
        return linen.Dense(48, kernel_init=self.second, name="b")(x)


VALUES = {
    "a.weight": NORMAL,
    "a.bias": Constant(0.0),
    "b.weight": NORMAL,
    "b.bias": Constant(0.0),
}


@pytest.mark.parametrize("number", range(5))
def test_no_false_alarm(number, seed):
    assert checked(Two(), X, values=VALUES, seed=5 * seed + number, samples=2**14).passed


def test_a_small_deviation_is_noticed_as_said(seed):
    report = checked(Two(), X, values=VALUES, seed=seed)
    notices = max(row.notices for row in report.rows)
    assert 0.01 < notices < 0.05
    wider = Two(second=initializers.normal(0.02 * (1 + notices)))
    found = causes_of(checked(wider, X, values=VALUES, seed=seed))
    assert set(found) == {"b.weight"}


def test_constants_are_exact():
    values = VALUES | {"a.bias": Constant(1e-6)}
    report = checked(Two(), X, values=values)
    assert set(causes_of(report)) == {"a.bias"}
    verdicts = {row.torch[0]: row.verdict for row in report.rows}
    assert verdicts == {
        "a.weight": "agrees",
        "a.bias": "differs",
        "b.weight": "agrees",
        "b.bias": "exact",
    }


def same_key(key, shape, dtype=jnp.float32):
    """Of a key that does not depend on the layer."""
    return initializers.normal(0.02)(jax.random.key(3), shape, dtype)


def started_alike(key):
    variables = Two().init(key, X)
    kernel = variables["params"]["a"]["kernel"]
    return {"params": variables["params"] | {"b": {"kernel": kernel * 1, "bias": jnp.zeros(48)}}}


def test_copies_in_flax():
    report = checked(Two(), X, values=VALUES, init=started_alike)
    assert causes_of(report) == {"b.weight": "structure"}
    assert "the draw of a.weight in Flax" in report.faults[0].explanation


def test_copies_in_torch():
    tied = {"b.weight": "a.weight"}
    report = checked(Two(), X, values=VALUES, ties=tied)
    assert causes_of(report) == {"b.weight": "structure"}
    assert report.faults[0].rule == "variables = fanwise.port.init(recipe, correspondence, key)"
    assert checked(Two(), X, values=VALUES, ties=tied, init=started_alike).passed


def test_the_same_for_every_key():
    report = checked(Two(same_key), X, values=VALUES)
    assert causes_of(report) == {"a.weight": "structure"}


def kernel_of(change):
    """A kernel made of one of the right law."""
    normal = initializers.normal(0.02)
    return lambda key, shape, dtype=jnp.float32: change(normal(key, shape, dtype))


def halves(axis, factors):
    return lambda w: w * jnp.expand_dims(jnp.repeat(jnp.asarray(factors), 24), 1 - axis)


PUT_TOGETHER = {
    "mirrored outputs": lambda w: jnp.concatenate([w[:, :24], -w[:, :24]], 1),
    "mirrored inputs": lambda w: jnp.concatenate([w[:24], -w[:24]], 0),
    "symmetric": lambda w: jnp.triu(w) + jnp.triu(w, 1).T,
    "inputs of two std": halves(0, (1.15, 0.823)),
    "outputs of two std": halves(1, (1.15, 0.823)),
}


@pytest.mark.parametrize("name", PUT_TOGETHER)
def test_right_values_put_together_wrongly(name, seed):
    """The law of an element is the right one, or nearly so."""
    model = Two(second=kernel_of(PUT_TOGETHER[name]))
    report = checked(model, X, values=VALUES, seed=seed)
    assert causes_of(report) == {"b.weight": "structure"}
    word = "std of halves" if "std" in name else "but for"
    assert word in report.faults[0].explanation
    assert checked(Two(second=kernel_of(lambda w: w)), X, values=VALUES, seed=seed).passed


def test_not_finite():
    bad = lambda key, shape, dtype=jnp.float32: jnp.full(shape, jnp.nan, dtype)
    assert causes_of(checked(Two(bad), X, values=VALUES)).keys() == {"a.weight"}


def test_a_rule_is_compared_exactly():
    rule = lambda layer: {"weight": fanwise.normal(std=0.02), "bias": fanwise.zeros()}
    init = lambda key: fanwise.linen.init(Two(), key, X, rule=rule)
    report = checked(Two(), X, values=VALUES, rule=rule, init=init)
    assert {row.verdict for row in report.rows} == {"exact"}
    # A deviation that no sample would show.
    values = VALUES | {"a.weight": Normal(0.0, 0.02 * (1 + 1e-9))}
    report = checked(Two(), X, values=values, rule=rule, init=init)
    assert {row.torch[0]: row.verdict for row in report.rows}["a.weight"] == "agrees"


def test_stacked_layers():
    class Stack(linen.Module):
        @linen.compact
        def __call__(self, x):
            blocks = linen.scan(
                lambda own, x, _: (own(x), None),
                variable_axes={"params": 0},
                split_rngs={"params": True},
                length=3,
            )
            dense = linen.Dense(48, kernel_init=initializers.normal(0.02), name="dense")
            return blocks(dense, x, None)[0]

    values = {f"dense.{n}.weight": NORMAL for n in range(3)}
    values |= {f"dense.{n}.bias": Constant(0.0) for n in range(3)}
    report = checked(Stack(), X, values=values)
    assert report.passed, report.table()
    values["dense.1.weight"] = Normal(0.0, 0.05)
    assert set(causes_of(checked(Stack(), X, values=values))) == {"dense.1.weight"}


def test_nnx_model_and_state():
    build = lambda rngs: nnx.Linear(48, 32, kernel_init=initializers.normal(0.02), rngs=rngs)
    values = {"weight": NORMAL, "bias": Constant(0.0)}
    for init in (
        None,
        lambda key: build(nnx.Rngs(key)),
        lambda key: nnx.state(build(nnx.Rngs(key))),
    ):
        assert checked(build, values=values, init=init).passed


def test_code_that_cannot_be_traced():
    """numpy's generator would be frozen by jit; it is drawn from anew for every key."""
    values = {"weight": NORMAL, "bias": Constant(0.0)}
    generator = np.random.RandomState(0)

    def of_global(key):
        kernel = np.random.normal(0.0, 0.02, (48, 256))  # noqa: NPY002
        return {"params": {"kernel": jnp.asarray(kernel, jnp.float32), "bias": jnp.zeros(256)}}

    def of_seed(key):
        generator.seed(int(jax.random.randint(key, (), 0, 2**30)))
        kernel = generator.normal(0.0, 0.02, (48, 256))
        return {"params": {"kernel": jnp.asarray(kernel, jnp.float32), "bias": jnp.zeros(256)}}

    for init in (of_global, of_seed):
        report = checked(linen.Dense(256), X, values=values, init=init)
        assert report.passed, report.table()


def test_missing_arrays_are_named():
    init = lambda key: {"params": {"a": Two().init(key, X)["params"]["a"]}}
    with pytest.raises(ValueError, match=r"2 of the model's, among them params/b/kernel"):
        checked(Two(), X, values=VALUES, init=init)


def test_a_bias_that_is_a_sum():
    inputs = jnp.zeros((1, 3, 48))
    cell = linen.RNN(linen.LSTMCell(32, kernel_init=initializers.normal(0.1)))
    (layer,) = fanwise.linen.layers(cell, inputs)
    path = f"{layer.path}." if layer.path else ""
    bias = Uniform(-0.2, 0.2)
    laws = {"weight_ih_l0": Normal(0.0, 0.1), "weight_hh_l0": Normal(0.0, 32**-0.5)}
    laws |= {"bias_ih_l0": bias, "bias_hh_l0": bias}
    report = checked(cell, inputs, values={path + name: law for name, law in laws.items()})
    assert causes_of(report) == {
        f"{path}bias_ih_l0": "framework default",
        f"{path}bias_hh_l0": "framework default",
        f"{path}weight_hh_l0": "framework default",
    }
    sum_row = next(row for row in report.rows if len(row.torch) == 2)
    assert sum_row.expected == "Triangular(±0.4)"
    # What is added there must be given together.
    assert report.faults[0].rule.count("Uniform(-0.2, 0.2)") == 2


def in_bfloat16(init):
    model = linen.Dense(300, kernel_init=init, param_dtype=jnp.bfloat16)
    return checked(
        model,
        X.astype(jnp.bfloat16),
        values={"weight": NORMAL, "bias": Constant(0.0)},
        samples=2**17,
    )


def test_bfloat16():
    of_law = lambda law: lambda key, shape, dtype: law.sample(key, shape, dtype)
    assert in_bfloat16(of_law(NORMAL)).passed
    report = in_bfloat16(initializers.normal(0.02))  # 128 different values, and a mean
    assert causes_of(report) == {"weight": "unknown"}
    assert "only 128 different values" in report.faults[0].explanation


@pytest.mark.parametrize("law", [Uniform(-0.1, 0.1), Uniform(0.0, 0.2)])
def test_bfloat16_at_the_upper_end(law):
    """fanwise and torch put to the lower end what rounds to the upper one, others leave it."""
    closed = lambda key, shape, dtype: law.sample(key, shape, jnp.float32).astype(dtype)
    half_open = lambda key, shape, dtype: law.sample(key, shape, dtype)
    for init in (closed, half_open):
        model = linen.Dense(300, kernel_init=init, param_dtype=jnp.bfloat16)
        values = {"weight": law, "bias": Constant(0.0)}
        assert checked(model, X.astype(jnp.bfloat16), values=values, samples=2**17).passed


def test_counters_are_compared():
    class Counted(linen.Module):
        start: int

        @linen.compact
        def __call__(self, x):
            self.variable("state", "steps", lambda: jnp.full((3,), self.start, jnp.int32))
            return x

    values = {"steps@state": Constant(2.0)}
    assert checked(Counted(2), X, values=values).passed
    assert not checked(Counted(3), X, values=values).passed


def test_empty_arrays_are_left_out():
    class Empty(linen.Module):
        @linen.compact
        def __call__(self, x):
            self.param("none", initializers.normal(0.02), (0, 4))
            return linen.Dense(8, kernel_init=initializers.normal(0.02), name="fc")(x)

    values = {"none": NORMAL, "fc.weight": NORMAL, "fc.bias": Constant(0.0)}
    report = checked(Empty(), X, values=values)
    assert report.passed
    assert [row.torch for row in report.rows if row.torch == ("none",)] == []
