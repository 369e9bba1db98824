"""Models that were once started wrongly, or not at all."""

import jax
import jax.numpy as jnp
from flax import nnx

import fanwise as fw

KEY = jax.random.key(0)


def test_a_users_class_of_the_same_name_is_not_claimed():
    class RMSNorm(nnx.Module):
        """Of Gemma's kind: the factor is 1 + scale."""

        def __init__(self, features):
            self.num_features = features
            self.scale = nnx.Param(jnp.zeros(features))

    class Model(nnx.Module):
        def __init__(self, rngs):
            self.norm = RMSNorm(4)
            self.linear = nnx.Linear(4, 3, rngs=rngs)

    assert [layer.kind for layer in fw.nnx.layers(Model)] == [None, "Linear"]
    assert (fw.nnx.init(Model, KEY).norm.scale[...] == 0).all()


def test_a_function_for_one_of_two_biases():
    def forget_bias(key, shape, dtype):
        return jnp.zeros(shape, dtype).at[shape[0] // 4 : shape[0] // 2].set(1)

    rule = lambda layer: {"bias_ih": forget_bias, "bias_hh": fw.zeros()}
    cell = fw.nnx.init(lambda rngs: nnx.LSTMCell(8, 5, rngs=rngs), KEY, rule=rule)
    assert (cell.hf.bias[...] == 1).all()
    assert (cell.hi.bias[...] == 0).all()
