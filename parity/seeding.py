"""One seed for the whole suite, and what follows from it for each of the three generators.

Every use of randomness names itself, and its generator is seeded from the suite's seed and that
name: a check that is added or left out changes no other one.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np
import torch

__all__ = ["SEED_VARIABLE", "numpy_generator", "suite_seed", "torch_seeded", "typed_key"]

SEED_VARIABLE = "FANWISE_SEED"


def suite_seed() -> int:
    """Return the seed that the environment asks for, 0 if it asks for none.

    Raises:
        ValueError: if the variable is no integer of at least 0.
    """
    text = os.environ.get(SEED_VARIABLE, "0")
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{SEED_VARIABLE} must be an integer of at least 0, got {text!r}")
    return int(text)


def _hash(seed: int, name: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def typed_key(seed: int, name: str) -> jax.Array:
    """Return the JAX key of a use of randomness."""
    low, high = _hash(seed, name) % 2**32, _hash(seed, name) >> 32
    return jax.random.fold_in(jax.random.key(np.uint32(low)), np.uint32(high))


def numpy_generator(seed: int, name: str) -> np.random.Generator:
    """Return the numpy generator of a use of randomness."""
    return np.random.default_rng(_hash(seed, name))


@contextmanager
def torch_seeded(seed: int, name: str) -> Iterator[None]:
    """Seed torch's global generator, and put its state back afterwards.

    The global one, because ``sparse_`` shuffles with it whatever generator it is given.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_hash(seed, name) % 2**63)
        yield
