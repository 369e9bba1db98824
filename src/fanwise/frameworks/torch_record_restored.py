"""Leaves torch, numpy and Python's random as they were found."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["Outside", "restored"]


class Outside:
    """The state of the random generators that are not torch's.

    The operating system's has none; whether it was asked (by ``random.SystemRandom``, too, and by
    numpy's generators without a seed) is noted.
    """

    def __init__(self) -> None:
        self.python = random.getstate()
        self.has_asked = False
        self.numpy = np.random.get_state(legacy=False)  # noqa: NPY002 - the one that others use

    def has_moved(self) -> bool:
        """Whether anything was drawn since."""
        if self.has_asked:
            return True
        now = np.random.get_state(legacy=False)  # noqa: NPY002
        return random.getstate() != self.python or repr(now) != repr(self.numpy)

    def restore(self) -> None:
        """Put the state back."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)  # noqa: NPY002


# SystemRandom and secrets have it by a name of their own.
_URANDOM = ((os, "urandom"), (random, "_urandom"))


@contextmanager
def restored(seed: int | None = None) -> Iterator[Outside]:
    """Put all generators, torch's default dtype and its gradient mode back after the body.

    Args:
        seed: for torch's, numpy's and Python's generators in the body; None leaves their states.
    """
    outside, system = Outside(), os.urandom
    torch_state = torch.random.get_rng_state()
    dtype, has_gradients = torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        if seed is not None:
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            torch.manual_seed(seed)
        now = Outside()

        def urandom(size: int) -> bytes:
            now.has_asked = True
            return system(size)

        for module, name in _URANDOM:
            setattr(module, name, urandom)
        yield now
    finally:
        for module, name in _URANDOM:
            setattr(module, name, system)
        outside.restore()
        torch.random.set_rng_state(torch_state)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(has_gradients)
