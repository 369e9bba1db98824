"""Each mistake by itself, on layers of several shapes: the check names its cause."""

import math

import jax
import jax.numpy as jnp
import pytest
from flax import linen
from jax.nn import initializers

from fanwise.distributions import Constant, Normal, TruncatedNormal, Uniform
from tests.porting.checking.made import causes_of, checked

WIDTH, HIDDEN = 60, 140
X = jnp.zeros((1, WIDTH))

XAVIER = math.sqrt(6 / (WIDTH + HIDDEN))
HE_IN, HE_OUT = math.sqrt(2 / WIDTH), math.sqrt(2 / HIDDEN)
NORMAL, CUT = Normal(0.0, 0.02), TruncatedNormal(0.0, 0.02, -2.0, 2.0)
NARROW = TruncatedNormal(0.0, 0.02, -0.04, 0.04)


def dense(law, init, bias=None, bias_init=initializers.zeros):
    """The causes that a check names for one Dense."""
    model = linen.Dense(HIDDEN, kernel_init=init, bias_init=bias_init)
    values = {"weight": law, "bias": bias or Constant(0.0)}
    return causes_of(checked(model, X, values=values))


def scaling(*args):
    return initializers.variance_scaling(*args)


def of(law):
    """An initializer that draws from a Distribution."""
    return lambda key, shape, dtype=jnp.float32: law.sample(key, shape, dtype)


@pytest.mark.parametrize(
    ("law", "init"),
    [
        (Uniform(-XAVIER, XAVIER), initializers.xavier_uniform()),
        (Normal(0.0, HE_IN), scaling(2.0, "fan_in", "normal")),
        (NORMAL, initializers.normal(0.02)),
        (CUT, initializers.normal(0.02)),
        (NARROW, initializers.truncated_normal(0.02)),
        (Constant(0.5), initializers.constant(0.5)),
        (Uniform(0.0, 0.3), initializers.uniform(0.3)),
        (Normal(1.0, 0.02), of(Normal(1.0, 0.02))),
    ],
)
def test_sound(law, init):
    assert dense(law, init) == {}


@pytest.mark.parametrize(
    ("law", "init"),
    [
        (Uniform(-XAVIER, XAVIER), initializers.uniform(XAVIER)),
        (Uniform(-XAVIER, XAVIER), initializers.uniform(2 * XAVIER)),
        (Uniform(-XAVIER, XAVIER), initializers.normal(XAVIER)),
        (Uniform(-XAVIER, XAVIER), initializers.xavier_normal()),
        (Uniform(-0.1, 0.1), of(Uniform(-0.1 / math.sqrt(3), 0.1 / math.sqrt(3)))),
        (Normal(0.0, HE_IN), initializers.he_normal()),
        (Normal(0.0, HE_IN), initializers.he_uniform()),
        (NORMAL, initializers.truncated_normal(0.02)),
        (NORMAL, initializers.uniform(0.02)),
        (NORMAL, initializers.normal(0.02**2)),
        (NORMAL, scaling(0.02**2, "fan_in", "normal")),
        (NORMAL, scaling(0.02**2, "fan_out", "uniform")),
        (NORMAL, scaling(0.02, "fan_in", "truncated_normal")),
        (NORMAL, scaling(0.02, "fan_avg", "normal")),
        (CUT, initializers.truncated_normal(0.02)),
        (NARROW, initializers.truncated_normal(0.02, lower=-0.04, upper=0.04)),
        (NARROW, initializers.normal(0.02)),
        (Normal(0.0, HE_IN), scaling(math.sqrt(2), "fan_in", "normal")),
        (Normal(0.0, HE_IN), scaling(4.0, "fan_in", "normal")),
        (Normal(0.0, HE_IN), scaling(1.0, "fan_in", "normal")),
        (Uniform(-XAVIER, XAVIER), scaling(2.0, "fan_in", "uniform")),
    ],
)
def test_argument(law, init):
    assert dense(law, init) == {"weight": "argument"}


@pytest.mark.parametrize(
    ("law", "init"),
    [
        (Normal(0.0, HE_OUT), scaling(2.0, "fan_in", "normal")),
        (Normal(0.0, HE_IN), scaling(2.0, "fan_out", "normal")),
        (Uniform(-(WIDTH**-0.5), WIDTH**-0.5), scaling(1 / 3, "fan_out", "uniform")),
    ],
)
def test_fans_exchanged(law, init):
    assert dense(law, init) == {"weight": "transposed fan"}


def test_transposed_convolution_and_its_bias():
    fan_in = 5 * 9
    bound = fan_in**-0.5
    flax = (40 * 9) ** -0.5
    model = linen.ConvTranspose(
        5,
        (3, 3),
        kernel_init=scaling(1 / 3, "fan_in", "uniform"),
        bias_init=of(Uniform(-flax, flax)),
    )
    law = Uniform(-bound, bound)
    report = checked(model, jnp.zeros((1, 4, 4, 40)), values={"weight": law, "bias": law})
    assert causes_of(report) == {"weight": "transposed fan", "bias": "transposed fan"}


@pytest.mark.parametrize("features", [WIDTH * 2, WIDTH * 3])
def test_packed_in_one_dense(features):
    bound = math.sqrt(6 / (WIDTH + WIDTH))
    model = linen.Dense(features, kernel_init=initializers.xavier_uniform())
    values = {"weight": Uniform(-bound, bound), "bias": Constant(0.0)}
    assert causes_of(checked(model, X, values=values)) == {"weight": "packed fan"}


@pytest.mark.parametrize("mode", ["fan_avg", "fan_out"])
def test_packed_in_torch(mode):
    whole = 3 * WIDTH if mode == "fan_out" else (3 * WIDTH + WIDTH) / 2
    model = linen.MultiHeadDotProductAttention(4, kernel_init=scaling(2.0, mode, "normal"))
    out = WIDTH
    values = {
        "in_proj_weight": Normal(0.0, math.sqrt(2 / whole)),
        "in_proj_bias": Constant(0.0),
        "out_proj.weight": Normal(0.0, math.sqrt(2 / out)),
        "out_proj.bias": Constant(0.0),
    }
    report = checked(model, jnp.zeros((1, 3, WIDTH)), values=values)
    assert causes_of(report) == {"in_proj_weight": "packed fan"}


def test_packed_gates():
    bound = math.sqrt(6 / (4 * HIDDEN + WIDTH))
    model = linen.LSTMCell(HIDDEN, kernel_init=initializers.xavier_uniform())
    carry = model.initialize_carry(jax.random.key(0), (1, WIDTH))
    hidden = Normal(0.0, 0.1)
    values = {
        "weight_ih": Uniform(-bound, bound),
        "weight_hh": hidden,
        "bias_ih": Constant(0.0),
        "bias_hh": Constant(0.0),
    }
    model = model.clone(recurrent_kernel_init=of(hidden))
    assert causes_of(checked(model, carry, X, values=values)) == {"weight_ih": "packed fan"}


def test_defaults():
    law = Uniform(-(WIDTH**-0.5), WIDTH**-0.5)
    found = dense(law, initializers.lecun_normal(), bias=law)
    assert found == {"weight": "framework default", "bias": "framework default"}


def test_torch_default_left_in_place():
    law = Uniform(-(WIDTH**-0.5), WIDTH**-0.5)
    assert dense(law, of(Normal(0.0, 0.3))) == {"weight": "framework default"}


class Blocks(linen.Module):
    depth: int
    residual: object

    @linen.compact
    def __call__(self, x):
        for index in range(self.depth):
            y = linen.Dense(96, name=f"blocks_{index}_fc", kernel_init=initializers.normal(0.02))(x)
            init = self.residual(index)
            x = x + linen.Dense(WIDTH, name=f"blocks_{index}_proj", kernel_init=init)(y)
        return x


def blocks(depth, torch, flax):
    names = {}
    for index in range(depth):
        names |= {
            f"blocks_{index}_fc.weight": NORMAL,
            f"blocks_{index}_fc.bias": Constant(0.0),
            f"blocks_{index}_proj.weight": torch(index),
            f"blocks_{index}_proj.bias": Constant(0.0),
        }
    model = Blocks(depth, lambda index: of(flax(index)))
    return causes_of(checked(model, X, values=names))


@pytest.mark.parametrize(
    ("depth", "factor"),
    [
        (2, lambda n: 0.5),
        (3, lambda n: 6**-0.5),
        (4, lambda n: 0.5),
        (3, lambda n: (2 * (n + 1)) ** -0.5),
        (3, lambda n: 27**-0.25),
        (2, lambda n: 5.0),
    ],
)
@pytest.mark.parametrize("scaled_in", ["torch", "flax"])
def test_depth(depth, factor, scaled_in):
    plain, scaled = lambda n: NORMAL, lambda n: Normal(0.0, 0.02 * factor(n))
    torch, flax = (scaled, plain) if scaled_in == "torch" else (plain, scaled)
    expected = {f"blocks_{n}_proj.weight": "depth scale" for n in range(depth) if factor(n) != 1}
    assert blocks(depth, torch, flax) == expected


def test_an_odd_factor_is_the_depth_where_several_have_it():
    found = blocks(3, lambda n: NORMAL, lambda n: Normal(0.0, 0.02 * 0.71))
    assert set(found.values()) == {"depth scale"}
    assert len(found) == 3


def test_what_no_cause_predicts_is_unknown():
    assert dense(NORMAL, of(Normal(0.0, 0.0137))) == {"weight": "unknown"}
    assert dense(NORMAL, of(Normal(0.01, 0.0137))) == {"weight": "unknown"}


@pytest.mark.parametrize(
    "init",
    [
        lambda key, shape, dtype=jnp.float32: jnp.abs(jax.random.normal(key, shape, dtype)) * 0.02,
        lambda key, shape, dtype=jnp.float32: (
            initializers.normal(0.02)(key, shape, dtype).at[:, 0].set(0)
        ),
        lambda key, shape, dtype=jnp.float32: jnp.broadcast_to(
            initializers.normal(0.02)(key, (shape[0], 1), dtype), shape
        ),
        lambda key, shape, dtype=jnp.float32: initializers.normal(0.02)(
            jax.random.key(7), shape, dtype
        ),
        lambda key, shape, dtype=jnp.float32: initializers.orthogonal(0.02 * math.sqrt(HIDDEN))(
            key, shape, dtype
        ),
        initializers.zeros,
    ],
    ids=["one sign", "zero output", "one column repeated", "one key", "orthogonal", "zeros"],
)
def test_structure(init):
    assert dense(NORMAL, init) == {"weight": "structure"}


def test_normalized_rows():
    def init(key, shape, dtype=jnp.float32):
        values = initializers.normal(1.0)(key, shape, dtype)
        return values / jnp.linalg.norm(values, axis=0) * jnp.asarray(0.02 * WIDTH**0.5, dtype)

    assert dense(NORMAL, init) == {"weight": "structure"}


def test_axes_of_a_position_table():
    class Positions(linen.Module):
        @linen.compact
        def __call__(self, x):
            return x + self.param("table", initializers.he_normal(), (1, 30, WIDTH))

    # torch reads (1, 30, 60) as one output and 30 inputs of 60 each.
    law = Normal(0.0, math.sqrt(2 / (30 * WIDTH)))
    report = checked(Positions(), jnp.zeros((1, 30, WIDTH)), values={"table": law})
    assert causes_of(report) == {"table": "argument"}
