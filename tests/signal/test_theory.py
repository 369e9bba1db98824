"""Second moments through a chain, against closed forms; and against chains of random matrices."""

import itertools
import math

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.signal.theory import Step, backward, forward
from fanwise.signal.window import Window

POSITIVE = st.floats(1e-3, 1e3)
WIDTHS = st.integers(1, 4096)


def close(found, expected):
    assert found == pytest.approx(expected, abs=1e-7)


@hypothesis.given(
    widths=st.lists(WIDTHS, min_size=3, max_size=8), gain=POSITIVE, log_q0=st.floats(-115, 138)
)
def test_linear_chain(widths, gain, log_q0):
    """Without activations it is a product, whatever the size: from 1e-50 to 1e60."""
    steps = [Step(n, m, gain / n) for n, m in itertools.pairwise(widths)]
    depth = len(steps)
    outputs = forward(log_q0, steps)
    close(outputs, [log_q0 + (index + 1) * math.log(gain) for index in range(depth)])
    last = widths[-1]
    expected = [
        (depth - 1 - index) * math.log(gain) + math.log(last / widths[index + 1])
        for index in range(depth)
    ]
    close(backward(log_q0, steps, 0.0), expected)


@hypothesis.given(log_q0=st.floats(-115, 138), slope=st.floats(-0.9, 0.9))
def test_kaiming_keeps_the_second_moment_through_leaky_relu(log_q0, slope):
    """He et al. (2015): var(w) = 2 / ((1 + a^2) fan_in); in front of it is (1 + a^2) / 2 of it."""
    leaky = lambda z: jnp.where(z > 0, z, slope * z)
    step = Step(100, 100, 2 / (1 + slope**2) / 100, 0.0, leaky)
    first = log_q0 + math.log(2 / (1 + slope**2))
    outputs = forward(log_q0, [step] * 5)
    close(outputs, [first] * 5)
    close(backward(log_q0, [step] * 5, -3.0), [-3.0] * 5)


@hypothesis.given(bias=st.floats(0, 1), weight=st.floats(0.01, 10), q0=POSITIVE)
def test_relu_with_biases(bias, weight, q0):
    """q_l = weight q_{l-1} / 2 + bias, from the second layer on."""
    steps = [Step(64, 64, weight / 64, bias, jax.nn.relu)] * 6
    expected = [weight * q0 + bias]
    for _ in range(5):
        expected.append(weight * expected[-1] / 2 + bias)
    close(forward(math.log(q0), steps), [math.log(q) for q in expected])


@hypothesis.given(bias=st.floats(0, 0.5), weight=st.floats(0.5, 4), q0=POSITIVE)
@hypothesis.settings(max_examples=10)
def test_erf_chain(bias, weight, q0):
    """Williams (1997): E[erf(z)^2] = 2/pi asin(2q / (1 + 2q)); E[erf'^2] = 4/pi / sqrt(1 + 4q)."""
    steps = [Step(64, 64, weight / 64, bias, jax.lax.erf)] * 4
    q = [weight * q0 + bias]
    for _ in range(3):
        q.append(weight * 2 / math.pi * math.asin(2 * q[-1] / (1 + 2 * q[-1])) + bias)
    outputs = forward(math.log(q0), steps)
    close(outputs, [math.log(each) for each in q])
    g = [1.0]
    for each in reversed(q[:-1]):
        g.append(g[-1] * weight * 4 / math.pi / math.sqrt(1 + 4 * each))
    close(backward(math.log(q0), steps, 0.0), [math.log(each) for each in reversed(g)])


@hypothesis.given(
    q0=st.floats(-300, 300),
    factor=st.floats(0, 20),
    activation=st.sampled_from([None, jax.nn.relu, jnp.tanh, jax.nn.sigmoid]),
    weight=POSITIVE,
    bias=st.floats(0, 10),
)
@hypothesis.settings(max_examples=20)
def test_larger_in_larger_out(q0, factor, activation, weight, bias):
    steps = [Step(3, 3, weight, bias, activation)] * 3
    pairs = zip(forward(q0, steps), forward(q0 + factor, steps), strict=True)
    assert all(low <= high + 1e-8 for low, high in pairs)


@hypothesis.given(log_q0=st.floats(-100, 100), shift=st.floats(-100, 100))
def test_relu_chains_without_bias_are_homogeneous(log_q0, shift):
    steps = [Step(3, 5, 0.4, 0.0, jax.nn.relu), Step(5, 7, 0.1, 0.0, jnp.abs), Step(7, 2, 2.0)]
    first, second = forward(log_q0, steps), forward(log_q0 + shift, steps)
    close([q + shift for q in first], second)
    close(backward(log_q0, steps, 0.0), backward(log_q0 + shift, steps, 0.0))


def test_a_saturated_tanh_stops_the_gradient():
    steps = [Step(8, 8, gain / 8, 0.0, jnp.tanh) for gain in (1.0, 1e4, 1.0)]
    calm = [Step(8, 8, 1 / 8, 0.0, jnp.tanh)] * 3
    close(backward(-40.0, calm, 0.0), [0.0, 0.0, 0.0])
    gradients = backward(0.0, steps, 0.0)
    assert gradients[1] < -3 < gradients[2]


def test_a_layer_of_zeros():
    steps = [Step(4, 4, 0.25), Step(4, 4, 0.0), Step(4, 4, 0.25)]
    assert forward(0.0, steps) == [0.0, -math.inf, -math.inf]
    assert backward(0.0, steps, 0.0) == [-math.inf, 0.0, 0.0]
    with_bias = [Step(4, 4, 0.0, 0.5), Step(4, 4, 0.25)]
    close(forward(0.0, with_bias), [math.log(0.5), math.log(0.5)])


def test_what_is_not_known_stays_so():
    steps = [Step(4, 4, 0.25), Step(4, 4, math.nan), Step(4, 4, 0.25, 0.0, jax.nn.relu)]
    outputs = forward(0.0, steps)
    assert outputs[0] == 0
    assert all(map(math.isnan, outputs[1:]))
    gradients = backward(0.0, steps, 0.0)
    assert math.isnan(gradients[0])
    assert gradients[1:] == [0.0, 0.0]


@pytest.mark.parametrize("field", ["fan_in", "fan_out", "weight", "bias"])
def test_negative_numbers(field):
    numbers = {"fan_in": 1.0, "fan_out": 1.0, "weight": 1.0, "bias": 0.0} | {field: -1.0}
    with pytest.raises(ValueError, match=f"Step 'fc': {field} must not be negative, got -1.0"):
        Step(**numbers, name="fc")


def test_no_layers():
    assert forward(0.0, []) == backward(0.0, [], 0.0) == []


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (Step(200, 100, 2 / 100, 0.0, jax.nn.relu), "fan_in"),
        (Step(100, 100, 1.05**2 * 2 / 100, 0.0, jax.nn.relu), "weight"),
        (Step(100, 100, 2 / 100, 0.1, jax.nn.relu), "bias"),
        (Step(100, 100, 2 / 100, 0.0, jax.nn.gelu), "activation"),
    ],
)
def test_every_number_counts(wrong, what):
    """Planted errors: what is asserted above of the right step does not hold of these."""
    right = Step(100, 100, 2 / 100, 0.0, jax.nn.relu)
    close(forward(0.0, [right] * 3), [math.log(2)] * 3)
    assert forward(0.0, [right, wrong, right])[2] != pytest.approx(math.log(2), abs=0.02), what


def test_fan_out_counts_backward_only():
    right, wrong = Step(100, 100, 2 / 100, 0.0, jax.nn.relu), Step(100, 110, 2 / 100, 0.0)
    outputs = forward(0.0, [right, wrong])
    close(outputs, forward(0.0, [right, right]))
    close(backward(0.0, [right, wrong], 0.0), [math.log(1.1), 0.0])


SAME = Window((8,), (3,), padding=((1, 1),))


def padded(activation=None, bias=0.0):
    """A convolution that would keep the second moment if all of its taps were inside."""
    kept = 1 / 3 if activation is not jax.nn.relu else 2 / 3
    mean = SAME.connections / 8
    return Step(mean, mean, kept, bias, activation, SAME)


def border(depth):
    """The second moment at each of 8 positions: averages over three, with zeros outside."""
    q, found = np.ones(8), []
    for _ in range(depth):
        q = np.convolve(q, np.ones(3) / 3, "same")
        found.append(q)
    return found


@pytest.mark.parametrize("activation", [None, jax.nn.relu, jnp.abs])
def test_zeros_at_the_border(activation):
    """By hand; what a mean share of taps inside would say is planted: 16 % off after six."""
    steps = [padded(activation)] * 6
    gain = 2.0 if activation is jax.nn.relu else 1.0
    expected = [math.log(gain * q.mean()) for q in border(6)]
    close(forward(0.0, steps), expected)
    close(backward(0.0, steps, 0.0), [0.0, *(math.log(q.mean()) for q in border(5))][::-1])
    share = SAME.connections / 24
    assert expected[5] - math.log(gain * share**6) > 0.15


def test_gradients_through_a_stride():
    """By hand: of 8 inputs those at even places but the first go into two outputs, others one."""
    window = Window((8,), (3,), strides=(2,), padding=((0, 1),))
    strided = Step(11 / 4, 11 / 8, 1 / 3, 0.0, None, window)
    steps = [padded(), padded(), strided]
    g = np.array([1, 1, 2, 1, 2, 1, 2, 1]) / 3
    expected = [math.log(np.convolve(g, np.ones(3) / 3, "same").mean()), math.log(g.mean()), 0.0]
    close(backward(0.0, steps, 0.0), expected)


def test_the_border_of_functions_that_are_not_homogeneous():
    """erf at every position by Williams' closed form; forward interpolates to 1e-3."""
    steps = [padded(jax.lax.erf, 0.1)] * 4
    v, expected = np.ones(8), []
    for _ in range(4):
        q = np.convolve(v, np.ones(3) / 3, "same") + 0.1
        expected.append(q)
        v = 2 / math.pi * np.arcsin(2 * q / (1 + 2 * q))
    found = forward(0.0, steps)
    assert found == pytest.approx([math.log(q.mean()) for q in expected], abs=1e-3)
    g, gradients = np.ones(8), [0.0]
    for q in expected[-2::-1]:
        g = np.convolve(g, np.ones(3) / 3, "same") * 4 / math.pi / np.sqrt(1 + 4 * q)
        gradients.append(math.log(g.mean()))
    assert backward(0.0, steps, 0.0) == pytest.approx(gradients[::-1], abs=1e-3)


def test_even_maps_are_exact():
    """Without a border nothing is interpolated, whatever rounding makes of equal numbers."""
    even = Step(3.0, 1.0, 0.3, 0.1, jax.lax.erf, Window((30,), (3,), strides=(3,)))
    q = 0.9 * 1.37 + 0.1
    expected = 2 / math.pi * math.asin(2 * q / (1 + 2 * q))
    close(forward(math.log(1.37), [even, Step(4, 4, 0.25)]), [math.log(q), math.log(expected)])


def test_a_map_of_another_size_is_seen_as_even():
    """Behind a pooling, or before a dense layer, only the mean is known."""
    dense, small = Step(4, 4, 0.25), Window((4,), (3,), padding=((1, 1),))
    other = Step(small.connections / 4, small.connections / 4, 1 / 3, 0.0, None, small)
    mean = math.log(SAME.connections / 24)
    close(forward(0.0, [padded(), dense]), [mean, mean])
    close(forward(0.0, [padded(), other]), [mean, mean + math.log(small.connections / 12)])
    close(backward(0.0, [dense, padded(), dense], 0.0), [mean, 0.0, 0.0])


def test_positions_without_a_signal():
    """A transposed convolution whose stride is greater than its kernel leaves holes."""
    window = Window((4,), (1,), input_dilation=(2,))
    steps = [Step(4 / 7, 1.0, 1.0, 0.0, jax.nn.relu, window)]
    steps.append(Step(1.0, 1.0, 2.0, 0.0, None, Window((7,), (1,))))
    close(forward(0.0, steps), [math.log(4 / 7)] * 2)
    assert math.isfinite(backward(0.0, steps, 0.0)[0])
