"""Linears behind a flattened map."""

import numpy as np
import pytest

from fanwise.layers import View
from fanwise.layers.layer import Leaf, Piece
from fanwise.porting import match
from tests.porting.sketches import arrays_of, converted, flax, linears, torch


def _conv(make, path, outputs=6, dimensions=2):
    sizes = {"in_channels": 3, "out_channels": outputs, "kernel_size": (3,) * dimensions}
    return make(path, f"Conv{dimensions}d", **sizes)


def _net(make, inputs=24, *between, dimensions=2):
    return [_conv(make, "conv", dimensions=dimensions), *between, *linears(make, ["fc"], inputs, 5)]


def _up(make):
    sizes = {"in_channels": 6, "out_channels": 3, "kernel_size": (3, 3)}
    return make("up", "ConvTranspose2d", **sizes)


def _kernel(inputs, order, shape):
    """What a port computes with: torch's columns as they stand in the other order."""
    weight = np.arange(5 * inputs, dtype=np.float32).reshape(5, *shape)
    return weight.transpose(0, *(axis + 1 for axis in order)).reshape(5, -1).T


@pytest.mark.parametrize(
    ("dimensions", "shape", "order"),
    [(1, (6, 4), (1, 0)), (2, (6, 2, 2), (1, 2, 0)), (3, (6, 1, 2, 2), (1, 2, 3, 0))],
)
def test_columns_are_put_in_the_order_of_flax(dimensions, shape, order):
    ours, theirs = _net(torch, dimensions=dimensions), _net(flax, dimensions=dimensions)
    arrays = arrays_of(ours)
    arrays["fc.weight"] = np.arange(120, dtype=np.float32).reshape(5, 24)
    made = converted(match(ours, theirs, flatten={"fc": shape}), arrays)
    assert (made["fc", "weight"] == _kernel(24, order, shape)).all()
    assert (made["fc", "weight"] != arrays["fc.weight"].T).any()
    assert (made["fc", "bias"] == arrays["fc.bias"]).all()


def test_a_map_that_is_not_stated_is_asked_for():
    message = r"fc has 24 inputs behind conv with 6 channels: 4 positions.*\n.*'fc': \(6, 2, 2\)"
    with pytest.raises(ValueError, match=message):
        match(_net(torch), _net(flax))
    with pytest.raises(ValueError, match=r"'fc': \(6, 4\)"):
        match(_net(torch, dimensions=1), _net(flax, dimensions=1))
    # Not square: torch's sizes cannot be proposed.
    with pytest.raises(ValueError, match=r"'fc': \(6, H, W\)"):
        match(_net(torch, 36), _net(flax, 36))


def test_the_line_that_is_proposed_settles_it():
    with pytest.raises(ValueError, match="flatten=") as raised:
        match(_net(torch), _net(flax))
    line = str(raised.value).partition("flatten=")[2].partition("}")[0] + "}"
    correspondence = match(_net(torch), _net(flax), flatten=eval(line))
    assert "flattened (6, 2, 2)" in str(correspondence)


def test_a_port_in_the_order_of_torch():
    arrays = arrays_of(_net(torch))
    made = converted(match(_net(torch), _net(flax), flatten={"fc": None}), arrays)
    assert (made["fc", "weight"] == arrays["fc.weight"].T).all()


def test_normalizations_and_slopes_leave_it_a_map():
    def between(make):
        norm = make("bn", "BatchNorm2d" if make is torch else "BatchNorm", num_features=6)
        return norm, make("act", "PReLU", num_parameters=6)

    with pytest.raises(ValueError, match="fc has 24 inputs behind"):
        match(_net(torch, 24, *between(torch)), _net(flax, 24, *between(flax)))


@pytest.mark.parametrize(
    "kind",
    [
        "pooled",
        "no multiple",
        "an embedding between",
        "a recurrent layer between",
        "as another",
        "shifts for each channel",
    ],
)
def test_what_is_no_flattened_map_is_left_alone(kind):
    def net(make):
        match kind:
            case "pooled":
                return _net(make, 6)
            case "no multiple":
                return _net(make, 25)
            case "an embedding between":
                table = make("table", "Embedding", num_embeddings=9, embedding_dim=12)
                return _net(make, 24, table)
            case "a recurrent layer between":
                return _net(make, 24, make("rnn", "LSTM", input_size=6, hidden_size=12))
            case "shifts for each channel":
                return [*linears(make, ["shift"], 5, 6 * 2), _up(make), *_net(make, 6)]
        # Something else is as wide: an embedding of time that every block projects.
        time = [*linears(make, ["time.0"], 5, 24), *linears(make, ["time.2"], 24, 24)]
        return [*time, _conv(make, "stem"), *_net(make, 24)]

    match(net(torch), net(flax))


def test_a_recurrent_layer_over_a_flattened_map():
    def net(make):
        return [_conv(make, "conv"), make("rnn", "GRU", input_size=24, hidden_size=2)]

    with pytest.raises(ValueError, match="rnn has 24 inputs behind conv"):
        match(net(torch), net(flax))
    arrays = arrays_of(net(torch))
    made = converted(match(net(torch), net(flax), flatten={"rnn": (6, 4)}), arrays)
    weight = arrays["rnn.weight_ih_l0"]
    assert (made["rnn", "weight_ih_l0"].reshape(6, 4, 6) == weight.reshape(6, 6, 4).mT).all()
    assert (made["rnn", "weight_hh_l0"] == arrays["rnn.weight_hh_l0"]).all()


def _decoder(make, *between):
    return [*linears(make, ["fc"], 5, 24), *between, _up(make)]


def test_outputs_that_are_made_a_map():
    """A decoder: torch makes its 24 outputs (6, 2, 2), Flax (2, 2, 6)."""
    with pytest.raises(
        ValueError, match=r"fc has 24 outputs in front of up(.|\n)*'fc': \(6, 2, 2\)"
    ):
        match(_decoder(torch), _decoder(flax))
    arrays = arrays_of(_decoder(torch))
    found = match(_decoder(torch), _decoder(flax), flatten={"fc": (6, 2, 2)})
    made = converted(found, arrays)
    weight = arrays["fc.weight"].reshape(6, 2, 2, 5).transpose(1, 2, 0, 3).reshape(24, 5)
    assert (made["fc", "weight"] == weight.T).all()
    bias = arrays["fc.bias"].reshape(6, 2, 2).transpose(1, 2, 0).reshape(24)
    assert (made["fc", "bias"] == bias).all()
    untouched = converted(match(_decoder(torch), _decoder(flax), flatten={"fc": None}), arrays)
    assert (untouched["fc", "bias"] == arrays["fc.bias"]).all()


def test_a_normalization_of_a_flattened_map():
    def between(make):
        kind = "BatchNorm1d" if make is torch else "BatchNorm"
        return make("bn", kind, num_features=24)

    def encoder(make):
        return _net(make, 24, between(make))

    def decoder(make):
        return _decoder(make, between(make))

    for net in (encoder, decoder):
        with pytest.raises(ValueError, match=r"bn has 24(.|\n)*'bn': \(6, 2, 2\)"):
            match(net(torch), net(flax))
        arrays = arrays_of(net(torch))
        shapes = {"bn": (6, 2, 2), "fc": (6, 2, 2)}
        made = converted(match(net(torch), net(flax), flatten=shapes), arrays)
        mean = arrays["bn.running_mean"].reshape(6, 2, 2).transpose(1, 2, 0).reshape(24)
        assert (made["bn", "running_mean"] == mean).all()


def test_normalizations_of_other_widths_are_of_maps():
    """DenseNet's: each is of all maps so far."""

    def net(make):
        kind = "BatchNorm2d" if make is torch else "BatchNorm"
        return [
            _conv(make, "conv1"),
            make("norm1", kind, num_features=12),
            _conv(make, "conv2", 7),
            make("norm2", kind, num_features=21),
        ]

    match(net(torch), net(flax))


def test_two_heads_on_one_map():
    def net(make):
        return [
            _conv(make, "conv"),
            *linears(make, ["actor"], 24, 5),
            *linears(make, ["critic"], 24, 1),
        ]

    with pytest.raises(ValueError, match=r"actor has 24(.|\n)*critic has 24"):
        match(net(torch), net(flax))


def test_the_order_of_execution_counts_too():
    """torch's definition has the Linear first."""
    ours, theirs = _net(torch)[::-1], _net(flax)
    with pytest.raises(ValueError, match="fc has 24 inputs behind conv"):
        match(ours, theirs)


def _general(kernel):
    """A Dense over several axes."""
    view = View(
        "(o0) (i0 i1 i2) -> i0 i1 i2 o0", tuple(zip(("i0", "i1", "i2", "o0"), kernel, strict=True))
    )
    (layer,) = linears(flax, ["fc"], int(np.prod(kernel[:3])), kernel[3])
    leaf = Leaf(("fc", "weight"), "fc/weight", kernel, np.dtype("f4"), (Piece("weight", view),))
    return type(layer)(**{**vars(layer), "leaves": (leaf, layer.leaves[1])})


def test_a_kernel_with_axes_tells_the_map():
    theirs = [_conv(flax, "conv"), _general((1, 4, 6, 5))]
    arrays = arrays_of(_net(torch))
    made = converted(match(_net(torch), theirs), arrays)
    weight = arrays["fc.weight"].reshape(5, 6, 1, 4)
    assert (made["fc", "weight"] == weight.transpose(2, 3, 1, 0)).all()


@pytest.mark.parametrize(
    ("flatten", "message"),
    [
        ({"fc": (6, 3, 3)}, r"'fc' has 24 inputs and 5 outputs, and \(6, 3, 3\) are 54"),
        ({"conv": (6, 2, 2)}, "'conv' is a Conv2d, which has no inputs"),
        ({"fc2": (6, 2, 2)}, "'fc2' is no layer of torch's"),
    ],
    ids=str,
)
def test_what_is_stated_wrongly(flatten, message):
    with pytest.raises(ValueError, match=message):
        match(_net(torch), _net(flax), flatten=flatten)


@pytest.mark.parametrize(
    "flatten", [{"fc": 24}, {"fc": (24,)}, {"fc": (6, 0)}, ["fc"], "fc"], ids=str
)
def test_what_is_no_shape(flatten):
    with pytest.raises(TypeError, match="flatten"):
        match(_net(torch), _net(flax), flatten=flatten)


def test_a_layer_that_another_of_its_block_feeds_is_not_behind_a_map():
    """torch defines the last layer of the block first, behind a map of six channels."""
    ours = [_conv(torch, "conv"), *linears(torch, ["block.down"], 12, 6)]
    ours += linears(torch, ["block.up"], 6, 12)
    conv, (down,), (up,) = (
        _conv(flax, "conv"),
        linears(flax, ["block/down"], 12, 6),
        linears(flax, ["block/up"], 6, 12),
    )
    assert len(match(ours, [conv, up, down]).pairs) == 3
    # In the other's order too it is behind the map; and four positions may be a square one.
    with pytest.raises(ValueError, match=r"block\.down has 12 inputs behind conv"):
        match(ours, [conv, down, up])
    ours = [ours[0], *linears(torch, ["block.down"], 24, 6), *linears(torch, ["block.up"], 6, 24)]
    theirs = [conv, *linears(flax, ["block/up"], 6, 24), *linears(flax, ["block/down"], 24, 6)]
    with pytest.raises(ValueError, match=r"block\.down has 24 inputs behind conv"):
        match(ours, theirs)
    # Of another block, it is no sign.
    ours = [_conv(torch, "conv"), *linears(torch, ["head.down"], 12, 6)]
    ours += linears(torch, ["block.up"], 6, 12)
    theirs = [conv, up, *linears(flax, ["head/down"], 12, 6)]
    with pytest.raises(ValueError, match=r"head\.down has 12 inputs behind conv"):
        match(ours, theirs)
