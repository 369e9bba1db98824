"""The message: both sides as a table, and a line that settles it when it is pasted."""

import re

import pytest

from fanwise.porting import match
from fanwise.porting.matching.suggest import entries, line
from tests.porting.sketches import flax, found, linears, torch


def _message(ours, theirs, **options):
    with pytest.raises(ValueError, match="do not match") as raised:
        match(ours, theirs, **options)
    return str(raised.value)


def _pasted(message):
    """The names of the message, as if they were pasted."""
    return eval(message.partition("names=")[2])


def test_both_sides_and_what_else_it_could_be():
    message = _message(linears(torch, ["a.q", "a.k"]), linears(flax, ["A/Dense_0", "A/Dense_1"]))
    assert message.startswith(
        "the layers of the two models do not match: 2 cannot be told from others of equal kind and "
        "shape\n"
    )
    lines = message.splitlines()
    assert lines[1].split() == ["torch", "Flax", "why"]
    assert re.fullmatch(
        r"a\.q +Linear \(4, 4\), bias +A/Dense_0 +Linear \(4, 4\), bias +or a\.k\?", lines[2]
    )


def test_a_line_that_settles_it():
    ours, theirs = linears(torch, ["a.q", "a.k"]), linears(flax, ["A/Dense_0", "A/Dense_1"])
    names = _pasted(_message(ours, theirs))
    assert names == {"a.q": "A/Dense_0", "a.k": "A/Dense_1"}
    assert found(match(ours, theirs, names=names)) == names


def test_a_line_for_many_blocks():
    """One expression for each kind of layer, though the blocks are named otherwise."""
    ours = linears(torch, [f"enc.layers.{i}.{a}" for i in range(12) for a in ("up", "gate")])
    theirs = linears(flax, [f"layers_{i}/Dense_{j}" for i in range(12) for j in (0, 1)])
    message = _message(ours, theirs)
    names = _pasted(message)
    assert names == {
        r"enc\.layers\.(\d+)\.up": r"layers_\1/Dense_0",
        r"enc\.layers\.(\d+)\.gate": r"layers_\1/Dense_1",
    }
    assert found(match(ours, theirs, names=names))["enc.layers.11.gate"] == "layers_11/Dense_1"


def test_a_line_for_packed_projections():
    ours = [*linears(torch, ["h.0.qkv", "h.1.qkv"], 4, 12), *linears(torch, ["h.0.o", "h.1.o"])]
    theirs = [
        layer
        for block in ("h_0", "h_1")
        for layer in linears(flax, [f"{block}/{name}" for name in ("value", "query", "key", "out")])
    ]
    message = _message(ours, theirs)
    assert "packed in torch" in message
    names = _pasted(message)
    # The order that everybody packs them in, not that of Flax.
    assert names == {r"h\.(\d+)\.qkv": (r"h_\1/query", r"h_\1/key", r"h_\1/value")}
    assert len(match(ours, theirs, names=names).pairs) == 8


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (["qkv", "proj"], ["attn/query", "attn/key", "attn/value", "attn/out"]),
        (["proj", "qkv"], ["attn/out", "attn/value", "attn/key", "attn/query"]),
        (["qkv", "proj"], ["q", "k", "v", "o"]),
        (["qkv", "proj"], ["Dense_0", "Dense_1", "Dense_2", "Dense_3"]),
        (["proj", "qkv"], ["Dense_3", "Dense_4", "Dense_5", "Dense_6"]),
    ],
    ids=str,
)
def test_parts_of_a_packed_layer_are_not_given_to_another(ours, theirs):
    sizes = {"qkv": 12, "proj": 4}
    layers = [linears(torch, [name], 4, sizes[name])[0] for name in ours]
    others = linears(flax, theirs)
    message = _message(layers, others)
    (row,) = (line for line in message.splitlines() if line.startswith("proj"))
    *parts, rest = theirs if ours[0] == "qkv" or "/" in theirs[0] else [*theirs[1:], theirs[0]]
    if parts[0].endswith("out"):
        parts, rest = [rest, *parts[:0:-1]], parts[0]
    assert all(name.rpartition("/")[2] in row for name in (rest, *parts))
    names = _pasted(message)
    assert names == {"qkv": tuple(parts), "proj": rest}
    assert found(match(layers, others, names={"qkv": tuple(parts)}))["proj"] == rest
    assert len(match(layers, others, names=names).pairs) == 4


def test_a_competitor_from_elsewhere_is_not_shown_with_a_part_of_what_is_packed():
    ours = [*linears(torch, ["qkv"], 4, 12), *linears(torch, ["proj", "last"])]
    parts = ("attn/query", "attn/key", "attn/value")
    theirs = linears(flax, [*parts, "attn/out", "Dense_0"])
    message = _message(ours, theirs)
    for name in ("proj", "last"):
        assert re.search(rf"\n{name} +Linear \(4, 4\), bias +(attn/out|Dense_0) ", message)
    names = _pasted(message)
    assert names == {"qkv": parts}
    names |= _pasted(_message(ours, theirs, names=names))
    assert names == {"qkv": parts, "proj": "attn/out", "last": "Dense_0"}
    assert len(match(ours, theirs, names=names).pairs) == 5


def test_only_what_is_packed_is_taken_apart():
    """In order the projection would be of two halves, one of which is no layer of its size."""
    ours = [*linears(torch, ["proj"]), *linears(torch, ["qkv"], 4, 8)]
    halves = [*linears(flax, ["Dense_0", "Dense_1"], 4, 2)]
    message = _message(ours, [*halves, *linears(flax, ["Dense_2", "Dense_3"])])
    assert "names=" not in message
    named = linears(flax, ["q"]) + linears(flax, ["k", "v"], 4, 2)
    ours.append(linears(torch, ["last"])[0])
    halves = linears(flax, ["a", "b"], 4, 2)
    message = _message(ours, [*named, *halves, *linears(flax, ["o"])])
    assert _pasted(message) == {"qkv": ("q", "k", "v")}


def test_what_is_as_likely_and_left_is_shown_and_not_proposed():
    message = _message(linears(torch, ["fc"]), linears(flax, ["a", "b"]))
    assert re.search(r"fc .* a .* or b\?", message)
    assert "names=" not in message


def test_what_is_left_on_either_side_and_why():
    ours = linears(torch, ["fc1", "fc2", "head"])
    theirs = [*linears(flax, ["fc1", "extra"], 4, 4), *linears(flax, ["head"], 4, 9)]
    message = _message(ours, theirs)
    assert "1 of torch's have no counterpart in Flax" in message
    assert "1 of Flax's have no counterpart in torch" in message
    assert "weight is (4, 4) in torch, (9, 4) in Flax" in message


def test_nothing_is_proposed_where_nothing_would_settle_it():
    message = _message(linears(torch, ["fc"], 4, 3), linears(flax, ["fc"], 4, 9))
    assert "names=" not in message


def test_many_lines_are_cut():
    ours = linears(torch, [f"{a}{b}.x" for a in "abcdefgh" for b in "abcdefgh"])
    theirs = linears(flax, [f"{a}{b}/y" for a in "pqrstuvw" for b in "pqrstuvw"])
    message = _message(ours, theirs)
    assert "... and 24 more" in message
    assert len(_pasted(message)) == 64


def test_a_correspondence_prints():
    ours = [
        torch("conv", "Conv2d", in_channels=2, out_channels=3, kernel_size=(3, 3)),
        torch("", None, {"token": (1, 4)}),
        *linears(torch, ["head"], 4, 9),
    ]
    theirs = [
        flax("Conv_0", "Conv2d", in_channels=2, out_channels=3, kernel_size=(3, 3)),
        flax("", None, {"cls": (1, 4)}),
        *linears(flax, ["out"], 4, 9),
    ]
    assert str(match(ours, theirs)).splitlines() == [
        "torch  Flax    kind    conversion          known by",
        "conv   Conv_0  Conv2d  o i h w -> h w i o  kind and shape",
        "token  cls     -       as it is            kind and shape",
        "head   out     Linear  o i -> i o          kind and shape",
    ]


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        ("model", [], "torch must be a torch module, a Recipe, or layers"),
        ([3], [], "torch must be .* got 3 of type int"),
        ([], 3.5, "flax must be layers as fanwise.linen.layers"),
        ([], [None], "flax must be .* got None"),
    ],
    ids=str,
)
def test_what_is_no_model_is_refused(ours, theirs, message):
    with pytest.raises(TypeError, match=message):
        match(ours, theirs)


def test_nothing_matches_nothing():
    assert match([], []).pairs == ()


class TestSuggestions:
    def test_an_expression_must_not_name_others(self):
        wanted = {f"h.{i}.fc": (f"B_{i}/x",) for i in (0, 1)}
        known = {"h.2.fc": ("C/y",)}
        assert entries(wanted, {}) == {r'r"h\.(\d+)\.fc"': r'r"B_\1/x"'}
        assert entries(wanted, known) == {
            '"h.0.fc"': '"B_0/x"',
            '"h.1.fc"': '"B_1/x"',
        }

    def test_numbers_that_have_no_pattern_are_written_out(self):
        wanted = {"h.0": ("B_1",), "h.1": ("B_0",)}
        assert list(entries(wanted, {})) == ['"h.0"', '"h.1"']

    def test_two_numbers(self):
        wanted = {f"s.{i}.b.{j}": (f"S{i}/B{j}",) for i in (1, 2) for j in (0, 1, 2)}
        assert entries(wanted, {}) == {r'r"s\.(\d+)\.b\.(\d+)"': r'r"S\1/B\2"'}

    def test_a_number_that_does_not_move_stays(self):
        wanted = {f"s.1.b.{j}": (f"S1/B{j}",) for j in (0, 1, 2)}
        assert entries(wanted, {}) == {r'r"s\.1\.b\.(\d+)"': r'r"S1/B\1"'}

    def test_what_stays_behind(self):
        assert line(entries({"pooler": None}, {})) == 'names={"pooler": None}'

    def test_long_lines_are_broken(self):
        wanted = {letter * 40: (letter * 40,) for letter in "abc"}
        text = line(entries(wanted, {}))
        assert len(text.splitlines()) == 5
        assert eval(text.removeprefix("names=")) == {name: name for name in wanted}
