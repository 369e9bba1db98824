"""The random models: the same from a seed, of every kind, and twins as they are said to be."""

from collections import Counter

import pytest
import torch

from fanwise.frameworks.torch import layers
from parity.fuzz.group import Group
from parity.fuzz.node import Node
from parity.fuzz.spec import random_spec
from parity.fuzz.truth import truth_of
from parity.seeding import numpy_generator, torch_seeded

COUNT = 200


def _flax_paths(number: int, seed: int) -> tuple[set[str], set[str]]:
    """Of the twin's layers, as they are found and as the truth has them."""
    spec = random_spec(number, seed)
    truth = truth_of(spec.root, spec.framework)
    stated = {path for _, path in truth.ties.values() if path is not None}
    for twin in truth.layers.values():
        stated |= {twin} if isinstance(twin, str) else set(twin)
    return {layer.path for layer in spec.layers() if layer.kind is not None}, stated


@pytest.mark.parametrize("part", range(4))
def test_truth_names_the_layers_of_both_sides(part: int, seed: int) -> None:
    for number in range(part, COUNT, 8):
        found, stated = _flax_paths(number, seed)
        assert found == stated, number
        spec = random_spec(number, seed)
        truth = truth_of(spec.root, spec.framework)
        # What is tied to another is listed without the parameter.
        paths = {layer.path for layer in layers(spec.torch()) if layer.parameters and layer.kind}
        assert paths == set(truth.layers), number


def test_a_seed_makes_the_same_model(seed: int) -> None:
    assert [random_spec(number, seed) for number in range(20)] == [
        random_spec(number, seed) for number in range(20)
    ]
    assert random_spec(0, seed) != random_spec(0, seed + 1)


def test_torch_seed_makes_the_same_parameters(seed: int) -> None:
    spec = random_spec(3, seed)
    states = []
    for _ in range(2):
        with torch_seeded(seed, "the same"):
            states.append(spec.torch().state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_torch_models_run(seed: int) -> None:
    for number in range(COUNT):
        spec = random_spec(number, seed)
        output = spec.run_torch(spec.torch(), spec.x(numpy_generator(seed, "input")))
        assert output.shape[0] == 2, number


def _kinds(node: Node, found: Counter[str]) -> None:
    found[type(node).__name__] += 1
    if isinstance(node, Group):
        found[node.form] += 1
        found.update(type(statement).__name__ for statement in node.statements)
        found["copied"] += node.is_copied
        found["inlined"] += node.is_inlined
        found["setup"] += node.is_setup
        found["numbered"] += any(part.twin is None for part in node.parts)
        found["reordered"] += bool(node.defined)
        for part in node.parts:
            _kinds(part.node, found)


def test_everything_of_the_grammar_occurs(seed: int) -> None:
    found: Counter[str] = Counter()
    for number in range(COUNT):
        _kinds(random_spec(number, seed).root, found)
    for kind in (
        "Linear", "Conv", "ConvTranspose", "Embedding", "Unembedding", "Norm", "PReLU", "Recurrent",
        "Attention", "Heads", "Bare", "Sequential", "ModuleList", "ModuleDict", "span", "Apply",
        "OverParameters", "FillOne", "FillRows", "Replace", "Copy", "Noise", "Reset", "Tie",
        "copied", "inlined", "setup", "numbered", "reordered",
    ):  # fmt: skip
        assert found[kind] >= 5, (kind, found)
