"""What changes for a Flax model that had JAX's own initializers: traps 9, 11, 17 and 18.

Flax re-exports ``jax.nn.initializers``. Where a name means something else there than in torch,
fanwise takes torch's side; where the difference can be seen in a kernel, a test shows both.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.nn import initializers

import fanwise as fw
from fanwise.distributions import Normal, TruncatedNormal, Uniform

KEY = jax.random.key(29)
FAN_IN, FAN_OUT = 256, 512
SHAPE = (FAN_IN, FAN_OUT)


def linen_kernel(init, dtype=jnp.float32):
    model = nn.Dense(FAN_OUT, use_bias=False, kernel_init=init, param_dtype=dtype, dtype=dtype)
    return model.init(KEY, jnp.ones((1, FAN_IN), dtype))["params"]["kernel"]


def nnx_kernel(init, dtype=jnp.float32):
    model = nnx.Linear(*SHAPE, kernel_init=init, param_dtype=dtype, rngs=nnx.Rngs(KEY))
    return model.kernel[...]


in_both = pytest.mark.parametrize("build", [linen_kernel, nnx_kernel], ids=["linen", "nnx"])


def values(kernel):
    return np.asarray(kernel, np.float64).ravel()


# JAX cuts at two std and scales up by 1/0.8796, so as to end at the std that was asked for.
CUT = 2 / TruncatedNormal(0.0, 1.0, -2.0, 2.0).std


@in_both
@pytest.mark.parametrize(
    ("ours", "theirs", "std"),
    [
        (fw.kaiming_normal(), initializers.he_normal(), math.sqrt(2) / math.sqrt(FAN_IN)),
        (
            fw.xavier_normal(),
            initializers.glorot_normal(),
            math.sqrt(2.0 / float(FAN_IN + FAN_OUT)),
        ),
        (
            fw.variance_scaling(1, "fan_in", "normal"),
            initializers.lecun_normal(),
            math.sqrt(1 / FAN_IN),
        ),
    ],
    ids=["he", "glorot", "lecun"],
)
def test_trap_9_a_normal_is_not_truncated(build, ours, theirs, std):
    assert ours.distribution(SHAPE) == Normal(0.0, std)
    beyond = values(build(ours)) / std
    # 2.3 % of a normal lie outside of JAX's bounds: 3,000 of these values, give or take 55.
    share = np.mean(np.abs(beyond) > CUT)
    expected = math.erfc(CUT / math.sqrt(2))
    assert share == pytest.approx(expected, abs=6 * math.sqrt(expected / beyond.size))
    assert np.abs(values(build(theirs))).max() <= CUT * std * (1 + 1e-6)


@in_both
def test_trap_9_who_wants_the_truncated_one_says_so(build):
    asked = fw.variance_scaling(2.0).distribution(SHAPE)
    assert isinstance(asked, TruncatedNormal)
    assert asked.std == pytest.approx(math.sqrt(2 / FAN_IN), rel=1e-12)
    drawn = values(build(fw.variance_scaling(2.0)))
    assert np.abs(drawn).max() <= CUT * asked.std * (1 + 1e-6)


@in_both
def test_trap_11_uniform_takes_two_bounds(build):
    assert fw.uniform(-0.1, 0.1).distribution(SHAPE) == Uniform(-0.1, 0.1)
    ours, theirs = build(fw.uniform(-0.1, 0.1)), build(initializers.uniform(0.1))
    assert float(ours.min()) < -0.099
    assert float(theirs.min()) >= 0.0


@in_both
def test_trap_17_bfloat16_kernels_have_more_than_128_values(build):
    """JAX draws as many random bits as the mantissa has; here float32 is drawn and rounded."""
    ours, theirs = build(fw.normal(), jnp.bfloat16), build(initializers.normal(1.0), jnp.bfloat16)
    assert ours.dtype == theirs.dtype == jnp.bfloat16
    assert len(np.unique(values(ours))) > 1_000
    assert len(np.unique(values(theirs))) <= 128
    # Nor are the tails cut off: that none of 131,072 normals is beyond 3.5 std has probability
    # 3e-27.
    assert np.abs(values(ours)).max() > 3.5
    assert np.abs(values(theirs)).max() < 3.0
    assert abs(values(ours).mean()) < 5 / math.sqrt(ours.size)


@in_both
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16], ids=["bfloat16", "float16"])
def test_trap_18_scales_are_rounded_once_with_the_value(build, dtype):
    """JAX rounds the variance to the parameter's dtype before it takes the square root."""
    single = build(fw.kaiming_normal())
    assert bool(jnp.all(build(fw.kaiming_normal(), dtype) == single.astype(dtype)))
