"""What is compiled, how often, and how much memory it takes: exact counts, no timing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fanwise.distributions import Constant, Normal, Triangular, TruncatedNormal, Uniform
from fanwise.filling import Parameter, fill
from tests.compilations import compilations


@pytest.fixture(scope="module")
def keys(key):
    words = np.asarray(jax.random.key_data(jax.random.split(key, 4 * 96)))
    return [jax.random.wrap_key_data(each) for each in words]


def test_the_counter_counts():
    """The control: a test that hears of no compilation would pass whatever happened."""
    with compilations() as compiled:
        jax.jit(lambda x: x + 1)(jnp.float32(1))
        jax.jit(lambda x: x + 2)(jnp.float32(1))
    assert len(compiled) >= 2


SCALES = {
    "normal": lambda n: Normal(0.1 * n, 1.0 + n),
    "uniform": lambda n: Uniform(-1.0 - n, 1.0),
    "truncated normal": lambda n: TruncatedNormal(0.1, 0.5 + n, -1.0 - n, 2.0),
    "triangular": lambda n: Triangular(-1.0 - n, 1.0),
    "constant": lambda n: Constant(1.0 + n),
}


@pytest.mark.parametrize("kind", SCALES)
def test_eager_calls_compile_once_whatever_the_scale(kind, keys):
    """In shapes that no other test draws."""
    with compilations() as compiled:
        for n in range(4):
            SCALES[kind](n).sample(keys[n], (5, 71))
    assert len(compiled) == 1, compiled
    with compilations() as compiled:
        SCALES[kind](4).sample(keys[4], (5, 73))
        SCALES[kind](5).sample(keys[5], (5, 73), "bfloat16")
    assert len(compiled) == 2, compiled


def model(layers, growth, keys):
    """Layers of four parameters; with ``growth``, no two shapes are equal."""
    keys = iter(keys)
    return [
        Parameter(f"{layer}.{name}", shape, SCALES[kind](layer), next(keys))
        for layer in range(layers)
        for name, kind, shape in [
            ("kernel", "normal", (16, 8 + growth * layer)),
            ("convolution", "uniform", (3, 3, 4, 4 + growth * layer)),
            ("head", "truncated normal", (5, 1 + growth * layer)),
            ("bias", "constant", (7 + growth * layer,)),
        ]
    ]


@pytest.mark.parametrize("growth", [0, 1], ids=["equal shapes", "as many shapes as parameters"])
@pytest.mark.parametrize("layers", [12, 96])
def test_filling_compiles_once_for_a_kind(layers, growth, keys):
    jax.clear_caches()
    with compilations() as compiled:
        fill(model(layers, growth, keys))
    # Constants need none.
    assert len(compiled) == 3, compiled
    with compilations() as compiled:
        fill(model(layers, 2, keys))
    assert not compiled


def test_many_equal_layers_are_one_in_a_graph(keys):
    """Each hash has 20 rounds with an exclusive or; a loop has them once for all layers."""

    def rounds(layers):
        made = model(layers, 0, keys)

        def init(keys):
            pairs = zip(made, keys, strict=True)
            return fill(Parameter(p.path, p.shape, p.distribution, key) for p, key in pairs)

        return jax.jit(init).lower(keys[: 4 * layers]).compile().as_text().count(" xor(")

    few, many = rounds(2), rounds(48)
    assert few == many
    assert few > 60


def test_one_by_one_they_are_many_in_a_graph(keys):
    """The control for the count above."""

    def rounds(layers):
        made = model(layers, 0, keys)

        def init(keys):
            return [p.distribution.sample(k, p.shape) for p, k in zip(made, keys, strict=True)]

        return jax.jit(init).lower(keys[: 4 * layers]).compile().as_text().count(" xor(")

    assert rounds(4) > rounds(1) + 100


FUSED = {
    "uniform": Uniform(-0.1, 0.3),
    "normal": Normal(0.3, 0.7),
    "truncated normal": TruncatedNormal(0.1, 0.5, -1.0, 1.0),
}
SHAPES = [(4096, 4096), (3, 3, 256, 512), (512, 256, 3, 3), (1000, 1), (4097, 33), (5,), ()]


@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_no_temporary_memory(name, dtype, key):
    for shape in SHAPES if dtype == "float32" else SHAPES[:2]:
        draw = jax.jit(lambda key, shape=shape: FUSED[name].sample(key, shape, dtype))
        memory = draw.lower(key).compile().memory_analysis()
        assert memory.temp_size_in_bytes == 0, shape
        assert memory.output_size_in_bytes == jnp.dtype(dtype).itemsize * jnp.zeros(shape).size


def test_jax_takes_temporary_memory(key):
    """The control: memory_analysis tells of temporaries."""
    compiled = jax.jit(lambda key: jax.random.normal(key, (4096, 4096))).lower(key).compile()
    assert compiled.memory_analysis().temp_size_in_bytes > 2**26
