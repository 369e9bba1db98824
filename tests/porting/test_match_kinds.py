"""Which kinds can stand for one another, and how what is split on one side is on the other."""

from dataclasses import replace

import numpy as np
import pytest

from fanwise.porting import match
from tests.porting.sketches import arrays_of, converted, flax, found, linears, torch


def _made(ours, theirs, **options):
    arrays = arrays_of(ours)
    return converted(match(ours, theirs, **options), arrays), arrays


@pytest.mark.parametrize("kind", ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"])
def test_normalizations_of_any_number_of_dimensions(kind):
    ours, theirs = [torch("bn", kind, num_features=5)], [flax("n", "BatchNorm", num_features=5)]
    made, arrays = _made(ours, theirs)
    assert (made["n", "running_var"] == arrays["bn.running_var"]).all()
    (pair,) = match(ours, theirs).pairs
    assert "num_batches_tracked" in pair.torch.shapes
    assert "num_batches_tracked" not in pair.flax.shapes
    assert "without num_batches_tracked" in str(match(ours, theirs))


def test_a_convolution_has_its_number_of_dimensions():
    given = {"in_channels": 2, "out_channels": 3, "kernel_size": (3,)}
    theirs = {**given, "kernel_size": (3, 3)}
    with pytest.raises(ValueError, match="Conv1d is not Conv2d"):
        match([torch("c", "Conv1d", **given)], [flax("c", "Conv2d", **theirs)])


@pytest.mark.parametrize(
    ("ours", "theirs", "why"),
    [
        ({"bias": True}, {"bias": False}, "bias in torch only"),
        ({"bias": False}, {"bias": True}, "bias in Flax only"),
        (
            {"out_features": 3},
            {"out_features": 5},
            r"weight is \(3, 4\) in torch, \(5, 4\) in Flax",
        ),
    ],
    ids=str,
)
def test_why_two_layers_are_not_the_same(ours, theirs, why):
    sizes = {"in_features": 4, "out_features": 3}
    with pytest.raises(ValueError, match=why):
        match([torch("fc", "Linear", **sizes | ours)], [flax("fc", "Linear", **sizes | theirs)])


def test_heads_and_groups_count():
    with pytest.raises(ValueError, match="2 heads in torch, 4 in Flax"):
        match(
            [torch("a", "MultiheadAttention", embed_dim=8, num_heads=2)],
            [flax("a", "MultiheadAttention", embed_dim=8, num_heads=4)],
        )
    wide = {"out_channels": 8, "kernel_size": (3, 3)}
    with pytest.raises(ValueError, match="2 groups in torch, 1 in Flax"):
        match(
            [torch("c", "Conv2d", in_channels=8, groups=2, **wide)],
            [flax("c", "Conv2d", in_channels=4, groups=1, **wide)],
        )


@pytest.mark.parametrize("is_torch", [True, False])
def test_a_linear_is_a_convolution_of_one_element(is_torch):
    linear = {"in_features": 4, "out_features": 3}
    conv = {"in_channels": 4, "out_channels": 3, "kernel_size": (1, 1)}
    if is_torch:
        ours, theirs = [torch("x", "Linear", **linear)], [flax("x", "Conv2d", **conv)]
    else:
        ours, theirs = [torch("x", "Conv2d", **conv)], [flax("x", "Linear", **linear)]
    made, arrays = _made(ours, theirs)
    weight = arrays["x.weight"].reshape(3, 4)
    assert (made["x", "weight"].reshape(4, 3) == weight.T).all()
    large = flax("x", "Conv2d", **{**conv, "kernel_size": (3, 3)})
    with pytest.raises(ValueError, match="no counterpart"):
        match([torch("x", "Linear", **linear)], [large])


def test_a_class_of_ones_own_is_known_by_its_parameters():
    ours = [torch("norm", None, {"weight": (4,)}), torch("ln", None, {"gamma": (4,), "beta": (4,)})]
    theirs = [
        flax("norm", "RMSNorm", normalized_shape=(4,)),
        flax("ln", "LayerNorm", normalized_shape=(4,)),
    ]
    made, arrays = _made(ours, theirs)
    assert (made["norm", "weight"] == arrays["norm.weight"]).all()
    assert (made["ln", "bias"] == arrays["ln.beta"]).all()
    assert match(ours, theirs).pairs[0].torch.kind == "RMSNorm"


def test_a_class_of_flax_that_nobody_knows():
    ours = [torch("norm", "RMSNorm", normalized_shape=(4,)), *linears(torch, ["fc"])]
    theirs = [flax("norm", None, {"scale": (4,)}), *linears(flax, ["fc"])]
    made, arrays = _made(ours, theirs)
    assert (made["norm", "scale"] == arrays["norm.weight"]).all()
    assert match(ours, theirs).pairs[0].flax.kind == "RMSNorm"


def test_bare_parameters_one_by_one():
    """In other modules, under other names, with other axes of one."""
    ours = [
        torch("", None, {"cls_token": (1, 1, 4), "pos_embed": (1, 5, 4)}),
        torch("layer.0", None, {"layer_scale": (4, 1, 1)}),
        torch("layer.1", None, {"layer_scale": (4, 1, 1)}),
    ]
    theirs = [
        flax("embedder", None, {"class_token": (1, 1, 4)}),
        flax("", None, {"positions": (5, 4)}),
        flax("layer_0", None, {"gamma": (4,)}),
        flax("layer_1", None, {"gamma": (4,)}),
    ]
    made, arrays = _made(ours, theirs)
    assert (made["embedder", "class_token"] == arrays["cls_token"]).all()
    assert (made["", "positions"] == arrays["pos_embed"][0]).all()
    assert (made["layer_1", "gamma"] == arrays["layer.1.layer_scale"][:, 0, 0]).all()


def test_a_bare_table_is_an_embedding():
    ours = [torch("wpe", "Embedding", num_embeddings=5, embedding_dim=4)]
    made, arrays = _made(ours, [flax("", None, {"pos_embedding": (1, 5, 4)})])
    assert (made["", "pos_embedding"][0] == arrays["wpe.weight"]).all()


def test_a_bare_matrix_for_a_linear_is_taken_as_its_shape_lies():
    ours = [torch("", None, {"projection": (4, 3)})]
    (theirs,) = linears(flax, ["projection"], 4, 3)
    theirs = flax("projection", "Linear", in_features=4, out_features=3, bias=False)
    made, arrays = _made(ours, [theirs])
    assert (made["projection", "weight"] == arrays["projection"]).all()
    square = flax("projection", "Linear", in_features=4, out_features=4, bias=False)
    with pytest.raises(ValueError, match="transposed is not told"):
        match([torch("", None, {"projection": (4, 4)})], [square])


def test_layers_of_a_recurrent_module_one_by_one():
    sizes = {"input_size": 3, "hidden_size": 4}
    ours = [torch("rnn", "LSTM", num_layers=2, **sizes)]
    theirs = [
        flax("rnn_0", "LSTM", num_layers=1, **sizes),
        flax("rnn_1", "LSTM", num_layers=1, input_size=4, hidden_size=4),
    ]
    made, arrays = _made(ours, theirs)
    assert (made["rnn_0", "weight_ih_l0"] == arrays["rnn.weight_ih_l0"]).all()
    assert (made["rnn_1", "weight_hh_l0"] == arrays["rnn.weight_hh_l1"]).all()
    assert (made["rnn_1", "bias_hh_l0"] == arrays["rnn.bias_hh_l1"]).all()


def test_layers_of_equal_width_by_number_and_by_statement():
    sizes = {"input_size": 4, "hidden_size": 4}
    ours = [torch("rnn", "GRU", num_layers=3, **sizes)]
    theirs = [flax(f"GRU_{i}", "GRU", num_layers=1, **sizes) for i in range(3)]
    made, arrays = _made(ours, theirs)
    assert (made["GRU_2", "weight_ih_l0"] == arrays["rnn.weight_ih_l2"]).all()
    theirs = [flax(name, "GRU", num_layers=1, **sizes) for name in "xyz"]
    with pytest.raises(ValueError, match="cannot be told"):
        match(ours, theirs)
    made, arrays = _made(ours, theirs, names={"rnn": ("z", "y", "x")})
    assert (made["x", "weight_ih_l0"] == arrays["rnn.weight_ih_l2"]).all()
    with pytest.raises(ValueError, match=r"'rnn' has 3 parts \(rnn.0, rnn.1, rnn.2\)"):
        match(ours, theirs, names={"rnn": ("z", "y")})
    assert found(match(ours, theirs, names={"rnn.1": "x", "rnn.0": "z"}))["rnn"]


def test_both_directions_whole_or_one_by_one():
    sizes = {"input_size": 3, "hidden_size": 4}
    ours = [torch("rnn", "LSTM", bidirectional=True, **sizes)]
    whole = [flax("rnn", "LSTM", bidirectional=True, **sizes)]
    made, arrays = _made(ours, whole)
    assert (made["rnn", "weight_ih_l0_reverse"] == arrays["rnn.weight_ih_l0_reverse"]).all()
    apart = [flax(f"rnn_{name}", "LSTM", **sizes) for name in ("backward", "forward")]
    made, arrays = _made(ours, apart)
    assert (made["rnn_backward", "weight_ih_l0"] == arrays["rnn.weight_ih_l0_reverse"]).all()
    assert (made["rnn_forward", "bias_ih_l0"] == arrays["rnn.bias_ih_l0"]).all()


def test_a_cell_is_the_layer_that_it_is_of():
    sizes = {"input_size": 3, "hidden_size": 4}
    made, arrays = _made([torch("rnn", "LSTM", **sizes)], [flax("cell", "LSTMCell", **sizes)])
    assert (made["cell", "weight_hh"] == arrays["rnn.weight_hh_l0"]).all()
    made, arrays = _made([torch("c", "GRUCell", **sizes)], [flax("rnn", "GRU", **sizes)])
    assert (made["rnn", "bias_ih_l0"] == arrays["c.bias_ih"]).all()


@pytest.mark.parametrize("is_torch", [True, False])
def test_attention_whole_on_one_side(is_torch):
    names = ["query", "key", "value", "out"]
    whole = {"embed_dim": 4, "num_heads": 2}
    if is_torch:
        ours = [torch("attn", "MultiheadAttention", **whole)]
        theirs = linears(flax, [f"attn/{name}" for name in names])
    else:
        ours = linears(torch, ["attn.q_proj", "attn.k_proj", "attn.v_proj", "attn.out_proj"])
        theirs = [flax("attn", "MultiheadAttention", **whole)]
    made, arrays = _made(ours, theirs)
    if is_torch:
        packed = arrays["attn.in_proj_weight"]
        assert (made["attn", "value", "weight"] == packed[8:].T).all()
        assert (made["attn", "key", "bias"] == arrays["attn.in_proj_bias"][4:8]).all()
        assert (made["attn", "out", "weight"] == arrays["attn.out_proj.weight"].T).all()
    else:
        assert (made["attn", "in_proj_weight"][4:8] == arrays["attn.k_proj.weight"]).all()
        assert (made["attn", "out_proj.bias"] == arrays["attn.out_proj.bias"]).all()


def test_attention_of_three_widths_in_parts():
    ours = [torch("attn", "MultiheadAttention", embed_dim=4, num_heads=2, kdim=3, vdim=5)]
    theirs = [*linears(flax, ["a/q"]), *linears(flax, ["a/k"], 3), *linears(flax, ["a/v"], 5)]
    made, arrays = _made(ours, [*theirs, *linears(flax, ["a/out"])])
    assert (made["a", "k", "weight"] == arrays["attn.k_proj_weight"].T).all()
    assert (made["a", "v", "bias"] == arrays["attn.in_proj_bias"][8:]).all()


def test_what_only_torch_has_stays_with_the_pair():
    ours = [torch("a", "MultiheadAttention", embed_dim=4, num_heads=2, add_bias_kv=True)]
    (pair,) = match(ours, [flax("a", "MultiheadAttention", embed_dim=4, num_heads=2)]).pairs
    assert {*pair.torch.shapes} - {*pair.flax.shapes} == {"bias_k", "bias_v"}


def test_what_flax_has_no_place_for_stays_with_its_layer():
    sizes = {"input_size": 3, "hidden_size": 4}
    lost = replace(flax("rnn", "GRU", **sizes), lost=("bias_hh_l0, its last third",))
    (pair,) = match([torch("rnn", "GRU", **sizes)], [lost]).pairs
    assert pair.flax.lost == lost.lost


def test_buffers_without_a_place_are_listed():
    mask = torch("attn", None, {})
    leaf = torch("attn", None, {"mask": (4, 4)}).leaves[0]
    mask = replace(mask, buffers={"mask": (4, 4)}, leaves=(leaf,))
    correspondence = match([*linears(torch, ["fc"]), mask], linears(flax, ["fc"]))
    assert [leaf.path for layer in correspondence.unused for leaf in layer.leaves] == ["attn.mask"]
    assert "attn.mask (4, 4)" in str(correspondence)
    # A parameter is no buffer.
    with pytest.raises(ValueError, match="1 of torch's have no counterpart"):
        match(
            [*linears(torch, ["fc"]), torch("attn", None, {"mask": (4, 4)})], linears(flax, ["fc"])
        )


def test_buffers_with_a_place_are_carried():
    leaf = torch("q", None, {"codebook": (4, 3)}).leaves[0]
    ours = [replace(torch("q", None, {}), buffers={"codebook": (4, 3)}, leaves=(leaf,))]
    made, arrays = _made(ours, [flax("q", None, {"codes": (4, 3)})])
    assert np.array_equal(made["q", "codes"], arrays["q.codebook"])
