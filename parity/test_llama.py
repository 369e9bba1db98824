"""Hugging Face's Llama, which nobody here wrote, in linen: its weights, its logits, its start."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import fanwise as fw
from parity.llama_linen import Llama

WORDS = np.arange(14).reshape(2, 7) * 5 % 97
SIZES = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
}
CONFIGS = {
    "each head its own keys": LlamaConfig(**SIZES),
    "two heads share keys": LlamaConfig(**SIZES, num_key_value_heads=2, rms_norm_eps=1e-5),
}


@pytest.fixture(params=CONFIGS)
def config(request):
    return CONFIGS[request.param]


def layers_of(config):
    return fw.linen.layers(Llama(config), jnp.asarray(WORDS))


def off(config, state, expected):
    variables = fw.port.weights(state, fw.port.match(LlamaForCausalLM(config), layers_of(config)))
    logits = np.asarray(Llama(config).apply(variables, jnp.asarray(WORDS)))
    return np.abs(logits - expected).max() / np.abs(expected).max()


def test_logits(config):
    torch.manual_seed(1)
    model = LlamaForCausalLM(config).eval()
    # The std that it starts with leaves attention nearly even, which would hide wrong positions.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(1.0 if parameter.ndim == 1 else 0.0, 0.2)
        expected = model(torch.from_numpy(WORDS)).logits.numpy()
    state = model.state_dict()
    assert off(config, state, expected) < 1e-4
    name = "model.layers.1.self_attn.{}_proj.weight"
    swapped = state | {
        name.format("q"): state[name.format("o")],
        name.format("o"): state[name.format("q")],
    }
    assert off(config, swapped, expected) > 1e-2


def test_start(config):
    recipe = fw.torch.record(lambda: LlamaForCausalLM(config))
    correspondence = fw.port.match(recipe, layers_of(config))
    report = fw.port.check(
        recipe,
        Llama(config),
        jnp.asarray(WORDS),
        init=lambda key: fw.port.init(recipe, correspondence, key),
    )
    assert report.passed, str(report)
    default = fw.port.check(recipe, Llama(config), jnp.asarray(WORDS))
    # All matrices; what multiplies after a normalization is 1 in both.
    assert len(default.faults) >= 1
    assert {name for fault in default.faults for name in fault.torch} == {
        name for name, each in recipe.tensors.items() if len(each.shape) == 2
    }
    assert jax.tree.structure(
        jax.eval_shape(Llama(config).init, jax.random.key(0), jnp.asarray(WORDS))
    ) == jax.tree.structure(fw.port.init(recipe, correspondence, jax.random.key(0)))
