"""A model too large to fit is refused before anything is drawn."""

import jax
import pytest

from fanwise import memory
from fanwise.distributions import Normal
from fanwise.filling import Parameter, fill


def test_what_is_there_is_known_on_linux():
    there = memory.available_bytes()
    assert there is not None
    assert 2**20 < there < 2**50


def test_a_model_too_large_is_refused_with_both_figures(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**9)
    keys = jax.random.split(jax.random.key(0), 3)
    large = [Parameter(str(i), (10**4, 10**4), Normal(0, 1), key) for i, key in enumerate(keys)]
    with pytest.raises(MemoryError, match=r"take 1,200,000,000 bytes and 1,000,000,000 are there"):
        fill(large)


def test_what_nobody_knows_is_tried(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    memory.check_memory(10**18)


def test_a_traced_model_is_not_of_now(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 0)
    init = lambda key: fill([Parameter("a", (10**5, 10**4), Normal(0, 1), key)])
    assert jax.eval_shape(init, jax.random.key(0))["a"].shape == (10**5, 10**4)
