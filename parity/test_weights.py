"""Weights of every example model across and back, and errors that must show."""

import pytest

from examples.models.families import FAMILIES
from parity import porting_weights
from parity.porting_weights import TOLERANCE, compared, port

CASES = [
    pytest.param(family, framework, id=f"{family}, {framework}")
    for family in FAMILIES
    for framework in ("linen", "nnx")
]

# What each model must have shown.
PLANTED = {
    "AlexNet": "the map flattened as torch does",
    "ResNet": "running statistics left as Flax starts them",
    "ConvNeXt": "a parameter of the model's own left at zero",
    "ViT": "query and value swapped",
    "MLP-Mixer": "a kernel reshaped and not transposed",
    "U-Net": "the field of a Conv reversed",
    "DCGAN": "the field of a ConvTranspose reversed",
    "GPT-2": "an embedding's rows off by one",
    "Translator": "two layers of equal shape swapped",
    "LSTM tagger": "the input and forget gates swapped",
}


@pytest.mark.parametrize(("family", "framework"), CASES)
def test_a_model_computes_the_same_and_comes_back(family, framework, seed):
    lines, off, wrong = compared(port(family, framework, seed), seed)
    assert lines == []
    assert off <= TOLERANCE
    assert PLANTED[family.name] in wrong
    # Far from the tolerance: what is right and what is wrong cannot be mistaken.
    assert min(wrong.values()) > 30 * TOLERANCE
    assert off < TOLERANCE / 30


def test_rows(seed, monkeypatch):
    monkeypatch.setattr(porting_weights, "FAMILIES", FAMILIES[:1])
    linen, nnx = porting_weights.run(seed)
    assert (linen.name, linen.framework, nnx.framework) == ("AlexNet", "linen", "nnx")
    assert linen.agrees
    assert linen.cases == 16
    assert linen.planted == 3
    monkeypatch.setattr(porting_weights, "planted", lambda found, variables: {"none": variables})
    linen, _ = porting_weights.run(seed)
    assert linen.missed == ("none",)
    assert not linen.agrees
