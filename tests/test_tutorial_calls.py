"""The calls that tutorials on torch.nn.init show, each with its counterpart and its numbers.

Shapes are those of torch's weights in torch's layout first, then of Flax's kernels.
"""

import math

import jax
import numpy as np
import pytest

import fanwise as fw
from fanwise.distributions import Eye, Normal, Uniform
from tests.agreement import assert_drawn_from

RELU = fw.calculate_gain("relu")
ROOT5 = 1 / math.sqrt(5)


def uniform(bound):
    return Uniform(-bound, bound)


# torch's call in words, ours, torch's weight shape, Flax's kernel shape, what torch draws from.
CALLS = [
    (
        "xavier_uniform(w, gain=calculate_gain('relu')) on a (3, 5) tensor",
        fw.xavier_uniform(gain=RELU),
        (3, 5),
        (5, 3),
        uniform(math.sqrt(2) * math.sqrt(6 / 8)),
    ),
    (
        "xavier_uniform with the gain of relu on AlexNet's first convolution",
        fw.xavier_uniform(gain=RELU),
        (64, 3, 11, 11),
        (11, 11, 3, 64),
        uniform(math.sqrt(2) * math.sqrt(6 / (67 * 121))),
    ),
    (
        "uniform_(layer.weight, -1/sqrt(5), 1/sqrt(5)) on Linear(5, 2)",
        fw.uniform(-ROOT5, ROOT5),
        (2, 5),
        (5, 2),
        uniform(ROOT5),
    ),
    (
        "normal_(layer.weight, 0, 1/sqrt(5)) on Linear(5, 2)",
        fw.normal(0, ROOT5),
        (2, 5),
        (5, 2),
        Normal(0, ROOT5),
    ),
    ("values from U(-0.01, 0.01)", fw.uniform(-0.01, 0.01), (2, 5), (5, 2), uniform(0.01)),
    ("values from N(0, 0.01)", fw.normal(0, 0.01), (2, 5), (5, 2), Normal(0, 0.01)),
    (
        "xavier_uniform_ on Conv2d(1, 4, (2, 2))",
        fw.xavier_uniform(),
        (4, 1, 2, 2),
        (2, 2, 1, 4),
        uniform(math.sqrt(6 / 20)),
    ),
    (
        "xavier_normal_ on Conv2d(1, 4, (2, 2))",
        fw.xavier_normal(),
        (4, 1, 2, 2),
        (2, 2, 1, 4),
        Normal(0, math.sqrt(2 / 20)),
    ),
    (
        "kaiming_uniform_(mode='fan_in', nonlinearity='relu') on Conv2d(1, 4, (2, 2))",
        fw.kaiming_uniform(mode="fan_in", nonlinearity="relu"),
        (4, 1, 2, 2),
        (2, 2, 1, 4),
        uniform(math.sqrt(6 / 4)),
    ),
    (
        "kaiming_normal_(mode='fan_in', nonlinearity='relu') on Conv2d(1, 4, (2, 2))",
        fw.kaiming_normal(mode="fan_in", nonlinearity="relu"),
        (4, 1, 2, 2),
        (2, 2, 1, 4),
        Normal(0, math.sqrt(2 / 4)),
    ),
    (
        "kaiming_normal(m.weight.data, a=0, mode='fan_in') on Conv2d(64, 128, 3)",
        fw.kaiming_normal(a=0, mode="fan_in"),
        (128, 64, 3, 3),
        (3, 3, 64, 128),
        Normal(0, math.sqrt(2 / 576)),
    ),
    (
        "kaiming_normal_(m.weight, mode='fan_out', nonlinearity='relu') on Conv2d(64, 128, 3)",
        fw.kaiming_normal(mode="fan_out", nonlinearity="relu"),
        (128, 64, 3, 3),
        (3, 3, 64, 128),
        Normal(0, math.sqrt(2 / 1152)),
    ),
    (
        "kaiming_normal_ on Linear(16 * 5 * 5, 120)",
        fw.kaiming_normal(mode="fan_in", nonlinearity="relu"),
        (120, 400),
        (400, 120),
        Normal(0, math.sqrt(2 / 400)),
    ),
    (
        "kaiming_normal_ on Linear(120, 84)",
        fw.kaiming_normal(mode="fan_in", nonlinearity="relu"),
        (84, 120),
        (120, 84),
        Normal(0, math.sqrt(2 / 120)),
    ),
    (
        "xavier_normal_ on Linear(84, 10)",
        fw.xavier_normal(),
        (10, 84),
        (84, 10),
        Normal(0, math.sqrt(2 / 94)),
    ),
    (
        "xavier_uniform on every Linear, here Linear(400, 120)",
        fw.xavier_uniform(),
        (120, 400),
        (400, 120),
        uniform(math.sqrt(6 / 520)),
    ),
    (
        "the built-in default of Linear(400, 120)",
        fw.kaiming_uniform(a=math.sqrt(5)),
        (120, 400),
        (400, 120),
        uniform(1 / 20),
    ),
    (
        "the built-in default of Conv2d(3, 6, 5)",
        fw.kaiming_uniform(a=math.sqrt(5)),
        (6, 3, 5, 5),
        (5, 5, 3, 6),
        uniform(1 / math.sqrt(75)),
    ),
    ("eye_ on a (3, 5) tensor", fw.eye(), (3, 5), (5, 3), None),
]
each_call = pytest.mark.parametrize(
    ("initializer", "torch_shape", "flax_shape", "expected"),
    [row[1:] for row in CALLS],
    ids=[row[0] for row in CALLS],
)


def numbers(distribution):
    return [getattr(distribution, name) for name in type(distribution).__dataclass_fields__]


@each_call
def test_distribution(initializer, torch_shape, flax_shape, expected):
    in_flax = initializer.distribution(flax_shape)
    in_torch = initializer.distribution(torch_shape, layout="OI...")
    if expected is None:
        assert (in_flax, in_torch) == (Eye(), Eye(layout="OI..."))
        return
    assert in_flax == in_torch
    assert type(in_flax) is type(expected)
    assert numbers(in_flax) == pytest.approx(numbers(expected), rel=1e-14)


@each_call
def test_values(initializer, torch_shape, flax_shape, expected, key):
    values = initializer(key, flax_shape)
    assert values.shape == flax_shape
    if expected is None:
        assert (np.asarray(values) == np.eye(*flax_shape)).all()
    elif values.size > 1000:
        assert_drawn_from(values, expected)


def test_default_biases(key):
    """Linear(400, 120) and Conv2d(3, 6, 5): the bound comes from the kernel's fan_in."""
    linear = fw.bias_uniform(fan_in=400)
    assert linear.distribution((120,)) == uniform(1 / 20)
    fan_in = fw.fans((5, 5, 3, 6)).fan_in
    assert fw.bias_uniform(fan_in).distribution((6,)) == uniform(1 / math.sqrt(75))
    assert linear(key, (120,)).shape == (120,)


def test_the_leaky_relu_with_slope_0_is_a_relu():
    """The defaults say leaky_relu with a=0, which is a relu."""
    default = fw.kaiming_normal().distribution((5, 3))
    assert default == fw.kaiming_normal(nonlinearity="relu").distribution((5, 3))
    assert default != fw.kaiming_normal(a=0.2).distribution((5, 3))


def test_choosing_a_mode_keeps_the_variance_of_one_direction(key):
    """fan_in keeps the second moment of the signal through relu, fan_out that of the gradient."""
    inputs, outputs = 400, 1600
    signal_key, gradient_key, kernel_key = jax.random.split(key, 3)
    signal = jax.nn.relu(jax.random.normal(signal_key, (500, inputs)))
    gradient = jax.random.normal(gradient_key, (500, outputs))
    for mode, forward, backward in [("fan_in", 1.0, 4.0), ("fan_out", 0.25, 1.0)]:
        kernel = fw.kaiming_normal(mode=mode, nonlinearity="relu")(kernel_key, (inputs, outputs))
        out = signal @ kernel
        # Half of the gradient gets through the relu before it meets the kernel.
        back = jax.nn.relu(gradient) @ kernel.T
        assert float((out**2).mean()) == pytest.approx(forward, rel=0.05)
        assert float((back**2).mean()) == pytest.approx(backward, rel=0.05)
