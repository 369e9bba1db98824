"""What tells layers of equal kind and shape apart, and what does not."""

import numpy as np
import pytest

from fanwise.porting import match
from tests.porting.sketches import flax, found, linears, torch


def _conv(make, path, inputs=8, outputs=8, size=3):
    return make(
        path, "Conv2d", in_channels=inputs, out_channels=outputs, kernel_size=size, bias=False
    )


def _norm(make, path, features=8):
    return make(path, "BatchNorm2d" if make is torch else "BatchNorm", num_features=features)


def _both(pairs, make_one):
    return [make_one(torch, one) for one, _ in pairs], [make_one(flax, two) for _, two in pairs]


def _linear(make, path):
    return linears(make, [path])[0]


@pytest.mark.parametrize(
    "pairs",
    [
        [("fc1", "fc1"), ("fc2", "fc2")],
        # Numbers begin at 1, and at 0.
        [("fc1", "Dense_0"), ("fc2", "Dense_1"), ("fc3", "Dense_2")],
        [("fc1", "fc0"), ("fc2", "fc1")],
        # The first one has none.
        [("fc", "Dense_0"), ("fc2", "Dense_1")],
        # torch counts activations too.
        [("net.0", "Dense_0"), ("net.2", "Dense_1"), ("net.4", "Dense_2")],
        [("net.0", "layers_0"), ("net.2", "layers_2"), ("net.4", "layers_4")],
        # Words that mean the same.
        [("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value"), ("out_proj", "out")],
        [("attn.query", "wq"), ("attn.key", "wk"), ("attn.value", "wv"), ("attn.o", "wo")],
        [("encoder.fc", "enc/Dense_0"), ("decoder.fc", "dec/Dense_0")],
        [("fc", "fc"), ("fc_out", "fc_out")],
        # Blocks by number, within blocks by name or number.
        [
            (f"h.{i}.{a}", f"h_{i}/{b}")
            for i in range(3)
            for a, b in (("up", "up"), ("down", "down"))
        ],
        [(f"blocks.{i}.fc{j + 1}", f"Block_{i}/Dense_{j}") for i in range(3) for j in (0, 1)],
        [(f"layer{i + 1}.{j}.fc", f"Block_{2 * i + j}/Dense_0") for i in (0, 1) for j in (0, 1)],
        # The number of the layer before that of the block.
        [(f"blocks.{i}.fc{j}", f"fc{j}_{i}") for i in (0, 1) for j in (1, 2)],
    ],
    ids=str,
)
def test_names_and_numbers_tell(pairs):
    ours, theirs = _both(pairs, _linear)
    assert found(match(ours, theirs)) == dict(pairs)


@pytest.mark.parametrize(
    "pairs",
    [
        [("q", "Dense_0"), ("k", "Dense_1"), ("v", "Dense_2")],
        [("up", "Dense_0"), ("gate", "Dense_1")],
        [("a", "x"), ("b", "y")],
        # What comes after attention is not the norm of attention.
        [("input_layernorm", "ffn_norm"), ("post_attention_layernorm", "attention_norm")],
        [("fc_in", "Dense_0"), ("fc_out", "Dense_1")],
    ],
    ids=str,
)
def test_what_nothing_tells_is_no_guess(pairs):
    ours, theirs = _both(pairs, _linear)
    # In Flax's order of execution the first may come last.
    for order in (theirs, theirs[::-1]):
        with pytest.raises(ValueError, match="cannot be told"):
            match(ours, order)


def test_what_a_name_tells_of_one_of_two_is_told_if_the_order_agrees():
    pairs = [("norm", "LayerNorm_0"), ("norm_final", "final")]
    ours, theirs = _both(pairs, _linear)
    assert found(match(ours, theirs)) == dict(pairs)
    with pytest.raises(ValueError, match="cannot be told"):
        match(ours, theirs[::-1])


def test_numbers_that_run_the_other_way_are_no_guess():
    ours = linears(torch, ["dec3", "dec2", "dec1"])
    theirs = linears(flax, ["conv0", "conv1", "conv2"])
    with pytest.raises(ValueError, match="cannot be told"):
        match(ours, theirs)
    assert found(match(ours, theirs[::-1]))["dec1"] == "conv0"


@pytest.mark.parametrize(
    "pairs",
    [
        # Dense(4)(relu(Dense(4)(x))): the outer one is constructed first and runs last.
        [("fc1", "Dense_1"), ("fc2", "Dense_0")],
        [("net.0", "Dense_2"), ("net.2", "Dense_1"), ("net.4", "Dense_0")],
        [("h.0.fc", "Block_1/fc"), ("h.1.fc", "Block_0/fc")],
        [("h.0.fc", "Block_1/Dense_0"), ("h.1.fc", "Block_0/Dense_0")],
        # Of ten, as numbers.
        [("fc2", "Dense_10"), ("fc10", "Dense_2")],
    ],
    ids=str,
)
def test_numbers_of_linen_against_its_order_are_no_evidence(pairs):
    ours, theirs = _both(pairs, _linear)
    for order in (ours, ours[::-1]):
        with pytest.raises(ValueError, match="these run in another order") as raised:
            match(order, theirs)
    # In the same order it is what is proposed.
    with pytest.raises(ValueError, match="cannot be told") as raised:
        match(ours, theirs)
    names = eval(str(raised.value).partition("names=")[2])
    assert found(match(ours, theirs, names=names)) == dict(pairs)


def test_numbers_of_linen_that_its_order_confirms_stay_evidence():
    """Two in the middle are nested; the others are told, and are once these are stated."""
    pairs = [("fc1", "Dense_0"), ("fc2", "Dense_2"), ("fc3", "Dense_1"), ("fc4", "Dense_3")]
    ours, theirs = _both(pairs, _linear)
    with pytest.raises(ValueError, match="2 cannot be told") as raised:
        match(ours, theirs)
    names = eval(str(raised.value).partition("names=")[2])
    assert names == dict(pairs[1:3])
    assert found(match(ours, theirs, names=names)) == dict(pairs)


def test_numbers_of_linen_against_its_order_do_no_harm_to_what_is_told_otherwise():
    ours = [*linears(torch, ["fc1"]), *linears(torch, ["fc2"], 4, 3)]
    theirs = [*linears(flax, ["Dense_1"]), *linears(flax, ["Dense_0"], 4, 3)]
    assert found(match(ours, theirs)) == {"fc1": "Dense_1", "fc2": "Dense_0"}
    # Who calls layers of torch by Flax's names means these.
    theirs = linears(flax, ["Dense_1", "Dense_0"])
    ours = linears(torch, ["Dense_0", "Dense_1"])
    assert found(match(ours, theirs)) == {"Dense_0": "Dense_0", "Dense_1": "Dense_1"}


def test_names_tell_in_any_order():
    pairs = [(f"h.{i}.{a}", f"h_{i}/{a}") for i in range(4) for a in ("q", "k", "v", "norm1.fc")]
    ours, theirs = _both(pairs, _linear)
    generator = np.random.default_rng(0)
    for _ in range(20):
        one = [ours[i] for i in generator.permutation(len(ours))]
        two = [theirs[i] for i in generator.permutation(len(theirs))]
        assert found(match(one, two)) == dict(pairs)


def test_a_swapped_pair_is_found_by_its_names():
    ours = linears(torch, ["a.query", "a.key", "a.value"])
    theirs = linears(flax, ["b/key", "b/query", "b/value"])
    assert found(match(ours, theirs)) == {
        "a.query": "b/query",
        "a.key": "b/key",
        "a.value": "b/value",
    }


def test_blocks_are_told_by_what_is_in_them():
    """Neither names nor numbers: one layer of each block has a shape of its own."""
    ours = [_conv(torch, "down.stem", 3), *(_conv(torch, f"down.conv{i}") for i in (1, 2))]
    ours += [_conv(torch, "up.stem", 5), *(_conv(torch, f"up.conv{i}") for i in (1, 2))]
    theirs = [_conv(flax, "Left_0/stem", 3), *(_conv(flax, f"Left_0/Conv_{i}") for i in (0, 1))]
    theirs += [_conv(flax, "Right_0/stem", 5), *(_conv(flax, f"Right_0/Conv_{i}") for i in (0, 1))]
    pairs = found(match(ours, theirs))
    assert pairs["down.conv1"] == "Left_0/Conv_0"
    assert pairs["up.conv2"] == "Right_0/Conv_1"
    # Without these nothing tells; with them in the other blocks the blocks are the other ones.
    with pytest.raises(ValueError, match="cannot be told"):
        match([*ours[1:3], *ours[4:]], [*theirs[1:3], *theirs[4:]])
    moved = [_conv(flax, "Left_0/stem", 5), *theirs[1:3], _conv(flax, "Right_0/stem", 3)]
    pairs = found(match(ours, [*moved, *theirs[4:]]))
    assert pairs["down.conv1"] == "Right_0/Conv_0"


def test_a_batch_norm_belongs_behind_its_convolution():
    ours = [_conv(torch, "conv1"), _norm(torch, "bn1"), _conv(torch, "conv2"), _norm(torch, "bn2")]
    ours += [_conv(torch, "downsample.0", size=1), _norm(torch, "downsample.1")]
    shortcut = [_conv(flax, "Conv_2", size=1), _norm(flax, "BatchNorm_2")]
    main = [_conv(flax, "Conv_0"), _norm(flax, "BatchNorm_0")]
    main += [_conv(flax, "Conv_1"), _norm(flax, "BatchNorm_1")]
    expected = {"bn1": "BatchNorm_0", "bn2": "BatchNorm_1", "downsample.1": "BatchNorm_2"}
    for theirs in ([*main, *shortcut], [*shortcut, *main]):
        pairs = found(match(ours, theirs))
        assert {name: pairs[name] for name in expected} == expected


def test_a_bottleneck_resnet_with_names_of_flax():
    ours, theirs, expected = [_conv(torch, "conv1", 3)], [_conv(flax, "conv_init", 3)], {}
    inputs = 8
    blocks = [(8, stage, block) for stage in (1, 2) for block in range(2)]
    for number, (width, stage, block) in enumerate(blocks):
        one, two = f"layer{stage}.{block}", f"ResNetBlock_{number}"
        layers = [(inputs, width, 1), (width, width, 3), (width, 4 * width, 1)]
        for index, (before, after, size) in enumerate(layers):
            ours += [
                _conv(torch, f"{one}.conv{index + 1}", before, after, size),
                _norm(torch, f"{one}.bn{index + 1}", after),
            ]
            theirs += [
                _conv(flax, f"{two}/Conv_{index}", before, after, size),
                _norm(flax, f"{two}/BatchNorm_{index}", after),
            ]
            expected[f"{one}.conv{index + 1}"] = f"{two}/Conv_{index}"
            expected[f"{one}.bn{index + 1}"] = f"{two}/BatchNorm_{index}"
        if inputs != 4 * width:
            ours += [_conv(torch, f"{one}.downsample.0", inputs, 4 * width, 1)]
            ours += [_norm(torch, f"{one}.downsample.1", 4 * width)]
            theirs += [_conv(flax, f"{two}/conv_proj", inputs, 4 * width, 1)]
            theirs += [_norm(flax, f"{two}/norm_proj", 4 * width)]
            expected[f"{one}.downsample.0"] = f"{two}/conv_proj"
            expected[f"{one}.downsample.1"] = f"{two}/norm_proj"
        inputs = 4 * width
    pairs = found(match(ours, theirs))
    assert {name: pairs[name] for name in expected} == expected


def test_layers_in_the_same_place_are_no_evidence_for_themselves():
    """Two of one shape, numbered, and a third that is told: all in one block."""
    ours = [*linears(torch, ["model.0", "model.2"]), *linears(torch, ["model.4"], 4, 3)]
    theirs = [*linears(flax, ["model/layers_0", "model/layers_2"])]
    theirs += linears(flax, ["model/layers_4"], 4, 3)
    assert found(match(ours, theirs))["model.0"] == "model/layers_0"


def test_reasons_are_told():
    ours = [*linears(torch, ["fc", "h.0.a", "h.1.a"]), *linears(torch, ["head"], 4, 3)]
    theirs = [*linears(flax, ["fc", "B_0/Dense_0", "B_1/Dense_0"]), *linears(flax, ["out"], 4, 3)]
    reasons = {pair.flax.path: pair.reason for pair in match(ours, theirs).pairs}
    assert reasons["fc"] == "name"
    assert reasons["B_0/Dense_0"] == "numbers"
    assert reasons["out"] == "kind and shape"


def test_a_large_model_takes_little_time():
    pairs = [
        (f"model.layers.{i}.self_attn.{name}_proj", f"h/{i}/attn/{name}")
        for i in range(100)
        for name in "qkvo"
    ]
    ours, theirs = _both(pairs, _linear)
    assert found(match(ours, theirs)) == dict(pairs)
