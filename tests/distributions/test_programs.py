"""The bits of a value do not depend on the program around it, however short the array is.

Compilers fold what they know, vectorize what is long and contract products with sums; each of
these may change a last bit. The key may be an argument or a constant of the program.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.distributions import Normal, Triangular, TruncatedNormal, Uniform

LAWS = [
    Uniform(-0.1, 0.1),
    Normal(0.1, 0.3),
    TruncatedNormal(0.1, 0.3, -0.2, 0.9),
    Triangular(-0.1, 0.3),
]
SHAPES = [(), (8,), (17,)]


def same_bits(x, y):
    x, y = np.asarray(x), np.asarray(y)
    return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()


@pytest.mark.parametrize("law", LAWS, ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_key_is_an_argument_or_a_constant(law, dtype, key):
    old_style = jax.random.key_data(key)

    def program(key):
        return [law.sample(key, shape, dtype) for shape in SHAPES]

    with jax.enable_x64(dtype == "float64"):
        eager = program(key)
        argument = jax.jit(program)(key)
        constant, old_constant = jax.jit(lambda: (program(key), program(old_style)))()
        for draws in (argument, constant, old_constant):
            assert all(map(same_bits, eager, draws))


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_short_arrays_begin_like_long_ones(law, key):
    """The position of an element decides, not how many there are."""
    long = np.asarray(law.sample(key, (1000,)))
    for size in (1, 3, 67):
        assert same_bits(law.sample(key, (size,)), long[:size])


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_rearranged_and_sliced_values(law, key):
    shape = (33, 17, 3)
    eager = np.asarray(law.sample(key, shape))

    @jax.jit
    def program(key):
        values = law.sample(key, shape)
        return values.T, jnp.flip(values), values[1::2, 3], values.reshape(-1)[5:9]

    expected = eager.T, np.flip(eager), eager[1::2, 3], eager.reshape(-1)[5:9]
    assert all(map(same_bits, expected, program(key)))
