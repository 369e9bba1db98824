"""Some example models: what port.init draws agrees, and what Flax draws by itself is named.

``python -m parity`` takes all of them, with one key each.
"""

import jax
import numpy as np
import pytest

import fanwise
from examples.models.gpt2 import GPT2
from examples.models.lstm_tagger import LSTM_TAGGER
from examples.models.resnet import RESNET
from fanwise.porting import Cause

CASES = [
    (GPT2, "linen"),
    (LSTM_TAGGER, "linen"),
    (RESNET, "nnx"),
]
KEYS = 3


def sides(family, framework):
    """The Flax model, its inputs, its layers, and what match needs to be told."""
    if framework == "linen":
        inputs = family.inputs(np.random.default_rng(0))
        model = family.linen()
        return model, inputs, fanwise.linen.layers(model, *inputs), dict(family.names)
    model = lambda rngs: family.nnx(rngs=rngs)
    return model, (), fanwise.nnx.layers(model), dict(family.nnx_names)


@pytest.mark.parametrize(("family", "framework"), CASES, ids=lambda each: str(each))
def test_recorded_start_agrees(family, framework, seed):
    recipe = fanwise.torch.record(family.torch)
    model, inputs, layers, names = sides(family, framework)
    options = {"names": names or None, "flatten": dict(family.flatten) or None}
    pairs = fanwise.port.match(recipe, layers, **options)
    for number in range(KEYS):
        report = fanwise.port.check(
            recipe,
            model,
            *inputs,
            init=lambda key: fanwise.port.init(recipe, pairs, key),
            key=jax.random.key(seed * KEYS + number),
            samples=2**14,
            **options,
        )
        assert report.passed, report.table()


@pytest.mark.parametrize(("family", "framework"), CASES, ids=lambda each: str(each))
def test_own_start_is_named(family, framework, seed):
    recipe = fanwise.torch.record(family.torch)
    model, inputs, _, names = sides(family, framework)
    report = fanwise.port.check(
        recipe, model, *inputs, names=names or None, key=jax.random.key(seed), samples=2**14
    )
    assert not report.passed
    for fault in report.faults:
        # torch's tagger has gates that are orthogonal together, Flax's are each by itself.
        is_gates = family is LSTM_TAGGER and "weight_hh" in fault.torch[0]
        assert fault.cause == (Cause.STRUCTURE if is_gates else Cause.FRAMEWORK_DEFAULT)
