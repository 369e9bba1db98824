"""Where Flax reshapes a kernel before it calls the initializer, and where it does not.

The fans follow from the shape that Flax asks for. DenseGeneral and attention flatten it, Einsum
and ConvLocal do not, and a batch axis is multiplied into the inputs. Each test says how to get
the fans of the matrix that the layer multiplies with.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import fanwise as fw
from fanwise.distributions import Normal
from tests.flax.witness import Witness

KEY = jax.random.key(0)


def linen_attention(init):
    model = nn.MultiHeadDotProductAttention(8, qkv_features=128, kernel_init=init)
    return model.init(KEY, jnp.ones((1, 2, 64)))["params"]


def nnx_attention(init):
    model = nnx.MultiHeadAttention(8, 64, 128, decode=False, kernel_init=init, rngs=nnx.Rngs(KEY))
    return nnx.to_pure_dict(nnx.state(model, nnx.Param))


def linen_einsum(init):
    model = nn.Einsum((128, 8, 16), "btd,dhk->bthk", use_bias=False, kernel_init=init)
    return model.init(KEY, jnp.ones((1, 2, 128)))["params"]["kernel"]


def nnx_einsum(init):
    shape = (128, 8, 16)
    return nnx.Einsum("btd,dhk->bthk", shape, kernel_init=init, rngs=nnx.Rngs(KEY)).kernel[...]


def linen_batched(init):
    model = nn.DenseGeneral(8, batch_dims=(0,), kernel_init=init)
    return model.init(KEY, jnp.ones((16, 2, 6)))["params"]["kernel"]


def nnx_batched(init):
    model = nnx.LinearGeneral(6, 8, batch_axis={0: 16}, kernel_init=init, rngs=nnx.Rngs(KEY))
    return model.kernel[...]


def linen_local(init):
    model = nn.ConvLocal(8, (3, 3), padding="VALID", use_bias=False, kernel_init=init)
    return model.init(KEY, jnp.ones((1, 6, 6, 5)))["params"]["kernel"]


def in_both(linen, of_nnx):
    return pytest.mark.parametrize("build", [linen, of_nnx], ids=["linen", "nnx"])


def shapes_asked_for(build):
    witness = Witness()
    build(witness)
    return witness.shapes


def kaiming(fan_in):
    return Normal(0.0, math.sqrt(2.0) / math.sqrt(fan_in))


@in_both(linen_attention, nnx_attention)
def test_trap_3_attention_flattens_its_kernels(build):
    *projections, out = shapes_asked_for(build)
    assert projections == [(64, 128)] * 3
    assert out == (128, 64)

    # As flattened, the default layout has the fans of the kernels as stored.
    initializer = fw.kaiming_normal()
    query = initializer.distribution((64, 8, 16), layout="IOO")
    assert initializer.distribution(projections[0]) == query == kaiming(64)
    last = initializer.distribution((8, 16, 64), layout="IIO")
    assert initializer.distribution(out) == last == kaiming(128)


@in_both(linen_attention, nnx_attention)
def test_trap_3_a_layout_for_the_stored_kernel_is_refused_in_attention(build):
    with pytest.raises(ValueError, match=r"attention flatten their kernels to two axes"):
        build(fw.kaiming_normal(layout="IOO"))


@in_both(linen_attention, nnx_attention)
def test_trap_3_queries_are_orthogonal_over_all_heads_together(build):
    parameters = build(fw.orthogonal())
    query = np.asarray(parameters["query"]["kernel"], np.float64).reshape(64, 128)
    np.testing.assert_allclose(query @ query.T, np.eye(64), atol=1e-5)


@in_both(linen_einsum, nnx_einsum)
def test_trap_3_einsum_does_not_flatten_and_needs_a_layout(build):
    assert shapes_asked_for(build) == [(128, 8, 16)]
    right = fw.kaiming_normal(layout="IOO").distribution((128, 8, 16))
    wrong = fw.kaiming_normal().distribution((128, 8, 16))
    assert right == kaiming(128)
    # Without it the axis of heads is taken for a second input.
    assert wrong == kaiming(128 * 8)
    assert wrong.std / right.std == pytest.approx(0.354, abs=5e-4)


@in_both(linen_batched, nnx_batched)
def test_trap_4_a_batch_axis_of_dense_counts_as_input(build):
    assert shapes_asked_for(build) == [(16 * 6, 8)]
    drawn = fw.kaiming_normal().distribution((16 * 6, 8))
    assert drawn == kaiming(16 * 6)
    # Each of the 16 matrices is (6, 8): its std comes out 4 times too small.
    assert kaiming(6).std / drawn.std == pytest.approx(4, rel=1e-12)


@in_both(linen_batched, nnx_batched)
def test_trap_4_a_batch_axis_of_the_layout_gives_each_matrix_its_own_fans(build):
    def batched(key, shape, dtype):
        return fw.orthogonal(layout="BIO")(key, (16, 6, 8), dtype).reshape(shape)

    for matrix in np.asarray(build(batched), np.float64):
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(6), atol=1e-5)
    assert fw.kaiming_normal(layout="BIO").distribution((16, 6, 8)) == kaiming(6)


def test_trap_5_a_local_convolution_counts_its_positions_as_receptive_field():
    """nnx has no such layer."""
    (shape,) = shapes_asked_for(linen_local)
    assert shape == (4, 4, 3 * 3 * 5, 8)
    # Every position has a matrix of its own, from the patch to the outputs.
    assert fw.kaiming_normal(layout="BBIO").distribution(shape) == kaiming(3 * 3 * 5)
    assert fw.kaiming_normal().distribution(shape) == kaiming(4 * 4 * 3 * 3 * 5)
    assert linen_local(fw.kaiming_normal(layout="BBIO")).shape == shape
