"""The rows of layers and models, what they say of Flax's own defaults, and their tables."""

import io
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from parity import equinox_layers, layer_table, models_rows
from parity.conversions_compare import compare
from parity.conversions_linen import LINEN
from parity.conversions_nnx import NNX
from parity.conversions_pairs import PAIRS
from parity.layer_own import in_words
from parity.layer_own_defaults import OWN_DEFAULTS
from parity.layer_result import LayerRow
from parity.layer_rows import name_of, part
from parity.layer_table import print_layers
from parity.report import Report

_WORDS = r"norm 1|lecun_normal|orthogonal|1/sqrt\(features\)|(?<![\w./(])\d[\d.]*(?![\w./)])"

FIRST = {
    (framework.name, name_of(pair.kind)): (framework, pair)
    for framework in (LINEN, NNX)
    for pair in reversed(PAIRS)
    if framework.has(pair)
}


def test_every_row_tells_the_frameworks_own_default():
    assert set(FIRST) == set(OWN_DEFAULTS)


def _words(draws, shape) -> str:
    text = in_words(draws)
    norms = np.linalg.norm(draws, axis=1) if draws.ndim == 3 else 0
    if text != "orthogonal" and np.allclose(norms, 1, atol=1e-5):
        return "norm 1"
    law, _, std = text.partition(", std ")
    if law == "normal" and math.isclose(float(std) * math.sqrt(shape[-1]), 1, rel_tol=0.04):
        return "1/sqrt(features)"
    return text


@pytest.mark.parametrize("row", sorted(OWN_DEFAULTS), ids=" ".join)
def test_own_defaults_are_what_flax_draws(row, seed):
    framework, pair = FIRST[row]
    (layer,) = framework.layers(pair, inputs := pair.arrays(np.random.default_rng(0)))
    drawn = framework.own(pair, inputs)
    found = {_words(drawn[leaf.path], leaf.shape) for leaf in layer.leaves}
    # A convolution without a bias is what stands first for some.
    said = set(re.findall(_WORDS, OWN_DEFAULTS[row]))
    assert found == said or (found | {"0"} == said and "bias 0" in OWN_DEFAULTS[row])


@pytest.mark.parametrize(
    ("law", "text"),
    [
        (lambda g, s: g.normal(size=s), "normal, std 1"),
        (lambda g, s: g.uniform(-1, 1, s), "uniform, std 0.58"),
        (lambda g, s: np.zeros(s), "0"),
        (lambda g, s: np.linalg.qr(g.normal(size=s))[0], "orthogonal"),
    ],
)
def test_words(law, text):
    assert in_words(law(np.random.default_rng(0), (900, 9, 4))) == text


def test_the_rows_of_torch_agree(seed):
    rows = part("torch", seed)
    assert [row.lines for row in rows if not row.agrees] == []
    assert len(rows) > 30


def test_a_wrong_layer_of_equinox_is_noticed(monkeypatch):
    pair = equinox_layers.PAIRS["Linear"]()
    other = torch.nn.Linear(4, 3)
    wrong = {"Linear": lambda: replace(pair, module=_uniform(other))}
    monkeypatch.setattr(equinox_layers, "PAIRS", wrong)
    (row,) = part("equinox", 0)
    assert any("weight: torch asks for uniform(-1, 1)" in line for line in row.lines)


def _uniform(module):
    torch.nn.init.uniform_(module.weight, -1, 1)
    return module


def test_models_agree_and_errors_are_caught(seed):
    rows = models_rows.run(seed)
    assert [row.lines for row in rows if not row.agrees] == []
    assert {row.planted for row in rows} == {2}
    assert len(rows) == 12


GOOD = LayerRow("Linear", "linen", 3, (), 2, (), 1e-7, "kernel lecun_normal; bias 0")
WRONG = (
    LayerRow("Linear", "nnx", 3, ("weight: torch asks for 1, we for 2",)),
    LayerRow("Linear", "nnx", 3, (), 2, ("biases of zero",)),
    LayerRow("Linear", "nnx", 0),
)


@pytest.mark.parametrize("wrong", WRONG)
def test_anything_wrong_disagrees(wrong):
    assert GOOD.agrees
    assert not wrong.agrees
    report = Report((), 0, 1.0, (), (GOOD, wrong))
    assert not report.agrees
    assert not Report((), 0, 1.0, (), (), (wrong,)).agrees
    assert Report((), 0, 1.0, (), (GOOD,)).agrees
    assert report.summary().startswith("1 of 2 rows DISAGREE with torch.nn.")
    assert len(report.failures) == len(wrong.lines)


def test_tables():
    file = io.StringIO()
    print_layers("Layers", (GOOD, WRONG[0]), Console(file=file, width=100))
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= 100
    assert text.count("Linear") == 1
    for word in ("Layers", "lecun_normal", "1e-07", "2/2", "agrees", "DISAGREES"):
        assert word in text
    report = Report((), 0, 1.0, (), (GOOD,), (GOOD,))
    assert "## Layers" in report.as_markdown()
    assert report.as_json()["models"][0]["planted_errors_caught"] == 2
    assert len(layer_table.layer_cells(GOOD)) == len(layer_table.headers("Layers"))


def test_an_input_is_the_same_for_a_seed(seed):
    pair = PAIRS[0]
    assert compare(pair, LINEN, seed).off == compare(pair, LINEN, seed).off
