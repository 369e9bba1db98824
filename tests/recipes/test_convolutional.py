"""ResNet, VGG and DCGAN: the law of every parameter by formula, and no parameter but those."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fanwise as fw
from fanwise.distributions import Normal
from tests.recipes.laws import ONE, ZERO, agree, fits, laws, torch_linear, uniform
from tests.recipes.models import VGG, DCGANGenerator, ResNet

IMAGE = jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32)
NOISE = jax.ShapeDtypeStruct((1, 1, 1, 20), jnp.float32)


def fan_out(outputs, positions):
    return Normal(0.0, math.sqrt(2 / (outputs * positions)))


def norm(path, weight=ONE):
    return {f"{path}:weight": weight, f"{path}:bias": ZERO}


def resnet_laws(bottleneck, last=ONE, numbered=None):
    """``last`` is the weight of the last norm of each block, ``numbered`` linen's names."""
    expected = {"conv1:weight": fan_out(16, 49), **norm("bn1")}
    sizes = [(8, 1), (8, 9), (32, 1)] if bottleneck else [(8, 9), (8, 9)]
    for block in range(2):
        for index, size in enumerate(sizes):
            conv, bn = numbered(index) if numbered else (f"conv{index + 1}", f"bn{index + 1}")
            is_last = index == len(sizes) - 1
            expected[f"block{block}/{conv}:weight"] = fan_out(*size)
            expected |= norm(f"block{block}/{bn}", last if is_last else ONE)
    # The second block's input is as wide as its output.
    expected["block0/downsample_conv:weight"] = fan_out(sizes[-1][0], 1)
    expected |= norm("block0/downsample_bn")
    return expected | torch_linear("fc", sizes[-1][0])


@pytest.mark.parametrize(
    ("bottleneck", "pattern", "last"),
    [
        (False, None, ONE),
        (True, None, ONE),
        (False, r".*/bn2", ZERO),
        (True, r".*/bn3", ZERO),
    ],
)
def test_resnet(bottleneck, pattern, last):
    layers = fw.linen.layers(ResNet(bottleneck), IMAGE)
    found = laws(layers, fw.recipes.resnet(pattern))
    assert agree(found, resnet_laws(bottleneck, last)) == set()


def test_resnet_by_the_names_that_linen_gives():
    layers = fw.linen.layers(ResNet(named=False), IMAGE)
    expected = resnet_laws(False, ZERO, lambda index: (f"Conv_{index}", f"BatchNorm_{index}"))
    assert agree(laws(layers, fw.recipes.resnet(r".*/BatchNorm_1")), expected) == set()
    wrong = {f"block{index}/BatchNorm_{norm}:weight" for index in (0, 1) for norm in (0, 1)}
    assert agree(laws(layers, fw.recipes.resnet(r".*/BatchNorm_0")), expected) == wrong


def test_what_would_be_a_planted_error():
    """The comparison itself notices a wrong number, a wrong law and a parameter left alone."""
    layers = fw.linen.layers(ResNet(), IMAGE)
    expected = resnet_laws(False)
    rule = fw.chain(
        fw.recipes.resnet(),
        fw.by_path(
            {
                "conv1": {"weight": fw.kaiming_normal(nonlinearity="relu")},
                "bn1": {"bias": fw.normal(std=1e-9)},
            }
        ),
    )
    assert agree(laws(layers, rule), expected) == {"conv1:weight", "bn1:bias"}
    found = laws(layers, fw.recipes.resnet()) | {"fc:weight": None}
    assert agree(found, expected) == {"fc:weight"}


def test_vgg():
    expected = {
        "conv1:weight": fan_out(8, 9),
        "conv1:bias": ZERO,
        **norm("bn1"),
        "conv2:weight": fan_out(16, 9),
        "conv2:bias": ZERO,
        "fc1:weight": Normal(0.0, 0.01),
        "fc1:bias": ZERO,
        "fc2:weight": Normal(0.0, 0.01),
        "fc2:bias": ZERO,
    }
    assert agree(laws(fw.linen.layers(VGG(), IMAGE), fw.recipes.vgg()), expected) == set()


@pytest.mark.parametrize("std", [0.02, 0.1])
def test_dcgan(std):
    weights = {f"{name}:weight": Normal(0.0, std) for name in ("up1", "up2", "mix")}
    expected = weights | norm("bn1", Normal(1.0, std))
    layers = fw.linen.layers(DCGANGenerator(), NOISE)
    assert agree(laws(layers, fw.recipes.dcgan(std)), expected) == set()


def test_dcgan_leaves_biases_of_convolutions_to_torch():
    layers = fw.linen.layers(DCGANGenerator(biased=True), NOISE)
    found = laws(layers, fw.recipes.dcgan())
    # torch's fan_in of a transposed convolution is of its outputs.
    fans = {"up1": 16 * 16, "up2": 3 * 16, "mix": 3}
    expected = {f"{name}:bias": uniform(1 / math.sqrt(fan)) for name, fan in fans.items()}
    assert agree({name: found[name] for name in expected}, expected) == set()


def test_variables_are_drawn_from_the_laws(key):
    model = ResNet(bottleneck=True)
    x = jnp.zeros(IMAGE.shape, IMAGE.dtype)
    variables = fw.linen.init(model, key, x, rule=fw.recipes.resnet(r".*/bn3"))
    params = variables["params"]
    for block in ("block0", "block1"):
        assert not np.any(params[block]["bn3"]["scale"])
        for name in ("bn1", "bn2"):
            assert np.all(np.asarray(params[block][name]["scale"]) == 1)
    kernel = params["conv1"]["kernel"]
    assert fits(kernel, fan_out(16, 49))
    assert not fits(kernel, fan_out(3, 49))
    statistics = variables["batch_stats"]["bn1"]
    assert np.all(np.asarray(statistics["mean"]) == 0)
    assert np.all(np.asarray(statistics["var"]) == 1)


def test_apply_starts_a_pretrained_network_anew_where_the_rule_is_narrowed(key):
    model, x = ResNet(), jnp.zeros(IMAGE.shape, IMAGE.dtype)
    before = jax.jit(model.init)(key, x)
    head = fw.by_path({"fc": fw.recipes.resnet()})
    after = fw.linen.apply(head, model, before, key, x)
    changed = jax.tree.map(lambda a, b: a is not b, before, after)
    moved = {
        jax.tree_util.keystr(path)
        for path, is_new in jax.tree_util.tree_leaves_with_path(changed)
        if is_new
    }
    assert moved == {"['params']['fc']['kernel']", "['params']['fc']['bias']"}
