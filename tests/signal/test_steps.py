"""Steps from rules: fans and second moments, against arrays that the rules' distributions draw."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import fanwise as fw
from fanwise.distributions import DeltaOrthogonal, Dirac, Eye, Normal, Orthogonal, Sparse
from fanwise.layers import Layer
from fanwise.signal.steps import second_moment, step_of
from fanwise.signal.window import Window

LINEAR = Layer(
    "fc", "Linear", {"in_features": 16, "out_features": 8}, {"weight": (8, 16), "bias": (8,)}
)
CONV = Layer(
    "conv",
    "Conv2d",
    {"in_channels": 8, "out_channels": 12, "kernel_size": (3, 3), "groups": 2, "bias": False},
    {"weight": (12, 4, 3, 3)},
)
TRANSPOSED = Layer("up", "ConvTranspose2d", {"groups": 1}, {"weight": (12, 4, 4, 4)})


def weights(value):
    return lambda layer: (
        {"weight": value} | ({"bias": fw.zeros()} if "bias" in layer.shapes else {})
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (fw.kaiming_normal(), 2 / 16),
        (fw.kaiming_uniform(mode="fan_out"), 2 / 8),
        (fw.xavier_uniform(), 2 / 24),
        (Normal(0.0, 0.02), 0.0004),
        (fw.orthogonal(2.0), 4 / 16),
        (fw.zeros(), 0.0),
    ],
)
def test_linear(value, expected):
    step = step_of(LINEAR, weights(value), jax.nn.relu)
    assert step.weight == pytest.approx(expected, rel=1e-12)
    assert (step.fan_in, step.fan_out, step.bias) == (16, 8, 0.0)
    assert (step.activation, step.name) == (jax.nn.relu, "fc")


def test_torch_default():
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)): 1/3 of the input's second moment, and of the bias's."""
    step = step_of(LINEAR, fw.torch_default)
    assert step.fan_in * step.weight == pytest.approx(1 / 3, rel=1e-12)
    assert step.bias == pytest.approx(1 / 48, rel=1e-12)
    conv = step_of(CONV, fw.torch_default)
    assert conv.fan_in * conv.weight == pytest.approx(1 / 3, rel=1e-12)
    assert conv.bias == 0


def test_convolution_without_a_window():
    step = step_of(CONV, fw.torch_default)
    assert (step.fan_in, step.fan_out) == (4 * 9, 6 * 9)


def test_convolution_with_strides():
    """Of 3 taps in a row, 2.5 lie inside on average: 5 for the first two outputs of 4 inputs."""
    window = Window((4, 4), (3, 3), (2, 2), ((1, 1), (1, 1)))
    step = step_of(CONV, fw.torch_default, window=window)
    assert (step.fan_in, step.fan_out) == (4 * 2.5**2, 6 * 2.5**2 * 4 / 16)


def test_transposed_convolution():
    """Each output has kernel / stride taps, but for the border; each input goes to all of them."""
    window = Window((100, 100), (4, 4), padding=((3, 3), (3, 3)), input_dilation=(2, 2))
    step = step_of(TRANSPOSED, weights(Normal(0.0, 1.0)), window=window)
    assert step.fan_in == pytest.approx(12 * 16 / 4, rel=0.03)
    assert step.fan_out == 4 * 16


@pytest.mark.parametrize("groups", [1, 3])
def test_fans_of_a_transposed_convolution_are_those_of_the_other_the_other_way_round(groups):
    layer = Layer("a", "Conv1d", {"groups": groups}, {"weight": (6, 4, 3)})
    other = Layer("b", "ConvTranspose1d", {"groups": groups}, {"weight": (6, 4, 3)})
    rule = weights(Normal(0.0, 1.0))
    there = step_of(layer, rule, window=Window((9,), (3,), strides=(2,)))
    back = step_of(other, rule, window=Window((4,), (3,), padding=((2, 2),), input_dilation=(2,)))
    assert (there.fan_in, there.fan_out) == (back.fan_out, back.fan_in)


@pytest.mark.parametrize(
    ("distribution", "shape"),
    [
        (Orthogonal(1.5, layout="OI..."), (24, 6)),
        (Orthogonal(1.5, layout="OI..."), (6, 24)),
        (Orthogonal(1.5, layout="OI..."), (8, 4, 3, 3)),
        (DeltaOrthogonal(1.5, layout="OI..."), (8, 4, 3, 3)),
        (Eye(layout="OI..."), (6, 9)),
        (Dirac(2, layout="OI..."), (8, 3, 3, 3)),
    ],
    ids=str,
)
def test_structured_second_moments_are_exact(distribution, shape, key):
    drawn = np.asarray(distribution.sample(key, shape), np.float64)
    assert second_moment(distribution, shape) == pytest.approx((drawn**2).mean(), rel=1e-5)


def test_sparse(key):
    """1000 normals are a sixth of the elements: the mean square is within 30 % (6 sigma)."""
    distribution = Sparse(0.8, std=0.5, layout="OI...")
    drawn = np.asarray(distribution.sample(key, (24, 200)), np.float64)
    assert (drawn == 0).mean() == 20 / 24
    expected = second_moment(distribution, (24, 200))
    assert expected == pytest.approx(0.25 * 4 / 24, rel=1e-12)
    assert expected == pytest.approx((drawn**2).mean(), rel=0.3)


@pytest.mark.parametrize(
    ("kind", "size", "pads"), [("Conv2d", 4, (1, 2)), ("ConvTranspose2d", 4, (1, 2))]
)
def test_delta_orthogonal_has_one_tap(kind, size, pads, key):
    """A kernel whose mass is at its centre loses nothing at the border."""
    layer = Layer("conv", kind, {}, {"weight": (8, 8, size, size)})
    is_transposed = kind != "Conv2d"
    padding = ((pads[::-1] if is_transposed else pads),) * 2
    rule = weights(DeltaOrthogonal(layout="OI..."))
    window = Window((6, 6), (size, size), padding=padding)
    step = step_of(layer, rule, window=window)
    assert step.fan_in * step.weight == pytest.approx(1, rel=1e-12)
    module = (nn.ConvTranspose if is_transposed else nn.Conv)(
        8, (size, size), padding=padding, use_bias=False
    )
    x = jax.random.normal(key, (2, 6, 6, 8))
    y = module.apply(fw.linen.init(module, key, x, rule=rule), x)
    assert float(jnp.mean(y**2) / jnp.mean(x**2)) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("module", [nn.Conv, nn.ConvTranspose])
@pytest.mark.parametrize(("padding", "stride"), [(((1, 1), (1, 1)), 1), (((1, 1), (0, 2)), 2)])
def test_fans_of_convolutions_against_random_ones(module, padding, stride, key):
    """Forward and backward, at inputs and cotangents of the same size everywhere.

    With weights and inputs of +-1 the square of a sum of k products has mean k. Its mean over
    the N >= 128 positions of a batch, which share weights, has a relative variance of about 2/N
    (a quadratic form in the weights, of rank N); over 64 channels 0.1 is 6 standard deviations:
    one false alarm in 10^8. A count that forgets the border or the strides is off by 30 % or
    more.
    """
    signs = lambda key, shape, dtype=jnp.float32: jax.random.rademacher(key, shape, dtype)
    is_transposed = module is nn.ConvTranspose
    layer = module(64, (3, 3), (stride, stride), padding, use_bias=False, kernel_init=signs)
    keys = jax.random.split(key, 3)
    x = signs(keys[0], (32, 5, 5, 64))
    variables = layer.init(keys[1], x)
    y, pull = jax.vjp(lambda x: layer.apply(variables, x), x)
    (gradient,) = pull(signs(keys[2], y.shape))
    moves = {"input_dilation" if is_transposed else "strides": (stride, stride)}
    window = Window((5, 5), (3, 3), padding=padding, **moves)
    kind = "ConvTranspose2d" if is_transposed else "Conv2d"
    described = Layer("conv", kind, {}, {"weight": (64, 64, 3, 3)})
    step = step_of(described, weights(Normal(0.0, 1.0)), window=window)
    assert float(jnp.mean(y**2)) == pytest.approx(step.fan_in, rel=0.1)
    assert float(jnp.mean(gradient**2)) == pytest.approx(step.fan_out, rel=0.1)


@pytest.mark.parametrize(
    "value",
    [
        fw.ones(),
        fw.constant(0.1),
        Normal(0.5, 0.1),
        fw.eye(),
        lambda key, shape, dtype: jnp.zeros(shape, dtype),
    ],
    ids=["ones", "constant", "normal", "eye", "function"],
)
def test_where_theory_does_not_speak(value):
    assert step_of(LINEAR, weights(value)) is None


@pytest.mark.parametrize(
    "layer",
    [
        Layer("norm", "LayerNorm", {}, {"weight": (8,), "bias": (8,)}),
        Layer("table", "Embedding", {}, {"weight": (8, 4)}),
        Layer("own", None, {}, {"weight": (8, 4)}),
        Layer("fc", "weight_norm(Linear)", {}, {"parametrizations.weight.original1": (8, 4)}),
    ],
    ids=lambda layer: str(layer.kind),
)
def test_layers_of_other_kinds(layer):
    assert step_of(layer, None, measured={"weight": 1.0, "bias": 0.0}) is None


def test_biases_with_a_mean_are_left_alone():
    rule = lambda layer: {"weight": fw.kaiming_normal(), "bias": fw.constant(0.01)}
    assert step_of(LINEAR, rule) is None


def test_measured_moments_stand_in_for_what_the_rule_leaves_alone():
    weight_only = lambda layer: {"weight": Normal(0.0, 0.5)}
    assert step_of(LINEAR, weight_only) is None
    step = step_of(LINEAR, weight_only, measured={"weight": 9.0, "bias": 0.04})
    assert (step.weight, step.bias) == (0.25, 0.04)  # the rule's word goes first
    step = step_of(LINEAR, measured={"weight": 9.0, "bias": 0.04})
    assert (step.weight, step.bias) == (9.0, 0.04)


def test_the_layout_of_functions_is_torchs():
    """fan_in of a (out, in) weight, not of a Flax kernel."""
    assert step_of(LINEAR, weights(fw.variance_scaling(1.0, "fan_in", "normal"))).weight == 1 / 16


def test_another_layers_window():
    with pytest.raises(ValueError, match=r"window must have the kernel of conv: Conv2d.*got \(5,"):
        step_of(CONV, fw.torch_default, window=Window((4, 4), (5, 5)))
