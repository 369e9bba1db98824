"""The frameworks' versions of a network have the same parameters, drawn from the same laws."""

import math

import jax
import numpy as np
import pytest
from flax import nnx

from benchmarks.builders import parameter_list
from benchmarks.networks import NETWORKS, linen
from benchmarks.networks import nnx as nnx_networks
from fanwise.distributions import Constant

# The usual sizes of these models; GPT-2's is 124,439,808 with the head tied to the embedding,
# and ResNet-50 has 53,120 running means and variances besides its 25,557,032 parameters.
ELEMENTS = {"GPT-2": 124_439_808 + 50257 * 768, "ResNet-50": 25_557_032 + 53_120}


@pytest.mark.parametrize("name", ["GPT-2", "ResNet-50", "tiny ResNet", "tiny transformer"])
def test_linen_and_nnx_have_the_same_elements(name):
    network = NETWORKS[name]
    elements = sum(map(math.prod, linen.shapes_of(network).values()))
    assert elements == ELEMENTS.get(name, elements)
    model = nnx.eval_shape(lambda: nnx_networks.build(network, nnx.Rngs(0)))
    leaves = jax.tree.leaves(nnx.state(model, (nnx.Param, nnx.BatchStat)))
    assert sum(math.prod(leaf.shape) for leaf in leaves) == elements


def test_the_large_transformer_has_300_million_elements():
    shapes = linen.shapes_of(NETWORKS["48 layers"])
    assert sum(map(math.prod, shapes.values())) == pytest.approx(300e6, rel=0.01)


@pytest.mark.parametrize("name", ["tiny ResNet", "tiny transformer"])
def test_what_fanwise_fills_is_what_linen_draws(name, key):
    network = NETWORKS[name]
    variables = jax.jit(linen.build(network).init)(key, linen.example_input(network))
    drawn = {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables)
    }
    parameters = parameter_list(network, linen.shapes_of(network), key)
    assert {parameter.path for parameter in parameters} == set(drawn)
    for parameter in parameters:
        array = drawn[parameter.path]
        distribution = parameter.distribution
        if isinstance(distribution, Constant):
            np.testing.assert_array_equal(array, distribution.value)
        else:
            # Seven standard errors of the std of a normal.
            tolerance = 7 / math.sqrt(2 * array.size)
            assert np.sqrt(np.mean(array**2)) == pytest.approx(distribution.std, rel=tolerance)
