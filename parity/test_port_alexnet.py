"""The example that ports AlexNet does what it says, at a size that is quick."""

import re

import jax
import jax.numpy as jnp
import pytest
import torch

import fanwise as fw
from examples import port_alexnet
from examples.models.alexnet import ALEXNET, CHANNELS, LinenAlexNet, TorchAlexNet

SMALL = {"channels": CHANNELS, "hidden": 48, "num_classes": 10}


def test_the_published_size_is_that_of_the_family():
    assert ALEXNET.real == port_alexnet.PUBLISHED


def test_its_output(capsys):
    state = torch.random.get_rng_state()
    try:
        port_alexnet.main(SMALL)
    finally:
        torch.random.set_rng_state(state)
    printed = capsys.readouterr().out
    (off,) = re.findall(r"logits differ by (\S+) of the largest", printed)
    assert float(off) < 1e-4
    assert "16 of 16 tensors agree" in printed
    assert "started anew: params/Conv_0/kernel\n" in printed
    assert re.search(r"features\.0 +Conv_0 +Conv2d", printed)


def test_without_what_it_states_of_the_map_it_is_refused():
    layers = fw.linen.layers(LinenAlexNet(**SMALL), jnp.zeros((1, 224, 224, 3)))
    with pytest.raises(ValueError, match=r"classifier\.1.*\(10, 6, 6\)|\(10, 6, 6\)"):
        fw.port.match(TorchAlexNet(**SMALL), layers)


def test_changed_sees_one_bit():
    before = {"params": {"a": jnp.zeros(3), "b": jnp.zeros(3)}}
    after = jax.tree.map(lambda x: x, before)
    assert port_alexnet.changed(before, after) == []
    after["params"]["b"] = jnp.asarray([0.0, -0.0, 0.0])
    assert port_alexnet.changed(before, after) == ["params/b"]
