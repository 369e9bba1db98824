"""Where torch's generators stand when they are drawn from: equal states give equal numbers.

A constructor can go back to a state in many ways (a seed, a state that was kept, ``fork_rng``,
another generator of the same seed), and by methods that cannot be watched. So it is the states
that are compared. Draws without memory leave a generator where it is, and move it on here.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import _disable_current_modes

__all__ = ["Streams"]


class Streams:
    """The states from which was drawn.

    Args:
        is_fake: whether draws leave the generators where they are.
    """

    def __init__(self, *, is_fake: bool) -> None:
        self.is_fake = is_fake
        self.is_seeded = False
        self.repeated_seed: int | None = None
        self._states: set[bytes] = set()
        self._before: list[tuple[torch.Generator, torch.Tensor]] = []

    @contextmanager
    def drawing(self, generator: torch.Generator | None) -> Iterator[None]:
        """Note the state of a generator, torch's own if None, that is drawn from in the body."""
        used = torch.default_generator if generator is None else generator
        if used.device.type != "cpu":
            yield
            return
        if used is not torch.default_generator:
            self.is_seeded = True
            self._keep(used)
        state = _digest(used)
        yield
        if self.is_fake:
            with _disable_current_modes():
                torch.rand(1, generator=used)
        elif _digest(used) == state:
            return  # nothing was drawn: a tensor without elements, dropout that drops none
        if state in self._states and self.repeated_seed is None:
            self.repeated_seed = used.initial_seed()
        self._states.add(state)

    def close(self) -> None:
        """Put generators that were not moved on by the constructor itself back."""
        while self.is_fake and self._before:
            generator, state = self._before.pop()
            with _disable_current_modes():
                generator.set_state(state)

    def _keep(self, generator: torch.Generator) -> None:
        if not any(generator is kept for kept, _ in self._before):
            with _disable_current_modes():
                self._before.append((generator, generator.get_state()))


def _digest(generator: torch.Generator) -> bytes:
    with _disable_current_modes():
        return hashlib.sha256(generator.get_state().numpy().tobytes()).digest()
