"""Who draws one kernel: fanwise, ``jax.nn.initializers`` and ``torch.nn.init``.

jax and fanwise come both as called eagerly and under ``jax.jit``. The scales are the same; where
jax has no such distribution, its nearest is taken: ``uniform`` is on [0, scale) only, and for
Kaiming's normal it is ``variance_scaling``, as ``he_normal`` truncates.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks import machine

__all__ = ["SAMPLERS", "Case", "requirement", "samplers_of", "temporary_bytes"]

Draw = Callable[[], object]

_STD, _SCALE = 0.02, 0.5


@dataclass(frozen=True)
class Case:
    """One kernel; an orthogonal one of three axes is a batch of equal matrices."""

    distribution: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def is_batch(self) -> bool:
        """Whether it is several matrices."""
        return len(self.shape) == 3

    @property
    def title(self) -> str:
        """The distribution, and whether it is drawn for several matrices at once."""
        return f"{self.distribution}, equal matrices" if self.is_batch else self.distribution

    def __str__(self) -> str:
        return f"{self.distribution} {self.dtype} {self.shape}"


def samplers_of(case: Case, largest_under_jit: float = math.inf) -> list[str]:
    """Return the names of those who draw a case."""
    if case.is_batch:
        return ["fanwise", "jax", "jax vmap", "torch"]
    if case.elements > largest_under_jit:
        return ["fanwise", "jax", "torch"]
    return ["fanwise", "fanwise jit", "jax", "jax jit", "torch"]


def requirement(sampler: str) -> str:
    """Return the package that a contestant needs."""
    return sampler.split()[0]


def fanwise_eager(case: Case) -> Draw:
    """fanwise called as it stands, which compiles once for each shape and dtype."""
    import jax

    init, key = _fanwise_initializer(case), functools.cache(lambda: jax.random.key(0))
    return lambda: init(key(), case.shape, case.dtype).block_until_ready()


def fanwise_jit(case: Case) -> Draw:
    """fanwise within a program of the user's own."""
    import jax

    init, key = _fanwise_initializer(case), functools.cache(lambda: jax.random.key(0))
    compiled = jax.jit(lambda key: init(key, case.shape, case.dtype))
    return lambda: compiled(key()).block_until_ready()


def jax_eager(case: Case) -> Draw:
    """``jax.nn.initializers`` as they stand; a batch is a loop, as a model's layers are."""
    import jax

    init, key = _jax_initializer(case), functools.cache(lambda: jax.random.key(0))
    if not case.is_batch:
        return lambda: init(key(), case.shape, case.dtype).block_until_ready()
    batch, *matrix = case.shape

    def draw() -> object:
        keys = jax.random.split(key(), batch)
        return jax.block_until_ready([init(each, tuple(matrix), case.dtype) for each in keys])

    return draw


def jax_jit(case: Case) -> Draw:
    """``jax.nn.initializers`` within a program, where scaling fuses with drawing."""
    import jax

    init, key = _jax_initializer(case), functools.cache(lambda: jax.random.key(0))
    compiled = jax.jit(lambda key: init(key, case.shape, case.dtype))
    return lambda: compiled(key()).block_until_ready()


def jax_vmap(case: Case) -> Draw:
    """The best that jax can do with a batch of matrices."""
    import jax

    init, key = _jax_initializer(case), functools.cache(lambda: jax.random.key(0))
    batch, *matrix = case.shape

    @jax.jit
    def compiled(key: Any) -> Any:
        keys = jax.random.split(key, batch)
        return jax.vmap(lambda each: init(each, tuple(matrix), case.dtype))(keys)

    return lambda: compiled(key()).block_until_ready()


def torch_eager(case: Case) -> Draw:
    """``torch.nn.init`` on memory that is new each time, as the arrays of the others are."""
    import torch

    torch.set_num_threads(machine.cores())
    init, dtype = _torch_initializer(case), getattr(torch, case.dtype)

    def draw() -> object:
        tensor = torch.empty(case.shape, dtype=dtype)
        for part in tensor if case.is_batch else (tensor,):
            init(part)
        return tensor

    return draw


SAMPLERS: dict[str, Callable[[Case], Draw]] = {
    "fanwise": fanwise_eager,
    "fanwise jit": fanwise_jit,
    "jax": jax_eager,
    "jax jit": jax_jit,
    "jax vmap": jax_vmap,
    "torch": torch_eager,
}


def _fanwise_initializer(case: Case) -> Any:
    import fanwise as fw

    return {
        "uniform": lambda: fw.uniform(0.0, _SCALE),
        "normal": lambda: fw.normal(0.0, _STD),
        "trunc_normal": lambda: fw.trunc_normal(0.0, _STD, -2 * _STD, 2 * _STD),
        "kaiming_normal": lambda: fw.kaiming_normal(),
        "orthogonal": lambda: fw.orthogonal(layout="BIO" if case.is_batch else "IO"),
    }[case.distribution]()


def _jax_initializer(case: Case) -> Any:
    from jax.nn import initializers

    return {
        "uniform": lambda: initializers.uniform(_SCALE),
        "normal": lambda: initializers.normal(_STD),
        "trunc_normal": lambda: initializers.truncated_normal(_STD, lower=-2.0, upper=2.0),
        "kaiming_normal": lambda: initializers.variance_scaling(2.0, "fan_in", "normal"),
        "orthogonal": lambda: initializers.orthogonal(),
    }[case.distribution]()


def _torch_initializer(case: Case) -> Any:
    from torch.nn import init

    return {
        "uniform": lambda tensor: init.uniform_(tensor, 0.0, _SCALE),
        "normal": lambda tensor: init.normal_(tensor, 0.0, _STD),
        "trunc_normal": lambda tensor: init.trunc_normal_(tensor, 0.0, _STD, -2 * _STD, 2 * _STD),
        "kaiming_normal": init.kaiming_normal_,
        "orthogonal": init.orthogonal_,
    }[case.distribution]


def temporary_bytes(sampler: str, case: Case) -> int:
    """Return what a compiled program of one of the ``jit`` contestants allocates on the side."""
    import jax

    init = (_fanwise_initializer if sampler == "fanwise jit" else _jax_initializer)(case)
    compiled = jax.jit(lambda key: init(key, case.shape, case.dtype)).lower(jax.random.key(0))
    return int(compiled.compile().memory_analysis().temp_size_in_bytes)
