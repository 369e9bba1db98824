"""Second moments of an activation and its slope, against closed forms and over all sizes."""

import math

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import pytest

from fanwise.signal.pointwise import Pointwise

RELU, ERF, TANH = Pointwise(jax.nn.relu), Pointwise(jax.lax.erf), Pointwise(jnp.tanh)
HARD_TANH = Pointwise(lambda z: jnp.clip(z, -1.0, 1.0))
LOGS = st.floats(-300, 300)


@pytest.mark.parametrize(
    ("fn", "is_homogeneous"),
    [
        (jax.nn.relu, True),
        (lambda z: jax.nn.leaky_relu(z, 0.2), True),
        (jnp.abs, True),
        (lambda z: z, True),
        (jnp.zeros_like, True),
        (jax.nn.relu6, False),
        (jnp.tanh, False),
        (jax.nn.gelu, False),
        (lambda z: z + 1e-6, False),
        (jnp.square, False),
    ],
)
def test_what_is_homogeneous(fn, is_homogeneous):
    assert Pointwise(fn).is_homogeneous is is_homogeneous


@hypothesis.given(log_q=st.floats(-2000, 2000), slope=st.sampled_from([0.0, 0.01, -0.5, 1.0]))
def test_leaky_relu(log_q, slope):
    leaky = Pointwise(lambda z: jnp.where(z > 0, z, slope * z))
    factor = math.log((1 + slope**2) / 2)
    assert leaky.log_second_moment(log_q) == pytest.approx(log_q + factor, abs=1e-9)
    assert leaky.log_slope(log_q) == pytest.approx(factor, abs=1e-9)


@hypothesis.given(log_q=st.floats(-150, 150))
def test_erf(log_q):
    """Williams (1997): E[erf(z)^2] = 2/pi asin(2q / (1 + 2q)); E[erf'^2] = 4/pi / sqrt(1 + 4q)."""
    q = math.exp(log_q)
    square = 2 / math.pi * math.asin(2 * q / (1 + 2 * q))
    slope = 4 / math.pi / math.sqrt(1 + 4 * q)
    assert ERF.log_second_moment(log_q) == pytest.approx(math.log(square), abs=1e-7)
    assert ERF.log_slope(log_q) == pytest.approx(math.log(slope), abs=1e-7)


@hypothesis.given(log_q=st.floats(-150, 150))
def test_hard_tanh(log_q):
    """The slope is 1 within 1, which has a probability of erf(1 / sqrt(2 q))."""
    inside = math.erf(math.exp(-log_q / 2) / math.sqrt(2))
    assert HARD_TANH.log_slope(log_q) == pytest.approx(math.log(inside), abs=1e-6)


@hypothesis.given(pair=st.tuples(LOGS, LOGS), of=st.sampled_from([RELU, ERF, TANH, HARD_TANH]))
def test_larger_inputs_give_larger_outputs_and_no_larger_slopes(pair, of):
    low, high = sorted(pair)
    assert of.log_second_moment(low) <= of.log_second_moment(high) + 1e-8
    assert of.log_slope(low) >= of.log_slope(high) - 1e-8


@hypothesis.given(log_q=LOGS, of=st.sampled_from([ERF, TANH, HARD_TANH]))
def test_odd_functions_gain_at_most_what_their_slope_does(log_q, of):
    """E[f^2] <= q E[f'^2] for odd f (Poincare); the bound is met where f is linear."""
    assert of.log_second_moment(log_q) <= log_q + of.log_slope(log_q) + 1e-8


@pytest.mark.parametrize(
    ("fn", "log_q", "second_moment", "slope"),
    [
        (jnp.tanh, -1000.0, -1000.0, 0.0),
        (jnp.tanh, 1000.0, 0.0, math.log(4 / 3 / math.sqrt(2 * math.pi)) - 500),
        (jax.nn.silu, -1000.0, -1000 - math.log(4), -math.log(4)),
        (jax.nn.silu, 1000.0, 1000 - math.log(2), -math.log(2)),
        (jax.nn.sigmoid, -1000.0, -math.log(4), -math.log(16)),
        (jnp.square, 1000.0, 2000 + math.log(3), 1000 + math.log(4)),
    ],
)
def test_beyond_the_range_of_float32(fn, log_q, second_moment, slope):
    found = Pointwise(fn)
    assert found.log_second_moment(log_q) == pytest.approx(second_moment, abs=1e-6)
    assert found.log_slope(log_q) == pytest.approx(slope, abs=1e-6)


def test_a_signal_of_zeros():
    assert RELU.log_second_moment(-math.inf) == -math.inf
    assert RELU.log_slope(-math.inf) == -math.inf  # jax.nn.relu has the slope 0 at 0
    assert TANH.log_slope(-math.inf) == 0
    assert Pointwise(jnp.cos).log_second_moment(-math.inf) == 0


def test_what_is_not_known_stays_so():
    for of in (RELU, TANH):
        assert math.isnan(of.log_second_moment(math.nan))
        assert math.isnan(of.log_slope(math.nan))


def test_infinite_signals():
    assert RELU.log_second_moment(math.inf) == math.inf
    assert RELU.log_slope(math.inf) == pytest.approx(-math.log(2), abs=1e-9)
    assert TANH.log_second_moment(math.inf) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "fn",
    [
        lambda z: jnp.tanh(z.astype(jnp.float32)),
        lambda z: jax.lax.tanh(jax.lax.mul(z, jnp.ones(z.shape, jnp.float32))),
    ],
    ids=["casts", "takes float32 only"],
)
@pytest.mark.parametrize("log_q", [-50.0, 0.0, 3.0])
def test_functions_of_float32(fn, log_q):
    found = Pointwise(fn)
    assert found.log_second_moment(log_q) == pytest.approx(TANH.log_second_moment(log_q), abs=1e-5)
    assert found.log_slope(log_q) == pytest.approx(TANH.log_slope(log_q), abs=1e-5)


@pytest.mark.parametrize(
    ("fn", "match"),
    [
        ("relu", "elementwise function such as jax.nn.relu, or None, got 'relu'"),
        (jnp.sum, "elementwise and real"),
        (lambda z: z.astype(jnp.int32), "elementwise and real"),
    ],
)
def test_what_is_no_activation(fn, match):
    with pytest.raises(TypeError, match=match):
        Pointwise(fn).log_second_moment(0.0)
