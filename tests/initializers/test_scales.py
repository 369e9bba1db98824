"""The distribution that each initializer decides on, in closed form and in symmetries."""

import math

import hypothesis
import hypothesis.strategies as st
import jax
import numpy as np
import pytest

import fanwise as fw
from fanwise.distributions import Constant, Normal, TruncatedNormal, Uniform
from tests.agreement import assert_drawn_from

# fan_in 36, fan_out 144: a ratio of 4, so that swapped fans are a factor of 2.
KERNEL, FAN_IN, FAN_OUT = (3, 3, 4, 16), 36, 144
TRUNCATED = 0.8796256610342398

SCALES = [
    (fw.uniform(), Uniform(0, 1)),
    (fw.uniform(-0.3, 0.7), Uniform(-0.3, 0.7)),
    (fw.normal(), Normal(0, 1)),
    (fw.normal(0.1, 0.02), Normal(0.1, 0.02)),
    (fw.trunc_normal(), TruncatedNormal(0, 1, -2, 2)),
    (fw.trunc_normal(0.1, 0.3, -0.2, 0.9), TruncatedNormal(0.1, 0.3, -0.2, 0.9)),
    (fw.constant(0.3), Constant(0.3)),
    (fw.ones(), Constant(1)),
    (fw.zeros(), Constant(0)),
    (fw.xavier_uniform(), Uniform(-math.sqrt(6 / 180), math.sqrt(6 / 180))),
    (fw.xavier_uniform(3), Uniform(-3 * math.sqrt(6 / 180), 3 * math.sqrt(6 / 180))),
    (fw.xavier_normal(), Normal(0, math.sqrt(2 / 180))),
    (fw.xavier_normal(3), Normal(0, 3 * math.sqrt(2 / 180))),
    (fw.kaiming_uniform(), Uniform(-math.sqrt(6 / 36), math.sqrt(6 / 36))),
    (fw.kaiming_uniform(math.sqrt(5)), Uniform(-1 / 6, 1 / 6)),
    (fw.kaiming_uniform(mode="fan_out"), Uniform(-math.sqrt(6 / 144), math.sqrt(6 / 144))),
    (
        fw.kaiming_uniform(nonlinearity="tanh"),
        Uniform(-5 / 3 * math.sqrt(3 / 36), 5 / 3 * math.sqrt(3 / 36)),
    ),
    (fw.kaiming_normal(), Normal(0, math.sqrt(2) / 6)),
    (fw.kaiming_normal(mode="fan_out", nonlinearity="relu"), Normal(0, math.sqrt(2) / 12)),
    (fw.kaiming_normal(0.2), Normal(0, math.sqrt(2 / 1.04) / 6)),
    (fw.kaiming_normal(0.2, nonlinearity="relu"), Normal(0, math.sqrt(2) / 6)),
    (fw.kaiming_normal(None), Normal(0, math.sqrt(2 / 1.0001) / 6)),
    (fw.kaiming_normal(nonlinearity="linear"), Normal(0, 1 / 6)),
    (fw.kaiming_normal(nonlinearity="selu"), Normal(0, 0.75 / 6)),
    (fw.variance_scaling(2.0, "fan_in", "normal"), Normal(0, math.sqrt(2 / 36))),
    (fw.variance_scaling(2.0, "fan_out", "normal"), Normal(0, math.sqrt(2 / 144))),
    (fw.variance_scaling(2.0, "fan_avg", "normal"), Normal(0, math.sqrt(2 / 90))),
    (fw.variance_scaling(2.0, "fan_geo_avg", "normal"), Normal(0, math.sqrt(2 / 72))),
    (fw.variance_scaling(1.0, "fan_out", "uniform"), Uniform(-0.5 / 12**0.5, 0.5 / 12**0.5)),
    (
        fw.variance_scaling(),
        TruncatedNormal(0, 1 / 6 / TRUNCATED, -2 / 6 / TRUNCATED, 2 / 6 / TRUNCATED),
    ),
    (fw.variance_scaling(0), Constant(0)),
    (
        fw.lecun_normal(),
        TruncatedNormal(0, 1 / 6 / TRUNCATED, -2 / 6 / TRUNCATED, 2 / 6 / TRUNCATED),
    ),
    (fw.lecun_uniform(), Uniform(-math.sqrt(3) / 6, math.sqrt(3) / 6)),
    (fw.bias_uniform(36), Uniform(-1 / 6, 1 / 6)),
    (fw.bias_uniform(0), Uniform(0, 0)),
]


def numbers(distribution):
    return [getattr(distribution, name) for name in type(distribution).__dataclass_fields__]


@pytest.mark.parametrize(("initializer", "expected"), SCALES, ids=[repr(i) for i, _ in SCALES])
def test_closed_form(initializer, expected):
    distribution = initializer.distribution(KERNEL)
    assert type(distribution) is type(expected)
    assert numbers(distribution) == pytest.approx(numbers(expected), rel=1e-14, abs=0)


@pytest.mark.parametrize(
    ("initializer", "expected"),
    [pair for pair in SCALES if pair[1].std > 0],
    ids=[repr(initializer) for initializer, expected in SCALES if expected.std > 0],
)
def test_values_have_that_distribution(initializer, expected, key):
    """Drawn at a shape of the same fans: as many batch members as it takes."""
    stacked = type(initializer)(
        **{
            name: getattr(initializer, name)
            for name in initializer.__dataclass_fields__
            if name != "layout"
        },
        layout="B...IO",
    )
    assert_drawn_from(stacked(key, (200, *KERNEL)), expected)


FAN_BASED = [
    fw.xavier_uniform(1.3),
    fw.xavier_normal(1.3),
    fw.kaiming_uniform(0.1),
    fw.kaiming_normal(0.1, "fan_out"),
    fw.variance_scaling(2, "fan_avg", "normal"),
    fw.variance_scaling(2, "fan_geo_avg", "uniform"),
    fw.lecun_normal(),
    fw.lecun_uniform(),
]
SIZES = st.lists(st.integers(1, 50), min_size=2, max_size=5).map(tuple)


@hypothesis.given(st.sampled_from(FAN_BASED), SIZES)
def test_torch_layout_on_torch_shape(initializer, shape):
    torch_shape = (shape[-1], shape[-2], *shape[:-2])
    assert initializer.distribution(torch_shape, "OI...") == initializer.distribution(shape)


@hypothesis.given(
    st.sampled_from([i for i in FAN_BASED if "xavier" in repr(i) or "avg" in repr(i)]), SIZES
)
def test_xavier_is_symmetric_in_input_and_output(initializer, shape):
    assert initializer.distribution(shape, "...OI") == initializer.distribution(shape, "...IO")


@hypothesis.given(
    st.sampled_from([fw.kaiming_uniform, fw.kaiming_normal]),
    st.sampled_from(["relu", "tanh", "leaky_relu", "linear"]),
    SIZES,
)
def test_fan_in_of_one_direction_is_fan_out_of_the_other(factory, nonlinearity, shape):
    there = factory(mode="fan_in", nonlinearity=nonlinearity, layout="...IO")
    back = factory(mode="fan_out", nonlinearity=nonlinearity, layout="...OI")
    assert there.distribution(shape) == back.distribution(shape)
    if fw.fans(shape).fan_in != fw.fans(shape).fan_out:
        same_way = factory(mode="fan_out", nonlinearity=nonlinearity)
        assert there.distribution(shape) != same_way.distribution(shape)


@hypothesis.given(st.sampled_from(FAN_BASED), SIZES, st.integers(1, 9))
def test_a_batch_axis_leaves_the_distribution_alone(initializer, shape, size):
    assert initializer.distribution((size, *shape), "B...IO") == initializer.distribution(shape)


@hypothesis.given(st.sampled_from(FAN_BASED), SIZES, st.integers(1, 5), st.integers(1, 5))
def test_several_axes_of_a_role_count_as_their_product(initializer, shape, heads, width):
    *field, inputs, _ = shape
    split = initializer.distribution((*field, inputs, heads, width), "...IOO")
    assert split == initializer.distribution((*field, inputs, heads * width), "...IO")
    split = initializer.distribution((*field, heads, width, inputs), "...IIO")
    assert split == initializer.distribution((*field, heads * width, inputs), "...IO")


@hypothesis.given(st.floats(1e-3, 1e3), SIZES)
def test_gain_is_a_factor(gain, shape):
    for factory in (fw.xavier_uniform, fw.xavier_normal):
        scaled, plain = factory(gain).distribution(shape), factory().distribution(shape)
        assert scaled.std == pytest.approx(gain * plain.std, rel=1e-15)


@hypothesis.given(SIZES)
def test_uniform_and_normal_have_the_same_std(shape):
    for one, other in [
        (fw.xavier_uniform(), fw.xavier_normal()),
        (fw.kaiming_uniform(0.1), fw.kaiming_normal(0.1)),
        (fw.lecun_uniform(), fw.lecun_normal()),
        (fw.variance_scaling(2), fw.variance_scaling(2, distribution_name="uniform")),
    ]:
        stds = [initializer.distribution(shape).std for initializer in (one, other)]
        assert stds[0] == pytest.approx(stds[1], rel=1e-14)


@hypothesis.given(st.floats(0.01, 100), st.integers(-8, 8))
@hypothesis.settings(max_examples=20)
def test_scaling_by_a_power_of_two_is_exact(seed, scale, power):
    key, factor = jax.random.key(seed), 2.0**power
    for one, other in [
        (fw.normal(std=scale), fw.normal(std=factor * scale)),
        (fw.uniform(-scale, scale), fw.uniform(-factor * scale, factor * scale)),
        (fw.xavier_normal(scale), fw.xavier_normal(factor * scale)),
        (fw.kaiming_uniform(scale, "fan_in", "relu"), fw.kaiming_uniform(nonlinearity="relu")),
    ]:
        values = [np.asarray(initializer(key, (8, 9))) for initializer in (one, other)]
        assert (values[0] * (factor if "kaiming" not in repr(one) else 1) == values[1]).all()


def test_fan_based_draws_of_one_key_differ_by_their_scale_alone(key):
    """normal, xavier_normal and kaiming_normal are one draw at three scales."""
    standard = np.asarray(fw.normal()(key, KERNEL), np.float64)
    for initializer in (fw.xavier_normal(), fw.kaiming_normal(), fw.normal(std=0.02)):
        values = np.asarray(initializer(key, KERNEL), np.float64)
        std = initializer.distribution(KERNEL).std
        np.testing.assert_allclose(values, std * standard, rtol=3e-7)


def test_a_grouped_convolution(key):
    """fan_in is that of a group, fan_out that of the layer, in torch and in JAX alike."""
    depthwise = (3, 3, 1, 96)
    assert fw.kaiming_normal(nonlinearity="linear").distribution(depthwise) == Normal(0, 1 / 3)
    outward = fw.kaiming_normal(mode="fan_out", nonlinearity="linear").distribution(depthwise)
    assert outward.std == pytest.approx(1 / math.sqrt(864), rel=1e-15)


def test_packed_attention_projections():
    """q, k, v packed have sqrt(1/2) of the std of each by itself, in torch as here."""
    apart = fw.xavier_uniform().distribution((64, 64)).std
    packed = fw.xavier_uniform().distribution((64, 192)).std
    assert packed / apart == pytest.approx(math.sqrt(0.5), rel=1e-15)


def test_modes_in_upper_case():
    assert fw.kaiming_normal(mode="FAN_OUT") == fw.kaiming_normal(mode="fan_out")
