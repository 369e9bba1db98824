"""Random models under random names: a match is right, or it is refused."""

import numpy as np
import pytest

from fanwise.porting import match
from fanwise.porting.matching import assign
from tests.porting.sketches import flax, found, linears, torch

# What people call one thing.
_WORDS = (
    ("query", "q_proj", "wq", "to_q"),
    ("key", "k_proj", "wk", "to_k"),
    ("value", "v_proj", "wv", "to_v"),
    ("out", "o_proj", "wo", "output"),
    ("gate", "gate_proj"),
    ("up", "up_proj"),
    ("fc1", "linear1", "dense_1"),
    ("fc2", "linear2", "dense_2"),
    ("embed", "embedding"),
    ("head", "classifier"),
)
_BLOCKS = ("layers", "blocks", "h", "encoder_layers", "stages")
_COUNT = 120


def _model(generator, style):
    """Layers of one shape on both sides, and which is which: in blocks and beside them."""
    words = [list(_WORDS[i]) for i in generator.permutation(len(_WORDS))]
    inside = words[: int(generator.integers(1, 5))]
    beside = words[5 : 5 + int(generator.integers(0, 4))]
    ours_block, theirs_block = (_BLOCKS[int(generator.integers(len(_BLOCKS)))] for _ in range(2))
    count, start = int(generator.integers(1, 4)), int(generator.integers(0, 2))
    truth: dict[str, str] = {}

    def name(own, number):
        one, other = (own[int(generator.integers(len(own)))] for _ in range(2))
        return one, f"Dense_{number}" if style == "numbered" else one if style == "same" else other

    chosen = [name(own, number) for number, own in enumerate(inside)]
    for block in range(count):
        separator = "_" if style == "numbered" else "/"
        outer = f"{theirs_block}{separator}{block + start}"
        truth |= {f"{ours_block}.{block}.{one}": f"{outer}/{other}" for one, other in chosen}
    truth |= dict(name(own, number) for number, own in enumerate(beside))
    return truth


def _outcome(truth, order):
    ours, theirs = linears(torch, truth), linears(flax, truth.values())
    try:
        pairs = found(match(ours, [theirs[i] for i in order]))
    except ValueError:
        return "refused"
    return "right" if pairs == truth else "wrong"


def _outcomes(seed, style, is_shuffled):
    """What is numbered by its order keeps it; what has names may be in any order."""
    generator = np.random.default_rng(seed)
    outcomes = []
    for _ in range(_COUNT):
        truth = _model(generator, style)
        order = np.arange(len(truth))
        if is_shuffled:
            generator.shuffle(order)
        if len(set(truth.values())) == len(truth):
            outcomes.append(_outcome(truth, order))
    return outcomes


@pytest.mark.parametrize(
    ("style", "is_shuffled", "share"),
    [("same", True, 1.0), ("other", True, 0.8), ("numbered", False, 0.05)],
)
def test_a_match_is_right_or_refused(style, is_shuffled, share, seed):
    outcomes = _outcomes(seed, style, is_shuffled)
    assert "wrong" not in outcomes
    assert outcomes.count("right") >= share * len(outcomes)


def test_a_guess_would_be_noticed(seed, monkeypatch):
    monkeypatch.setattr(assign, "_told", lambda *_: "names")
    assert _outcomes(seed, "numbered", is_shuffled=True).count("wrong") > _COUNT / 2


def test_names_that_are_not_read_would_be_noticed(seed, monkeypatch):
    def blank(torch, flax):
        return np.zeros((len(torch), len(flax)))

    monkeypatch.setattr(assign, "similarities", blank)
    assert _outcomes(seed, "same", is_shuffled=True).count("right") < _COUNT / 2
