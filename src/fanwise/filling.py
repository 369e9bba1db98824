"""Many parameters at once: few compilations, hardly more memory than the result.

The values are those that each distribution's own ``sample`` gives. What differs is how the work
is cut:

* Eagerly on CPU, arrays of independent elements are drawn by one compiled function per kind of
  distribution and dtype, whatever the layers and shapes (:mod:`fanwise.tiling`).
* Under a trace, parameters of one kind, shape and dtype become a loop in the graph, so that a
  hundred equal layers compile as one; several loops where one would need much memory.
* Equal structured parameters (a model's orthogonal matrices) are drawn as one batch.
* Everything else, sharded parameters among it, is drawn one by one; each device makes its part.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from fanwise import keys, placement, sampling, tiling
from fanwise.adoption import adopted, aligned
from fanwise.distributions import Constant, Distribution, ScalarDistribution, StructuredDistribution
from fanwise.distributions.base import draw_scalars
from fanwise.memory import check_memory
from fanwise.typing import DType, DTypeLike, Key, OutSharding, Shape, is_complex

__all__ = ["Parameter", "fill"]

# What a loop under a trace makes at most, and so needs besides the result: a part of all bytes, or
# as many as nobody minds. Fewer loops compile faster.
_SHARES, _LEAST = 16, 2**28


@dataclass(frozen=True)
class Parameter:
    """One array to be made.

    Args:
        path: a name, unique among the parameters filled together.
        shape: the array's shape.
        distribution: what it is drawn from.
        key: a JAX PRNG key.
        dtype: see :meth:`fanwise.distributions.Distribution.sample`.
        sharding: its ``out_sharding``.
    """

    path: str
    shape: Shape
    distribution: Distribution
    key: Key
    dtype: DTypeLike | None = None
    sharding: OutSharding = None


def fill(parameters: Iterable[Parameter]) -> dict[str, jax.Array]:
    """Make all arrays.

    Args:
        parameters: what to make; any mixture of shapes, dtypes, distributions and shardings.

    Returns:
        The arrays by path, in the order given, each equal to
        ``distribution.sample(key, shape, dtype, sharding)`` to the bit. Without a sharding they
        lie on the default device, on CPU even where a key is committed to another one.

    Raises:
        ValueError: if two parameters have the same path; else as ``sample``, with the path in
            front. All parameters are checked before the first one is drawn.
        MemoryError: if they are known not to fit.
        TypeError: as ``sample``, with the path in front.

    Example:
        >>> from fanwise.distributions import Constant, Normal
        >>> keys = jax.random.split(jax.random.key(0))
        >>> arrays = fill([
        ...     Parameter("kernel", (3, 4), Normal(0, 0.02), keys[0]),
        ...     Parameter("bias", (4,), Constant(0.0), keys[1]),
        ... ])
        >>> {path: array.shape for path, array in arrays.items()}
        {'kernel': (3, 4), 'bias': (4,)}
    """
    is_tracing = keys.is_tracing()
    jobs = [_Job.of(parameter, is_tracing) for parameter in parameters]
    _check_paths(job.path for job in jobs)
    # Sharded and traced parameters are not all of one device, and not of now.
    check_memory(sum(job.bytes for job in jobs if job.is_here))
    groups: dict[tuple[Any, ...], list[_Job]] = defaultdict(list)
    for job in jobs:
        groups[job.group].append(job)
    largest = max(sum(job.bytes for job in jobs) // _SHARES, _LEAST)
    made: dict[str, jax.Array] = {}
    for (method, *_), members in groups.items():
        for part in _parts(members, largest) if method is _looped else (members,):
            made.update(zip((job.path for job in part), method(part), strict=True))
    return {job.path: made[job.path] for job in jobs}


def _check_paths(paths: Iterable[str]) -> None:
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            raise ValueError(
                f"fill: path {path!r} occurs twice; every parameter needs a path of its own"
            )
        seen.add(path)


@dataclass(frozen=True)
class _Job:
    """A parameter whose arguments are checked, and the group that it is drawn in."""

    path: str
    shape: tuple[int, ...]
    distribution: Distribution
    key: Key
    dtype: DType
    sharding: OutSharding
    group: tuple[Any, ...]

    @classmethod
    def of(cls, parameter: Parameter, is_tracing: bool) -> "_Job":
        distribution, key, sharding = parameter.distribution, parameter.key, parameter.sharding
        try:
            if not isinstance(distribution, Distribution):
                raise TypeError(
                    f"distribution must be a fanwise.distributions.Distribution, got "
                    f"{distribution!r}; an initializer's is initializer.distribution(shape)"
                )
            shape, dtype = distribution.check(key, parameter.shape, parameter.dtype)
            placement.out_sharding_of(sharding)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{parameter.path}: {error}") from error
        if is_tracing:
            key = keys.hidden_constant(key)
        is_traced = isinstance(key, jax.core.Tracer)
        # Keys of other implementations give other values in a batch than alone.
        is_fused = sampling.is_fused(key)
        group: tuple[Any, ...] = (_one_by_one,)
        if is_fused and sharding is None and isinstance(distribution, StructuredDistribution):
            group = (_batched, distribution, shape, dtype, is_traced)
        elif is_fused and isinstance(distribution, ScalarDistribution) and not is_complex(dtype):
            if is_traced:
                group = (_looped, type(distribution), shape, dtype, sharding)
            elif sharding is None and not jax.config.jax_disable_jit:  # type: ignore[attr-defined]
                group = (_tiled, type(distribution), dtype)
        elif isinstance(distribution, Constant) and sharding is None and not is_traced:
            group = (_constant,)
        return cls(parameter.path, shape, distribution, key, dtype, sharding, group)

    @property
    def is_here(self) -> bool:
        return self.sharding is None and not isinstance(self.key, jax.core.Tracer)

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def sample(self) -> jax.Array:
        return self.distribution.sample(self.key, self.shape, self.dtype, self.sharding)


def _one_by_one(jobs: list[_Job]) -> Iterator[jax.Array]:
    for job in jobs:
        yield job.sample()


def _constant(jobs: list[_Job]) -> Iterator[jax.Array]:
    """Constants without a compilation per shape."""
    for job in jobs:
        assert isinstance(job.distribution, Constant)
        buffer = aligned(job.shape, job.dtype)
        buffer[...] = np.asarray(job.distribution.value).astype(job.dtype)
        yield adopted(buffer)


def _batched(jobs: list[_Job]) -> Iterator[jax.Array]:
    """Equal structured distributions as one batch."""
    if len(jobs) == 1:
        yield jobs[0].sample()
        return
    first = jobs[0]

    def draw(key: Key) -> jax.Array:
        return first.distribution.sample(key, first.shape, first.dtype)

    yield from jax.vmap(draw)(_stacked_keys(jobs))


def _parts(jobs: list[_Job], largest: int) -> Iterator[list[_Job]]:
    """Equal parameters, as many together as make ``largest`` bytes."""
    count = max(1, largest // max(1, jobs[0].bytes))
    for start in range(0, len(jobs), count):
        yield jobs[start : start + count]


def _looped(jobs: list[_Job]) -> Iterator[jax.Array]:
    """One loop in the graph over parameters of one kind, shape, dtype and sharding."""
    if len(jobs) == 1:
        yield jobs[0].sample()
        return
    first = jobs[0]
    kind, sharding = type(first.distribution), placement.out_sharding_of(first.sharding)

    def draw(each: tuple[Key, tuple[jax.Array, ...]]) -> jax.Array:
        key, scalars = each
        drawn: jax.Array = draw_scalars(kind, key, scalars, first.shape, first.dtype, sharding)
        return drawn

    words, scalars = _stacked_keys(jobs), _stacked_scalars(jobs)

    def drawn() -> list[jax.Array]:
        return list(jax.lax.map(draw, (words, scalars)))

    def never() -> list[jax.Array]:
        zeros = lambda _: jnp.zeros(first.shape, first.dtype)
        return [placement.placed(zeros, job.key, sharding) for job in jobs]

    # A loop leaves one array, out of which the parameters are copied. XLA would run all loops
    # first and copy afterwards, with twice the memory; what is behind a condition it finishes.
    yield from jax.lax.cond(keys.hidden_true(words), drawn, never)


def _stacked_keys(jobs: list[_Job]) -> Key:
    """Typed threefry keys, whether the jobs' own are typed or not."""
    words = jnp.stack([keys.key_data(job.key) for job in jobs])
    stacked: Key = jax.random.wrap_key_data(words, impl="threefry2x32")
    return stacked


def _stacked_scalars(jobs: list[_Job]) -> tuple[npt.NDArray[Any], ...]:
    """Each scalar of the jobs' distributions, all of one kind, as an array over the jobs."""
    rows = []
    for job in jobs:
        assert isinstance(job.distribution, ScalarDistribution)
        rows.append(job.distribution.scalars(job.dtype))
    return tuple(np.stack(column) for column in zip(*rows, strict=True))


def _tiled(jobs: list[_Job]) -> Iterator[jax.Array]:
    """Independent elements of one kind and dtype."""
    distribution = jobs[0].distribution
    assert isinstance(distribution, ScalarDistribution)
    return tiling.draw_tiled(
        type(distribution),
        jobs[0].dtype,
        [job.shape for job in jobs],
        np.stack([np.asarray(keys.key_data(job.key)) for job in jobs]),
        np.stack(_stacked_scalars(jobs), axis=1),
    )
