"""What a user states of names, and what is wrong with it."""

from dataclasses import replace

import numpy as np
import pytest

from fanwise.layers import Piece, View
from fanwise.porting import match
from tests.porting.sketches import arrays_of, converted, flax, found, linears, torch

_OURS = linears(torch, ["a.q", "a.k", "b.q", "b.k"])
_THEIRS = linears(flax, ["A/Dense_0", "A/Dense_1", "B/Dense_0", "B/Dense_1"])


def _blocks(count=3):
    ours = linears(torch, [f"layers.{i}.{name}" for i in range(count) for name in ("up", "gate")])
    theirs = linears(flax, [f"Block_{i}/Dense_{j}" for i in range(count) for j in (0, 1)])
    return ours, theirs


def test_literal_names():
    names = {"a.q": "A/Dense_1", "a.k": "A/Dense_0", "b.q": "B/Dense_0", "b.k": "B/Dense_1"}
    correspondence = match(_OURS, _THEIRS, names=names)
    assert found(correspondence) == names
    assert {pair.reason for pair in correspondence.pairs} == {"names="}


def test_what_is_stated_tells_the_rest():
    assert found(match(_OURS, _THEIRS, names={"a.q": "A/Dense_1", "b.q": "B/Dense_0"})) == {
        "a.q": "A/Dense_1",
        "a.k": "A/Dense_0",
        "b.q": "B/Dense_0",
        "b.k": "B/Dense_1",
    }


def test_regular_expressions():
    ours, theirs = _blocks()
    names = {r"layers\.(\d+)\.up": r"Block_\1/Dense_1", r"layers\.(\d+)\.gate": r"Block_\1/Dense_0"}
    pairs = found(match(ours, theirs, names=names))
    assert pairs["layers.2.up"] == "Block_2/Dense_1"
    assert pairs["layers.0.gate"] == "Block_0/Dense_0"


def test_a_name_goes_before_an_expression():
    ours, theirs = _blocks(2)
    names = {
        r"layers\.(\d+)\.up": r"Block_\1/Dense_1",
        r"layers\.(\d+)\.gate": r"Block_\1/Dense_0",
        "layers.1.up": "Block_1/Dense_0",
        "layers.1.gate": "Block_1/Dense_1",
    }
    pairs = found(match(ours, theirs, names=names))
    assert pairs["layers.0.up"] == "Block_0/Dense_1"
    assert pairs["layers.1.up"] == "Block_1/Dense_0"


def test_the_beginning_of_names_says_where_layers_belong():
    ours = linears(torch, [f"{side}.{i}.fc" for side in ("left", "right") for i in (0, 1)])
    theirs = linears(flax, [f"{side}/Dense_{i}" for side in ("X", "Y") for i in (0, 1)])
    with pytest.raises(ValueError, match="cannot be told"):
        match(ours, theirs)
    pairs = found(match(ours, theirs, names={"left": "Y", "right": "X"}))
    assert pairs["left.0.fc"] == "Y/Dense_0"
    assert pairs["right.1.fc"] == "X/Dense_1"
    # One of the two is enough: nothing else belongs there.
    assert found(match(ours, theirs, names={"left": "Y"})) == pairs


def test_the_beginning_as_an_expression():
    ours, theirs = _blocks()
    names = {r"layers\.(\d+)": r"Block_\1"}
    with pytest.raises(ValueError, match=r"or layers\.0\.gate"):
        match(ours, theirs, names=names)
    reordered = {r"layers\.0": "Block_2", r"layers\.2": "Block_0", r"layers\.1": "Block_1"}
    ours, theirs = ours[::2], theirs[::2]
    assert found(match(ours, theirs, names=reordered))["layers.0.up"] == "Block_2/Dense_0"


def test_a_part_of_a_word_is_no_beginning():
    ours = linears(torch, ["enc.fc", "encoder.fc"])
    theirs = linears(flax, ["X/fc", "Y/fc"])
    assert found(match(ours, theirs, names={"enc": "Y"})) == {
        "enc.fc": "Y/fc",
        "encoder.fc": "X/fc",
    }


def test_a_layer_may_stay_behind():
    ours = [*_OURS[:1], *linears(torch, ["pooler"], 4, 7)]
    with pytest.raises(ValueError, match="1 of torch's have no counterpart"):
        match(ours, _THEIRS[:1])
    correspondence = match(ours, _THEIRS[:1], names={"pooler": None})
    assert found(correspondence) == {"a.q": "A/Dense_0"}
    assert [layer.path for layer in correspondence.unused] == ["pooler"]


def test_a_packed_linear_in_parts():
    ours = [*linears(torch, ["attn.c_attn"], 4, 12), *linears(torch, ["attn.c_proj"])]
    theirs = linears(flax, ["attn/query", "attn/key", "attn/value", "attn/out"])
    names = {"attn.c_attn": ("attn/query", "attn/key", "attn/value")}
    correspondence = match(ours, theirs, names=names)
    arrays = arrays_of(ours)
    made = converted(correspondence, arrays)
    weight, bias = arrays["attn.c_attn.weight"], arrays["attn.c_attn.bias"]
    for index, name in enumerate(("query", "key", "value")):
        rows = slice(4 * index, 4 * index + 4)
        assert (made["attn", name, "weight"] == weight[rows].T).all()
        assert (made["attn", name, "bias"] == bias[rows]).all()
    assert (made["attn", "out", "weight"] == arrays["attn.c_proj.weight"].T).all()
    assert {pair.torch.path for pair in correspondence.pairs} == {"attn/c_attn", "attn/c_proj"}
    # In another order the parts are others.
    swapped = {"attn.c_attn": ("attn/key", "attn/query", "attn/value")}
    other = converted(match(ours, theirs, names=swapped), arrays)
    assert (other["attn", "key", "weight"] == weight[:4].T).all()


def test_a_packed_linear_that_is_stored_transposed():
    """Hugging Face's Conv1D: torch's own array is (in, out)."""
    (packed,) = linears(torch, ["c_attn"], 4, 12)
    weight, bias = packed.leaves
    (piece,) = weight.pieces
    view = View("o i -> i o")
    weight = replace(weight, shape=(4, 12), pieces=(replace(piece, view=view),))
    packed = replace(packed, leaves=(weight, bias))
    theirs = linears(flax, ["q", "k", "v"])
    arrays = arrays_of([packed])
    made = converted(match([packed], theirs, names={"c_attn": ("q", "k", "v")}), arrays)
    assert (made["k", "weight"] == arrays["c_attn.weight"][:, 4:8]).all()


def test_parts_of_different_sizes():
    """Fewer key and value heads than query heads."""
    ours = linears(torch, ["qkv"], 4, 8)
    theirs = [*linears(flax, ["q"]), *linears(flax, ["k", "v"], 4, 2)]
    arrays = arrays_of(ours)
    made = converted(match(ours, theirs, names={"qkv": ["q", "k", "v"]}), arrays)
    assert (made["v", "bias"] == arrays["qkv.bias"][6:]).all()


def test_several_packed_linears_by_one_expression():
    ours = linears(torch, [f"h.{i}.qkv" for i in range(3)], 4, 12)
    theirs = linears(flax, [f"h_{i}/{name}" for i in range(3) for name in "qkv"])
    names = {r"h\.(\d+)\.qkv": (r"h_\1/q", r"h_\1/k", r"h_\1/v")}
    arrays = arrays_of(ours)
    made = converted(match(ours, theirs, names=names), arrays)
    assert len(made) == 18
    assert (made["h_2", "v", "bias"] == arrays["h.2.qkv.bias"][8:]).all()


def test_a_packed_linear_for_an_attention_of_flax():
    ours = [*linears(torch, ["qkv"], 4, 12), *linears(torch, ["proj"])]
    theirs = [flax("attn", "MultiheadAttention", embed_dim=4, num_heads=2)]
    names = {"qkv": ("attn/query", "attn/key", "attn/value")}
    pairs = match(ours, theirs, names=names)
    arrays = arrays_of(ours)
    made = converted(pairs, arrays)
    assert (made["attn", "in_proj_weight"] == arrays["qkv.weight"]).all()
    assert (made["attn", "in_proj_bias"] == arrays["qkv.bias"]).all()
    assert (made["attn", "out_proj.weight"] == arrays["proj.weight"]).all()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"a.x": "A/Dense_0"}, r"'a.x' is no layer of torch's, and matches none"),
        ({"a.qq": "A/Dense_0"}, r"there is 'a.q'"),
        ({"a.q": "A/Dense_7"}, r"'a.q': Flax has no 'A/Dense_7'; it has 'A/Dense_"),
        ({"b": "C"}, r"'b': Flax has no 'C'"),
        ({"a.q": "A/Dense_0", "a.k": "A/Dense_0"}, r"several of torch's layers: a.q, a.k"),
        ({r"a\.\w": "A/Dense_0"}, r"several of torch's layers: a.q, a.k"),
        ({"a.q": ("A/Dense_0", "A/Dense_1")}, r"it has 4 outputs, and these have 4, 4"),
        ({"a.q": ("A/Dense_0", "nowhere")}, r"'a.q': Flax has no 'nowhere'"),
        ({r"a\.(\w)": r"A/\2"}, r"does not go with"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said(names, message):
    with pytest.raises(ValueError, match=message):
        match(_OURS, _THEIRS, names=names)


def test_all_that_is_wrong_is_said_at_once():
    names = {"a.x": "A/Dense_0", "a.q": "nowhere", "b.q": "B/Dense_0", "b.k": "B/Dense_0"}
    with pytest.raises(ValueError, match="names does not fit") as raised:
        match(_OURS, _THEIRS, names=names)
    text = str(raised.value)
    assert "'a.x'" in text
    assert "'nowhere'" in text
    assert "b.q, b.k" in text


def test_what_does_not_fit_is_refused_though_it_is_stated():
    theirs = [*_THEIRS[:3], *linears(flax, ["B/Dense_1"], 4, 3)]
    with pytest.raises(ValueError, match=r"'b.k' is not 'B/Dense_1': weight is \(4, 4\) in torch"):
        match(_OURS, theirs, names={"b.k": "B/Dense_1"})


@pytest.mark.parametrize("names", ["a.q", ["a.q"], {"a.q": 3}, {3: "A"}, {"a.q": ()}], ids=str)
def test_what_is_no_mapping_of_names_is_refused(names):
    with pytest.raises(TypeError, match="names must"):
        match(_OURS, _THEIRS, names=names)


def test_a_name_with_signs_of_expressions_is_a_name():
    ours = linears(torch, ["a.w(1", "a.w(2"])
    theirs = linears(flax, ["x", "y"])
    assert found(match(ours, theirs, names={"a.w(1": "y"})) == {"a.w(1": "y", "a.w(2": "x"}


def test_bare_parameters_by_their_keys():
    ours = [torch("", None, {"cls": (1, 1, 4), "register": (1, 1, 4)})]
    theirs = [flax("", None, {"x": (1, 1, 4), "y": (1, 1, 4)})]
    with pytest.raises(ValueError, match="cannot be told"):
        match(ours, theirs)
    pairs = match(ours, theirs, names={"cls": "y"})
    made = converted(pairs, arrays := arrays_of(ours))
    assert np.array_equal(made["", "y"], arrays["cls"])


def test_an_output_projection_is_no_part_of_what_is_packed():
    """Its heads are inputs, which the shapes do not tell where all are equally wide."""
    ours = [*linears(torch, ["qkv"], 4, 12), *linears(torch, ["proj"])]
    kernels = dict.fromkeys(("query", "key", "value"), "(n d) i -> i n d") | {
        "out": "o (n d) -> n d o"
    }
    theirs = [
        replace(layer, leaves=tuple(_viewed(leaf, kernels[layer.path]) for leaf in layer.leaves))
        for layer in linears(flax, kernels)
    ]
    with pytest.raises(ValueError, match="'out' takes the heads together that others make"):
        match(ours, theirs, names={"qkv": ("key", "value", "out")})
    assert len(match(ours, theirs, names={"qkv": ("query", "key", "value")}).pairs) == 4


def _viewed(leaf, pattern):
    if leaf.pieces[0].name != "weight":
        return leaf
    view = View(pattern, (("n", 2),))
    return replace(leaf, shape=view.shape((4, 4)), pieces=(Piece("weight", view),))
