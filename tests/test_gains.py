"""torch's table of gains, and gains by quadrature."""

import itertools
import math

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

import fanwise as fw

TABLE = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "leaky_relu": math.sqrt(2 / (1 + 0.01**2)),
    "selu": 0.75,
}


@pytest.mark.parametrize("name", TABLE)
def test_table(name):
    gain = fw.calculate_gain(name)
    assert gain == TABLE[name]
    assert type(gain) is float


@pytest.mark.parametrize(
    ("slope", "gain"),
    [
        (0, math.sqrt(2)),
        (1, 1.0),
        (0.2, math.sqrt(2 / 1.04)),
        (-0.2, math.sqrt(2 / 1.04)),
        (math.sqrt(5), math.sqrt(1 / 3)),
        (np.float64(0.2), math.sqrt(2 / 1.04)),
        (None, math.sqrt(2 / 1.0001)),
    ],
)
def test_slope_of_leaky_relu(slope, gain):
    assert fw.calculate_gain("leaky_relu", slope) == pytest.approx(gain, rel=1e-15)


@pytest.mark.parametrize("name", sorted(set(TABLE) - {"leaky_relu"}))
@pytest.mark.parametrize("param", [0.5, True, "anything"])
def test_param_counts_for_leaky_relu_only(name, param):
    assert fw.calculate_gain(name, param) == TABLE[name]


@pytest.mark.parametrize(
    "slope", [True, False, "0.1", 1j, [0.1], np.float32(0.1), np.int64(1), np.True_, np.ones(())]
)
def test_slopes_that_torch_refuses(slope):
    with pytest.raises(ValueError, match="param") as caught:
        fw.calculate_gain("leaky_relu", slope)
    assert repr(slope) in str(caught.value)
    assert "float(param)" in str(caught.value)


@pytest.mark.parametrize("name", ["gelu", "Relu", "RELU", "", "leaky-relu"])
def test_unknown_nonlinearity(name):
    with pytest.raises(ValueError, match="nonlinearity") as caught:
        fw.calculate_gain(name)
    message = str(caught.value)
    assert repr(name) in message
    assert "gain_of" in message
    for allowed in TABLE:
        assert repr(allowed) in message


@pytest.mark.parametrize("name", [None, 3, jax.nn.relu, ["relu"]])
def test_a_nonlinearity_that_is_no_name(name):
    with pytest.raises(TypeError, match="nonlinearity"):
        fw.calculate_gain(name)


def expected_gain(fn, kinks=()):
    """The definition, by scipy's adaptive quadrature between the kinks."""
    ends = [-15.0, *kinks, 15.0]
    moment = sum(
        integrate.quad(lambda z: float(fn(z)) ** 2 * stats.norm.pdf(z), a, b, epsabs=0, limit=400)[
            0
        ]
        for a, b in itertools.pairwise(ends)
    )
    return 1 / math.sqrt(moment)


@pytest.mark.parametrize(
    ("ours", "reference"),
    [
        (jax.nn.gelu, None),
        (lambda z: jax.nn.gelu(z, approximate=False), lambda z: z * stats.norm.cdf(z)),
        (jax.nn.silu, lambda z: z / (1 + np.exp(-z))),
        (jax.nn.elu, lambda z: z if z > 0 else np.expm1(z)),
        (jax.nn.mish, lambda z: z * np.tanh(np.log1p(np.exp(z)))),
        (jax.nn.softplus, lambda z: np.log1p(np.exp(z))),
        (jnp.tanh, np.tanh),
        (jax.nn.sigmoid, lambda z: 1 / (1 + np.exp(-z))),
        (jnp.abs, abs),
        (jnp.exp, np.exp),
        (lambda z: z**3 - z, lambda z: z**3 - z),
        (lambda z: z, lambda z: z),
        (lambda z: jnp.sin(30 * z), lambda z: np.sin(30 * z)),
    ],
    ids=[
        "gelu_tanh",
        "gelu",
        "silu",
        "elu",
        "mish",
        "softplus",
        "tanh",
        "sigmoid",
        "abs",
        "exp",
        "cubic",
        "identity",
        "wiggly",
    ],
)
def test_gain_of_smooth_functions(ours, reference):
    if reference is None:
        reference = lambda z: (
            0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))
        )
    assert fw.gain_of(ours) == pytest.approx(expected_gain(reference, (0.0,)), rel=1e-6)


def hardshrink(threshold):
    return lambda z: jnp.where(jnp.abs(z) > threshold, z, 0.0)


@pytest.mark.parametrize("threshold", [0.02, 0.1, 0.15, 0.3, 0.5, 1.0, 2.5])
def test_gain_of_functions_with_jumps(threshold):
    """Jumps between two nodes of a fixed quadrature rule are not overlooked."""
    lost = 2 * integrate.quad(lambda z: z**2 * stats.norm.pdf(z), 0, threshold)[0]
    expected = 1 / math.sqrt(1 - lost)
    assert fw.gain_of(hardshrink(threshold)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("width", [0.05, 0.1])
def test_gain_of_a_narrow_window(width):
    inside = 2 * stats.norm.cdf(width) - 1
    window = lambda z: jnp.where(jnp.abs(z) < width, 2.0, 1.0)
    assert fw.gain_of(window) == pytest.approx(1 / math.sqrt(1 + 3 * inside), rel=1e-6)


def test_gain_of_agrees_with_the_table_where_the_table_is_exact():
    for slope in (0.01, 0.2, 0.9):
        leaky = lambda z, slope=slope: jax.nn.leaky_relu(z, slope)
        assert fw.gain_of(leaky) == pytest.approx(fw.calculate_gain("leaky_relu", slope), rel=1e-9)
    assert fw.gain_of(jax.nn.relu) == pytest.approx(fw.calculate_gain("relu"), rel=1e-9)


def test_gain_of_departs_from_the_table_where_its_docstring_says_so():
    assert fw.gain_of(jnp.tanh) == pytest.approx(1.5925, abs=5e-5)
    assert fw.gain_of(jax.nn.selu) == pytest.approx(1.0, abs=1e-6)
    assert fw.gain_of(jax.nn.sigmoid) == pytest.approx(1.8462, abs=5e-5)
    for figure in ("1.5925", "1.8462", "5/3", "3/4"):
        assert figure in fw.gain_of.__doc__


@hypothesis.given(st.floats(1e-3, 1e3))
@hypothesis.settings(max_examples=10)
def test_gain_of_is_inverse_to_scale(scale):
    scaled = lambda z: jnp.tanh(z) * scale
    assert fw.gain_of(scaled) * scale == pytest.approx(fw.gain_of(jnp.tanh), rel=1e-9)


def test_gain_of_under_jit_and_without_x64():
    """The float64 arithmetic inside neither leaks out nor becomes part of a traced program."""
    traced = jax.jit(lambda x: x * fw.gain_of(jax.nn.silu))(jnp.float32(1))
    assert traced.dtype == np.float32
    assert float(traced) == pytest.approx(fw.gain_of(jax.nn.silu), rel=1e-6)
    assert jnp.zeros(3).dtype == np.float32


@pytest.mark.parametrize("fn", ["relu", None, 3])
def test_gain_of_wants_a_function(fn):
    with pytest.raises(TypeError, match="calculate_gain") as caught:
        fw.gain_of(fn)
    assert repr(fn) in str(caught.value)


@pytest.mark.parametrize(
    "fn",
    [
        jnp.sum,
        lambda z: z[:3],
        lambda z: z.astype(complex),
        lambda z: z > 0,
        lambda z: z.astype(int),
    ],
)
def test_gain_of_wants_an_elementwise_real_function(fn):
    with pytest.raises(TypeError, match="elementwise"):
        fw.gain_of(fn)


@pytest.mark.parametrize(
    "fn",
    [
        jnp.zeros_like,
        lambda z: z * jnp.inf,
        jnp.log,
        lambda z: jnp.exp(z**2),
        lambda z: jnp.exp(z**2 / 4),
    ],
    ids=["zero", "infinite", "nan", "overflowing", "diverging"],
)
def test_gain_of_wants_a_finite_second_moment(fn):
    with pytest.raises(ValueError, match="positive and finite"):
        fw.gain_of(fn)


@pytest.mark.parametrize("slope", [1e200, -1e200, 10**200])
def test_slopes_whose_square_overflows(slope):
    with pytest.raises(ValueError, match="param") as caught:
        fw.calculate_gain("leaky_relu", slope)
    assert repr(slope) in str(caught.value)
