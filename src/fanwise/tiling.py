"""Many arrays of one kind of distribution, made eagerly on CPU by one compiled function.

Arrays are cut into rows, and rows of any arrays are drawn together as a tile, whatever the shapes.
Threads draw tiles and copy them into memory that JAX adopts without another copy.
"""

import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax.sharding import Mesh

from fanwise import sampling, threefry
from fanwise.adoption import adopted, aligned
from fanwise.distributions import ScalarDistribution
from fanwise.progress import tracked
from fanwise.typing import DType, compute_dtype

__all__ = ["draw_tiled"]

# Larger tiles were no faster on two cores, and smaller ones slower: each has to be started. Short
# rows waste little on biases.
_ROWS, _COLUMNS = 128, 4096

# Threads that draw and copy tiles. XLA uses all cores for one tile, but with no more threads than
# cores some core was often idle. Each has a tile, which is memory besides the result: hence the
# limit.
_MORE_THAN_CORES, _MOST_WORKERS = 2, 8

# Bytes of the smallest page, and how many are touched before looking whether to stop.
_PAGE, _PAGES = 4096, 4096

_TRUE = np.bool_(True)

Buffers = Sequence[npt.NDArray[Any]]
Draw = Callable[[npt.NDArray[np.uint32], jax.Array, np.bool_], jax.Array]


def draw_tiled(
    kind: type[ScalarDistribution],
    dtype: DType,
    shapes: Sequence[tuple[int, ...]],
    keys: npt.NDArray[np.uint32],
    scalars: npt.NDArray[Any],
) -> Iterator[jax.Array]:
    """Draw arrays of one kind of distribution and one real dtype.

    Args:
        kind: the kind.
        dtype: of the arrays.
        shapes: of each array.
        keys: the two words of each array's threefry key, a row an array.
        scalars: of each array's distribution, see :meth:`ScalarDistribution.scalars`; likewise.

    Returns:
        The arrays, each as ``ScalarDistribution.sample`` would draw it alone.
    """
    buffers = [aligned(shape, dtype) for shape in shapes]
    flat = [buffer.reshape(-1).view(_bits_of(dtype)) for buffer in buffers]
    device = jax.local_devices()[0]
    workers = min(_MOST_WORKERS, (os.cpu_count() or 1) + _MORE_THAN_CORES)
    with ThreadPoolExecutor(workers) as pool:
        is_compiled = threading.Event()
        touching = pool.submit(_touch, flat, is_compiled)
        try:
            rows = _Rows.of([buffer.size for buffer in buffers], keys, scalars)
            draw = _tile_sampler(kind, dtype, rows.words.shape[1], device)
        finally:
            is_compiled.set()
        # A tile's memory is handed on to another tile. Were it given back each time, the system
        # would have to provide it anew. (What numpy owns of these first ones cannot be taken; XLA
        # takes new memory then, once.)
        starts = range(0, rows.count, _ROWS)
        tiles: SimpleQueue[jax.Array] = SimpleQueue()
        for _ in range(min(workers, len(starts))):
            tiles.put(jax.device_put(np.empty((_ROWS, _COLUMNS), _bits_of(dtype)), device))

        def fill(start: int) -> None:
            tile = tiles.get()
            try:
                tile = draw(rows.words[start : start + _ROWS], tile, _TRUE)
                touching.result()  # It writes zeros, which must not follow what is copied.
                rows.copy(start, tile, flat)
            finally:
                tiles.put(tile)  # after an error as well: others wait for it

        for _ in zip(tracked(starts), pool.map(fill, starts), strict=True):
            pass
    for buffer in buffers:
        yield adopted(buffer)


def _touch(buffers: Buffers, stop: threading.Event) -> None:
    """Have the kernel provide memory for as long as there is nothing to copy into it."""
    for buffer in buffers:
        pages = buffer[:: _PAGE // buffer.itemsize]
        for start in range(0, pages.size, _PAGES):
            if stop.is_set():
                return
            pages[start : start + _PAGES] = 0


@dataclass(frozen=True)
class _Rows:
    """The rows into which arrays are cut, one after another.

    ``words`` has for each row what it is drawn from, as uint32: the position of its first element
    in its array as two words, the high one first, the array's key, and the scalars as they lie in
    memory. The last row is repeated to make the last tile whole.
    """

    first_row: npt.NDArray[np.int64]
    sizes: Sequence[int]
    owner: npt.NDArray[np.int64]
    words: npt.NDArray[np.uint32]

    @classmethod
    def of(
        cls, sizes: Sequence[int], keys: npt.NDArray[np.uint32], scalars: npt.NDArray[Any]
    ) -> "_Rows":
        counts = [math.ceil(size / _COLUMNS) for size in sizes]
        first_row = np.concatenate([[0], np.cumsum(counts)])
        owner = np.repeat(np.arange(len(sizes)), counts)
        position = (np.arange(len(owner)) - first_row[owner]) * _COLUMNS
        words = np.column_stack(
            [position >> 32, position & 0xFFFFFFFF, keys[owner], scalars.view(np.uint32)[owner]]
        ).astype(np.uint32)
        filler = np.repeat(words[-1:], -len(words) % _ROWS, axis=0)
        return cls(first_row, sizes, owner, np.concatenate([words, filler]))

    @property
    def count(self) -> int:
        return len(self.owner)

    def copy(self, start: int, tile: jax.Array, buffers: Buffers) -> None:
        """Copy a tile's rows to where they belong, adjacent rows of one array at once."""
        # Not by np.asarray, which leaves a view in the tile: its memory could not be handed on.
        tile.block_until_ready()
        values = np.from_dlpack(tile).reshape(-1)  # type: ignore[arg-type]
        stop = min(start + _ROWS, self.count)
        for index in range(int(self.owner[start]), int(self.owner[stop - 1]) + 1):
            origin = int(self.first_row[index])
            begin = max(start, origin)
            end = min(stop, int(self.first_row[index + 1]))
            if begin >= end:
                continue  # an array without elements
            low = (begin - origin) * _COLUMNS
            high = min((end - origin) * _COLUMNS, self.sizes[index])
            offset = (begin - start) * _COLUMNS
            buffers[index][low:high] = values[offset : offset + high - low]


def _bits_of(dtype: DType) -> DType:
    """Unsigned integers of the same size: numpy takes over no memory of, say, bfloat16."""
    return np.dtype(f"uint{8 * dtype.itemsize}")


def _tile_sampler(
    kind: type[ScalarDistribution], dtype: DType, width: int, device: jax.Device
) -> Draw:
    """A compiled function from a tile's rows of ``_Rows.words`` to the tile, as its bits.

    The second argument is a tile whose memory it takes; its values are not used. The third is
    True. It is compiled ahead of its calls and for a device, since workers do not have the
    settings (64 bits, a default device) that were made in the caller's thread.
    """
    here = jax.sharding.SingleDeviceSharding(device)
    # The devices of a mesh that is in force would all take part.
    has_mesh = not jax.sharding.get_abstract_mesh().empty
    alone = jax.set_mesh(Mesh(np.array([device]), ("device",))) if has_mesh else nullcontext()
    with alone:
        lowered = _draw_tile.lower(
            jax.ShapeDtypeStruct((_ROWS, width), np.uint32),
            jax.ShapeDtypeStruct((_ROWS, _COLUMNS), _bits_of(dtype), sharding=here),
            jax.ShapeDtypeStruct((), bool),
            kind,
            dtype,
        )
        compiled: Draw = lowered.compile()
    return compiled


@partial(
    jax.jit,
    static_argnames=("kind", "dtype"),
    donate_argnames="tile",
    keep_unused=True,  # The tile is an argument for its memory, and ``once`` in one case of two.
    compiler_options=sampling.WIDE,
)
def _draw_tile(
    words: jax.Array,
    tile: jax.Array,
    once: jax.Array,
    kind: type[ScalarDistribution],
    dtype: DType,
) -> jax.Array:
    start = threefry.Counters(words[:, 0, None], words[:, 1, None])
    block = sampling.Block(words[:, 2:4].T[..., None], start, _COLUMNS)

    def values(standard: sampling.Standard) -> jax.Array:
        scalars = _from_words(words[:, 4:], compute_dtype(dtype))
        drawn = kind.transform(standard, dtype, *scalars)
        return jax.lax.bitcast_convert_type(drawn, _bits_of(dtype))

    if not kind.is_long or dtype != compute_dtype(dtype):
        return values(block)
    return _in_two_loops(block, dtype, values, once)


def _from_words(words: jax.Array, dtype: DType) -> list[jax.Array]:
    """Columns of float32 or float64 numbers, of the shape (rows, 1), from rows of words."""
    each = dtype.itemsize // 4
    packed = words.reshape(_ROWS, -1, each) if each > 1 else words
    return [column[:, None] for column in jax.lax.bitcast_convert_type(packed, dtype).T]


def _in_two_loops(
    block: sampling.Block,
    dtype: DType,
    values: Callable[[sampling.Standard], jax.Array],
    once: jax.Array,
) -> jax.Array:
    """``values(block)``, from uniforms that are all made first, in the same memory.

    A processor overlaps more turns of two short loops than of one long loop, in which each step
    waits for the one before. XLA would fuse the two, were the second not inside of a while loop.
    It runs once, because ``once`` is True, which XLA cannot know. The function's dtype must be the
    uniforms' own.
    """
    uniforms = block.uniform(dtype)

    def turn(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        made = jax.lax.bitcast_convert_type(state[1], dtype)
        return jnp.zeros((), bool), values(sampling.FromUniforms(made))

    first = once, jax.lax.bitcast_convert_type(uniforms, _bits_of(dtype))
    return jax.lax.while_loop(lambda state: state[0], turn, first)[1]
