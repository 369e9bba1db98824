"""Every kind of layer, matched, filled from torch's state dict, and taken back to torch."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen
from torch.nn.parameter import UninitializedTensorMixin

import fanwise as fw
from fanwise.porting import Correspondence
from parity.conversions_compare import TOLERANCE, _moved
from parity.conversions_linen import LINEN
from parity.conversions_nnx import NNX
from parity.conversions_pairs import PAIRS
from parity.conversions_planted import PLANTED_PAIRS
from parity.seeding import numpy_generator, torch_seeded

PAIRED = [
    pytest.param(framework, pair, id=f"{framework.name}: {pair}")
    for framework in (LINEN, NNX)
    for pair in PAIRS
    if framework.has(pair)
]


def matched(framework, pair, seed):
    """torch's layer with values off its start, inputs, and the correspondence."""
    generator = numpy_generator(seed, f"weights of {framework.name} {pair}")
    inputs = pair.arrays(generator)
    layers = framework.layers(pair, inputs)
    with torch_seeded(seed, str(pair)):
        module = pair.torch()
    if any(isinstance(each, UninitializedTensorMixin) for each in module.parameters()):
        run(pair, module, inputs)
    module = _moved(module, layers[0], generator)
    return module, inputs, fw.port.match(module, layers)


def run(pair, module, inputs):
    with torch.no_grad():
        return pair.call(module, *map(torch.from_numpy, inputs)).numpy()


def leaves(tree, path=()):
    if not isinstance(tree, dict):
        return {path: np.asarray(tree)}
    return {p: leaf for name, own in tree.items() for p, leaf in leaves(own, (*path, name)).items()}


def off(output, expected):
    return np.abs(output - expected).max() / max(1, np.abs(expected).max())


@pytest.mark.parametrize(("framework", "pair"), PAIRED)
def test_a_layer_computes_the_same_and_comes_back(framework, pair, seed):
    module, inputs, found = matched(framework, pair, seed)
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    variables = fw.port.weights(module.state_dict(), found)
    # In training a BatchNorm moves its statistics.
    expected = run(pair, module, inputs)
    output = framework.run(pair, leaves(variables), inputs)
    assert off(output, expected) <= TOLERANCE
    back = fw.port.state_dict(variables, found)
    module.load_state_dict({name: torch.from_numpy(array) for name, array in back.items()})
    assert off(run(pair, module, inputs), expected) <= TOLERANCE
    # What is added in one array comes back as a sum; all else is as it was.
    added = [name for name in state if "bias_ih" in name or "bias_hh" in name]
    for name in state.keys() - set(added):
        if not name.endswith("num_batches_tracked"):
            np.testing.assert_array_equal(back[name], state[name].numpy())


PLACES = [
    pytest.param(framework, planted, id=f"{framework.name}: {planted.error}")
    for framework in (LINEN, NNX)
    for planted in PLANTED_PAIRS
    if planted.message == "outputs off by" and framework.has(planted.pair)
]


@pytest.mark.parametrize(("framework", "planted"), PLACES)
def test_a_layer_that_says_otherwise_computes_otherwise(framework, planted, seed):
    module, inputs, found = matched(framework, planted.pair, seed)
    wrong = [replace(pair, flax=planted.spoil(pair.flax)) for pair in found.pairs]
    variables = fw.port.weights(module.state_dict(), Correspondence(tuple(wrong)))
    output = framework.run(planted.pair, leaves(variables), inputs)
    assert off(output, run(planted.pair, module, inputs)) > 100 * TOLERANCE


def test_a_loss_changes_outputs_and_so_is_refused(seed):
    pair = next(pair for pair in PAIRS if pair.kind == "GRU" and NNX.has(pair))
    module, inputs, found = matched(NNX, pair, seed)
    lossy = [each.torch.path or "." for each in found.pairs if each.flax.lost]
    if not lossy:
        pytest.fail(f"{pair} loses nothing")
    name = next(name for name in module.state_dict() if "bias_hh" in name)
    with torch.no_grad():
        module.get_parameter(name)[-1] = 2.0
    with pytest.raises(ValueError, match=r"values without a place:\n.*bias_hh"):
        fw.port.weights(module.state_dict(), found)
    variables = fw.port.weights(module.state_dict(), found, lossy=lossy)
    output = NNX.run(pair, leaves(variables), inputs)
    assert off(output, run(pair, module, inputs)) > 100 * TOLERANCE


def test_biases_of_keys_and_values_that_flax_has_not():
    module = torch.nn.MultiheadAttention(8, 2, add_bias_kv=True)
    x = jnp.zeros((1, 3, 8))
    found = fw.port.match(module, fw.linen.layers(linen.MultiHeadDotProductAttention(2), x, x))
    with torch.no_grad():
        module.bias_k.zero_()
        module.bias_v.zero_()
    # Even zeros are one more thing to attend to.
    with pytest.raises(
        ValueError, match=r"bias_k, bias_v: .* has no place for it; lossy=\('\.',\)"
    ):
        fw.port.weights(module, found)
    variables = fw.port.weights(module, found, lossy=(".",))
    with pytest.raises(ValueError, match=r"no value here: bias_k \(Multi.* \.\), bias_v"):
        fw.port.state_dict(variables, found)


class _Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = torch.nn.Embedding(7, 4)
        self.lm_head = torch.nn.Linear(4, 7, bias=False)
        self.lm_head.weight = self.wte.weight


class _Apart(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = linen.Embed(7, 4, name="wte")(x)
        return linen.Dense(7, use_bias=False, name="head")(x)


def test_a_tied_head_that_is_a_layer_of_its_own_in_flax():
    module, words = _Tied(), jnp.zeros((1, 2), jnp.int32)
    layers = fw.linen.layers(_Apart(), words)
    found = fw.port.match(module, layers, names={"lm_head": "head"})
    variables = fw.port.weights(module, found)
    table, head = variables["params"]["wte"]["embedding"], variables["params"]["head"]["kernel"]
    np.testing.assert_array_equal(table, module.wte.weight.detach())
    np.testing.assert_array_equal(head, table.T)
    state = fw.port.state_dict(variables, found)
    assert set(state) == {"wte.weight", "lm_head.weight"}
    variables["params"]["head"]["kernel"] = head + 1
    with pytest.raises(ValueError, match=r"wte\.weight is one tensor in torch"):
        fw.port.state_dict(variables, found)
