"""The same key gives the same bits in every program.

XLA may contract a product and a sum into one rounding, and computes in advance, with another
logarithm, what depends on constants alone. None of that may reach a value. Every program here is
compared with an eager draw.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax
from jax.sharding import Mesh, PartitionSpec

import fanwise as fw
from fanwise.distributions import (
    Normal,
    Orthogonal,
    Sparse,
    Triangular,
    TruncatedNormal,
    Uniform,
)
from fanwise.filling import Parameter, fill
from tests.same_bits import differing

SHAPE = (5, 37)
# Two that share a scale have a product in common when they share a key.
REAL = (
    Normal(0.0, 0.7),
    Normal(0.3, 0.7),
    Uniform(-0.1, 0.3),
    Triangular(-0.2, 0.5),
    TruncatedNormal(0.1, 0.5, -1.0, 1.0),
)
COMPLEX = REAL[1:4]
STRUCTURED = (Orthogonal(1.3), Sparse(0.3, 0.7))


def drawer(chosen, dtype, shape=SHAPE):
    """A function that draws from all distributions with one key, as a program may."""

    def draw(key):
        return {str(d): d.sample(key, shape, dtype) for d in chosen}

    return draw


def pair(key):
    return jnp.stack([jax.random.fold_in(key, 1), key])


def last(stacked):
    return {name: array[-1] for name, array in stacked.items()}


def in_branch(draw, key):
    other = lambda key: draw(jax.random.fold_in(key, 1))
    return jax.jit(lambda key, flag: lax.cond(flag, draw, other, key))(key, jnp.asarray(True))


def in_shard_map(draw, key):
    mesh, spec = Mesh(np.array(jax.devices()[:1]), ("x",)), PartitionSpec()
    return jax.jit(jax.shard_map(draw, mesh=mesh, in_specs=spec, out_specs=spec))(key)


def in_scan(draw, key):
    return last(lax.scan(lambda carry, key: (carry, draw(key)), 0, pair(key))[1])


def in_loop(draw, key):
    start = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(draw, key))
    return lax.fori_loop(0, 1, lambda step, _: draw(key), start)


@jax.jit(static_argnames="draw")
def with_many_uses(draw, key):
    """The values are results, and are reduced, multiplied and transposed besides."""
    values = draw(key)
    three = lambda x: np.asarray(3, x.dtype)
    uses = [(x.sum(0), (x * x).mean(), x @ x.T, x.T, x * three(x)) for x in values.values()]
    return values, uses


PROGRAMS = {
    "jit": lambda draw, key: jax.jit(draw)(key),
    "a constant key": lambda draw, key: jax.jit(lambda: draw(key))(),
    "vmap": lambda draw, key: last(jax.vmap(draw)(pair(key))),
    "vmap of one under jit": lambda draw, key: last(jax.jit(jax.vmap(draw))(key[None])),
    "scan": in_scan,
    "map": lambda draw, key: last(lax.map(draw, pair(key))),
    "fori_loop": in_loop,
    "cond": in_branch,
    "shard_map": in_shard_map,
    "many uses": lambda draw, key: with_many_uses(draw, key)[0],
}


def found_in(programs, chosen, dtype, key):
    """What differs from an eager draw, by program."""
    with jax.enable_x64(dtype == "float64"):
        draw = drawer(chosen, dtype)
        eager = draw(key)
        found = {name: differing(PROGRAMS[name](draw, key), eager) for name in programs}
    return {name: differences for name, differences in found.items() if differences}


def test_every_program(key):
    assert not found_in(PROGRAMS, REAL, "float32", key)


@pytest.mark.parametrize(
    ("dtype", "chosen"),
    [("float64", REAL), ("bfloat16", REAL), ("float16", REAL[1:3]), ("complex64", COMPLEX)],
)
def test_every_dtype(dtype, chosen, key):
    assert not found_in(["a constant key", "scan", "many uses"], chosen, dtype, key)


def test_structured(key):
    assert not found_in(["a constant key", "vmap", "many uses"], STRUCTURED, "float32", key)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_keys_that_the_compiler_knows(dtype, key):
    """Arrays so small that it would rather evaluate them itself, in arithmetic of its own."""
    keys = list(jax.random.split(key, 20))
    with jax.enable_x64(dtype == "float64"):
        draw = drawer([REAL[1], REAL[2], REAL[4]], dtype, ())
        expected = [draw(each) for each in keys]
        ours = {
            "captured": jax.jit(lambda: [draw(each) for each in keys]),
        }
        found = {
            name: [differing(x, y) for x, y in zip(drawn(), expected, strict=True)]
            for name, drawn in ours.items()
        }
    assert not any(any(differences) for differences in found.values()), found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_position_decides_and_not_the_shape(dtype, key):
    """Vector loops and what is left over from them compute alike."""
    chosen, found = REAL[1:], {}
    with jax.enable_x64(dtype == "float64"):
        flat = drawer(chosen, dtype, (5003,))(key)
        for shape in [(), (7,), (33, 5), (3, 3, 2, 11), (129, 31)]:
            size = np.prod(shape, dtype=int)
            cut = {name: np.asarray(x)[:size].reshape(shape) for name, x in flat.items()}
            found[shape] = differing(jax.jit(drawer(chosen, dtype, shape))(key), cut)
    assert not any(found.values()), found


@pytest.mark.parametrize(
    ("dtype", "chosen"),
    [
        ("float32", REAL + STRUCTURED),
        ("bfloat16", REAL[1:]),
        ("float64", REAL[1:]),
        ("complex64", COMPLEX),
    ],
)
def test_filled_together(dtype, chosen, key):
    def filled(keys):
        return fill(
            Parameter(f"{d} {i}", SHAPE, d, key, dtype)
            for i, key in enumerate(keys)
            for d in chosen
        )

    keys = list(jax.random.split(key, 2))
    with jax.enable_x64(dtype == "float64"):
        one_by_one = {
            f"{d} {i}": d.sample(key, SHAPE, dtype) for i, key in enumerate(keys) for d in chosen
        }
        found = {
            "eagerly": differing(filled(keys), one_by_one),
            "under jit": differing(jax.jit(filled)(keys), one_by_one),
        }
    assert not any(found.values()), found


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(8, (3, 3), kernel_init=fw.trunc_normal(0.1, 0.5, -1, 1))(x).ravel()
        x = nn.Dense(6, kernel_init=fw.normal(0.3, 0.7), bias_init=fw.uniform(-0.1, 0.3))(x)
        return nn.Dense(3, kernel_init=fw.kaiming_uniform(), bias_init=fw.bias_uniform(6))(x)


def leaves(tree):
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree.leaves_with_path(tree)}


def test_a_whole_linen_model(key):
    init = lambda key: Net().init(key, jnp.ones((4, 4, 2)))
    eager = leaves(init(key))
    assert not differing(leaves(jax.jit(init)(key)), eager)
    assert not differing(leaves(jax.jit(lambda: init(key))()), eager)


def test_a_whole_nnx_model():
    """As it is usually made, from a seed inside of jit."""

    def build():
        kernel, bias = fw.normal(0.3, 0.7), fw.uniform(-0.1, 0.3)
        return nnx.Linear(6, 1, kernel_init=kernel, bias_init=bias, rngs=nnx.Rngs(5))

    eager, jitted = (leaves(nnx.state(make())) for make in (build, nnx.jit(build)))
    assert not differing(jitted, eager)


@pytest.mark.parametrize("bounds", [(-100, 100), (5, 9), (1, 4), (36, 37)], ids=str)
@pytest.mark.parametrize("size", [7, 4095, 100_000])
def test_tails_of_a_truncated_normal(bounds, size, key):
    """In wide vectors, in narrow ones, and one by one where a vector is not full."""
    distribution = TruncatedNormal(0.0, 1.0, *bounds)
    keys = jax.random.split(key, 3)
    eager = [distribution.sample(key, (size,)) for key in keys]
    draw = jax.jit(lambda key: distribution.sample(key, (size,)))
    assert not differing([draw(key) for key in keys], eager)
    filled = fill(Parameter(str(i), (size,), distribution, key) for i, key in enumerate(keys))
    assert not differing(list(filled.values()), eager)
