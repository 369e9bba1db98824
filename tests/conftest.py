"""Strict settings for every test, and the seed of a sweep.

Keys and hypothesis's examples are fixed, so that a run can be repeated. ``FANWISE_SEED=n`` moves
both: every n must pass.
"""

import os

import hypothesis
import jax
import pytest

_SEED = os.environ.get("FANWISE_SEED")

hypothesis.settings.register_profile(
    "fanwise", deadline=None, derandomize=_SEED is None, database=None, max_examples=50
)
hypothesis.settings.load_profile("fanwise")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if _SEED is None:
        return
    for item in items:
        if isinstance(item, pytest.Function) and hypothesis.is_hypothesis_test(item.function):
            hypothesis.seed(int(_SEED))(item.function)


@pytest.fixture(autouse=True)
def _strict_promotion():
    with jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture(scope="session")
def seed() -> int:
    """FANWISE_SEED, 0 if it is not set."""
    return int(_SEED or 0)


@pytest.fixture(scope="session")
def key(seed: int) -> jax.Array:
    """A typed key made from the seed."""
    return jax.random.key(seed)
