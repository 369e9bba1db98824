"""Filled together, arrays are what each distribution draws alone; and they belong to the caller."""

import gc
import math

import hypothesis
import hypothesis.strategies as st
import jax
import numpy as np
import pytest

from fanwise.distributions import (
    Constant,
    DeltaOrthogonal,
    Dirac,
    Eye,
    Normal,
    Orthogonal,
    Sparse,
    Triangular,
    TruncatedNormal,
    Uniform,
)
from fanwise.filling import Parameter, fill
from tests.same_bits import differing

SCALARS = (
    Normal(0.3, 0.7),
    Normal(0.0, 0.02),
    Uniform(-0.1, 0.3),
    TruncatedNormal(0.1, 0.5, -1.0, 1.0),
    Triangular(-0.2, 0.5),
)
KEYS = {
    "typed": jax.random.key,
    "old style": jax.random.PRNGKey,
    "numpy": lambda seed: np.array([seed, seed + 7], np.uint32),
    "rbg": lambda seed: jax.random.key(seed, impl="rbg"),
}
# Around the length of a row of a tile and of a whole tile.
ROW, TILE = 4096, 2**19
EDGES = [0, 1, ROW - 1, ROW, ROW + 1, 2 * ROW + 1, TILE - 1, TILE, TILE + 1, TILE + ROW + 1]


def one_by_one(parameters):
    return {p.path: p.distribution.sample(p.key, p.shape, p.dtype) for p in parameters}


def parameters_of(rows):
    """Parameters from rows of (shape, distribution, key) and, if need be, a dtype."""
    return [Parameter(f"parameter {i}", *row) for i, row in enumerate(rows)]


def check(*rows):
    parameters = parameters_of(rows)
    assert not differing(fill(parameters), one_by_one(parameters))


@st.composite
def shapes(draw):
    """Sizes near the edges or anywhere, as the scalar or in one to three axes."""
    size = draw(st.sampled_from(EDGES) | st.integers(0, 3 * ROW))
    first = draw(st.sampled_from([d for d in range(1, 34) if size % d == 0]))
    second = draw(st.sampled_from([d for d in range(1, 34) if size // first % d == 0]))
    axes = draw(st.permutations([first, second, size // first // second]))
    without_ones = [axis for axis in axes if axis != 1]
    return tuple(draw(st.sampled_from([axes, without_ones])))


@st.composite
def rows(draw):
    kind = draw(st.sampled_from(["typed", "old style", "numpy"]))
    key = KEYS[kind](draw(st.integers(0, 2**31)))
    dtype = draw(st.sampled_from(["float32", "float32", "bfloat16"]))
    return draw(shapes()), draw(st.sampled_from(SCALARS)), key, dtype


LARGEST = 2**20


@hypothesis.given(st.lists(rows(), max_size=8))
@hypothesis.settings(max_examples=25)
def test_any_mixture_of_scalar_distributions(mixture):
    """Compared with the beginning of one long draw: elements depend on their position alone.

    (That the shape does not matter is for another test; this way nothing is compiled for it.)
    """
    filled = fill(parameters_of(mixture))
    assert [array.shape for array in filled.values()] == [shape for shape, *_ in mixture]
    for array, (shape, distribution, key, dtype) in zip(filled.values(), mixture, strict=True):
        long = np.asarray(distribution.sample(key, (LARGEST,), dtype))
        expected = long[: math.prod(shape)].reshape(shape)
        assert not differing([array], [expected]), (shape, distribution, dtype)


@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_of_key(kind):
    make = KEYS[kind]
    shapes = [(33, 65), (33, 65), (), (0, 3), (5,)]
    check(*((shape, SCALARS[0], make(i)) for i, shape in enumerate(shapes)))


def test_kinds_of_keys_in_one_call():
    check(*(((33, 65), SCALARS[0], make(3)) for make in KEYS.values()))


@pytest.mark.parametrize("distribution", [Orthogonal(1.3), Sparse(0.3, 0.7)], ids=str)
@pytest.mark.parametrize("kinds", [["typed"], ["rbg"], list(KEYS)], ids=" and ".join)
def test_structured_of_one_shape(distribution, kinds):
    check(*(((7, 5), distribution, KEYS[kind](seed)) for kind in kinds for seed in (3, 4)))


def test_every_distribution():
    keys = [jax.random.key(seed) for seed in range(12)]
    check(
        ((3, 3, 4, 8), DeltaOrthogonal(2.0), keys[0]),
        ((3, 3, 4, 8), Dirac(), keys[1]),
        ((5, 7), Eye(), keys[2]),
        ((5, 7), Orthogonal(), keys[3]),
        ((5, 7), Orthogonal(), keys[4], "bfloat16"),
        ((5, 7), Orthogonal(), keys[5], "bfloat16"),
        ((2, 5, 7), Orthogonal(layout="BIO"), keys[6]),
        ((5, 7), Sparse(0.5), keys[7], "complex64"),
        ((5, 7), Normal(0.1, 2.0), keys[8], "complex64"),
        ((5, 7), Normal(0.2, 2.0), keys[9], "complex64"),
        ((5, 7), Uniform(-1.0, 1.0), keys[10], "float16"),
        ((), Triangular(-1.0, 1.0), keys[11], "float16"),
    )


def test_constants():
    key = jax.random.key(0)
    check(
        ((5, 7), Constant(0.1), key),
        ((5, 7), Constant(0.1), key, "bfloat16"),
        ((), Constant(1e-50), key),
        ((0,), Constant(math.inf), key),
        ((3,), Constant(math.nan), key, "float16"),
        ((3,), Constant(1.5 - 2j), key, "complex64"),
        ((3,), Constant(-3), key, "int8"),
        ((3,), Constant(True), key, "bool"),
    )


@pytest.mark.parametrize("distribution", SCALARS, ids=str)
def test_float64(distribution):
    with jax.enable_x64(True):
        shapes = [(33, 65), (), (ROW + 1,)]
        mixed = [(shape, distribution, jax.random.key(i)) for i, shape in enumerate(shapes)]
        check(*mixed, ((33, 65), distribution, jax.random.key(9), "float32"))
        assert fill(parameters_of(mixed))["parameter 0"].dtype == np.float64


def test_the_order_is_that_of_the_parameters():
    key = jax.random.key(0)
    given = [SCALARS[0], Constant(0.0), SCALARS[2], Orthogonal(), SCALARS[1], Constant(1.0)]
    paths = ["z", "y", "b", "x", "a", "c"]
    filled = fill(Parameter(p, (3, 4), d, key) for p, d in zip(paths, given, strict=True))
    assert list(filled) == paths


def test_nothing_to_fill():
    assert fill([]) == {}
    assert fill(iter(())) == {}


def sampled(key, size):
    return np.asarray(SCALARS[0].sample(key, (size,)))


def test_arrays_are_independent_of_one_another():
    """Memory that was adopted is nobody else's: donated, deleted or collected, others stay."""
    keys = [jax.random.key(seed) for seed in range(6)]
    filled = fill(Parameter(str(i), (5000,), SCALARS[0], key) for i, key in enumerate(keys))
    arrays = list(filled.values())
    expected = [sampled(key, 5000) for key in keys]
    assert len({array.unsafe_buffer_pointer() for array in arrays}) == len(arrays)

    overwritten = jax.jit(lambda x: x * 0 - 7, donate_argnums=0)(arrays[0])
    assert arrays[0].is_deleted()
    arrays[1].delete()
    kept = arrays[2]
    del filled, arrays[3:]
    gc.collect()
    litter = [np.full(5000, 9, np.float32) for _ in range(50)]
    assert (np.asarray(overwritten) == -7).all()
    assert not differing([kept], [expected[2]])
    del arrays, litter, overwritten
    gc.collect()
    assert not differing([kept + 0], [expected[2]])


def test_arrays_cannot_be_written_to():
    array = fill([Parameter("a", (5,), SCALARS[0], jax.random.key(0))])["a"]
    assert not np.asarray(array).flags.writeable


def test_arrays_are_like_those_of_sample():
    key = jax.random.key(0)
    for distribution in (SCALARS[0], Constant(2.0), Orthogonal()):
        filled = fill([Parameter("a", (3, 4), distribution, key)])["a"]
        drawn = distribution.sample(key, (3, 4))
        assert isinstance(filled, jax.Array)
        assert filled.sharding == drawn.sharding
        assert filled.committed == drawn.committed
        assert filled.weak_type == drawn.weak_type


def test_under_a_trace():
    """Traced keys, keys that are constants there, and both at once."""
    keys = [jax.random.key(seed) for seed in range(2)]
    chosen = [SCALARS[0], SCALARS[1], Orthogonal(), Constant(0.5)]

    def init(traced):
        return fill(
            Parameter(f"{d} {i}", (5, 7), d, key)
            for i, key in enumerate([*traced, *keys])
            for d in chosen
        )

    expected = init(keys)
    assert not differing(jax.jit(init)(keys), expected)
    stacked = jax.vmap(init)([key[None] for key in keys])
    assert not differing({path: array[0] for path, array in stacked.items()}, expected)
    shapes = jax.eval_shape(lambda: init(keys))
    assert {path: x.shape for path, x in shapes.items()} == dict.fromkeys(expected, (5, 7))


@pytest.mark.parametrize("distribution", [SCALARS[0], Orthogonal()], ids=str)
def test_kinds_of_keys_in_one_trace(distribution):
    keys = [KEYS[kind](seed) for kind in ("typed", "old style", "rbg") for seed in (3, 4)]

    @jax.jit
    def init(keys):
        return fill(Parameter(str(i), (5, 7), distribution, key) for i, key in enumerate(keys))

    alone = {str(i): distribution.sample(key, (5, 7)) for i, key in enumerate(keys)}
    assert not differing(init(keys), alone)
