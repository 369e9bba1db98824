"""What every initializer keeps, driven by one table.

An initializer is a value: equal, hashable and printable as the call that builds it. What it draws
depends on key, shape and dtype, and on nothing else: not on jit, vmap or the program around it.
"""

import copy
import dataclasses
import inspect
import itertools
import math
import pickle
import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import fanwise as fw
from fanwise.distributions import StructuredDistribution

MATRIX, KERNEL = (6, 8), (3, 2, 4, 6)

# An initializer, as source text so that each test can build it anew, and a shape in Flax's layout.
TABLE = [
    ("uniform()", MATRIX),
    ("uniform(-0.3, 0.7)", MATRIX),
    ("normal()", MATRIX),
    ("normal(0.1, 0.02)", MATRIX),
    ("trunc_normal()", MATRIX),
    ("trunc_normal(0.1, 0.3, -0.2, 0.9)", MATRIX),
    ("trunc_normal(a=-float('inf'))", MATRIX),
    ("constant(0.3)", MATRIX),
    ("ones()", MATRIX),
    ("zeros()", MATRIX),
    ("eye()", MATRIX),
    ("dirac(3)", KERNEL),
    ("xavier_uniform(gain=5 / 3)", KERNEL),
    ("xavier_normal()", KERNEL),
    ("kaiming_uniform()", MATRIX),
    ("kaiming_uniform(math.sqrt(5))", KERNEL),
    ("kaiming_normal()", KERNEL),
    ("kaiming_normal(mode='fan_out', nonlinearity='relu')", KERNEL),
    ("orthogonal(gain=1.5)", KERNEL),
    ("sparse(0.3)", MATRIX),
    ("variance_scaling()", MATRIX),
    ("variance_scaling(2.0, 'fan_out', 'normal')", KERNEL),
    ("variance_scaling(0.5, 'fan_avg', 'uniform')", KERNEL),
    ("lecun_uniform()", MATRIX),
    ("lecun_normal()", KERNEL),
    ("delta_orthogonal(gain=0.5)", KERNEL),
    ("bias_uniform(fan_in=48)", MATRIX),
]
SOURCES = [source for source, _ in TABLE]
NAMES = vars(fw) | {"math": math, "inf": math.inf}
FIXED = ("constant", "ones", "zeros", "eye", "dirac")
WARN_WHEN_EMPTY = ("kaiming", "variance_scaling", "lecun")


def build(source):
    return eval(source, dict(NAMES))


def is_fixed(source):
    return source.startswith(FIXED)


def same_bits(x, y):
    x, y = np.asarray(x), np.asarray(y)
    return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()


each_case = pytest.mark.parametrize(("source", "shape"), TABLE, ids=SOURCES)
each_source = pytest.mark.parametrize("source", SOURCES)


def test_the_table_has_every_initializer():
    classes = {
        name
        for name, thing in vars(fw).items()
        if isinstance(thing, type) and issubclass(thing, fw.Initializer)
    }
    assert {source.split("(")[0] for source in SOURCES} == classes - {"Initializer"}


# What is drawn


@each_case
def test_shape_and_dtype(source, shape, key):
    initializer = build(source)
    for dtype in (None, "float32", jnp.bfloat16, np.dtype("float16")):
        values = initializer(key, shape, dtype)
        assert isinstance(values, jax.Array)
        assert values.shape == shape
        assert values.dtype == (jnp.float32 if dtype is None else jnp.dtype(dtype))
        assert not values.weak_type
        assert np.isfinite(np.asarray(values).astype(np.float64)).all()


@each_case
def test_every_spelling_of_a_call(source, shape, key):
    initializer = build(source)
    values = initializer(key, shape)
    for other in (
        initializer(key, list(shape), None, None),
        initializer(key=key, shape=np.array(shape), dtype=jnp.float32, out_sharding=None),
        initializer(key, shape, jnp.zeros(()).dtype),
        initializer.distribution(shape).sample(key, shape),
    ):
        assert same_bits(values, other)


@each_case
def test_the_same_under_jit(source, shape, key):
    """Alone, and in the middle of a program that uses the values in several ways."""
    initializer = build(source)

    @jax.jit
    def program(key):
        values = initializer(key, shape)
        return initializer(key, shape), values, (values * 2 + 1).sum(), jnp.flip(values.T)

    eager = initializer(key, shape)
    alone, used, _, flipped = program(key)
    assert same_bits(eager, alone)
    assert same_bits(eager, used)
    assert same_bits(jnp.flip(eager.T), flipped)


@each_case
def test_the_same_under_vmap_and_in_a_loop(source, shape, key):
    initializer = build(source)
    keys = jax.random.split(key, 3)
    mapped = jax.jit(jax.vmap(lambda key: initializer(key, shape)))(keys)
    _, scanned = jax.lax.scan(lambda _, key: (None, initializer(key, shape)), None, keys)
    for one, by_vmap, by_scan in zip(keys, mapped, scanned, strict=True):
        alone = initializer(one, shape)
        assert same_bits(alone, by_vmap)
        assert same_bits(alone, by_scan)


@each_case
def test_values_depend_on_the_key_alone(source, shape, key):
    initializer = build(source)
    values = initializer(key, shape)
    assert same_bits(values, build(source)(key, shape))
    other = initializer(jax.random.fold_in(key, 1), shape)
    assert same_bits(values, other) == is_fixed(source)


@each_case
def test_kinds_of_keys(source, shape, seed):
    initializer = build(source)
    typed = initializer(jax.random.key(seed), shape)
    assert same_bits(typed, initializer(jax.random.PRNGKey(seed), shape))
    rbg = jax.random.key(seed, impl="rbg")
    assert same_bits(typed, initializer(rbg, shape)) == is_fixed(source)


@each_case
def test_no_element_is_used_twice(source, shape, key):
    if is_fixed(source) or source.startswith("delta"):
        return
    values = np.asarray(build(source)(key, shape)).ravel()
    nonzero = values[values != 0]
    assert len(np.unique(nonzero)) == len(nonzero)
    assert len(nonzero) > 10


@each_case
def test_empty_shapes(source, shape, key):
    """An empty array, and torch's warning from those that warn in torch."""
    for axes in [(-2,), (-1, -2)]:
        empty = tuple(0 if axis - len(shape) in axes else n for axis, n in enumerate(shape))
        if source.startswith("xavier") and axes == (-1, -2):
            with pytest.raises(ValueError, match="torch refuses it as well"):
                build(source)(key, empty)
            continue
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            values = build(source)(key, empty, "bfloat16")
        assert (values.shape, values.dtype) == (empty, jnp.bfloat16)
        expected = ["Initializing zero-element tensors is a no-op"]
        messages = [str(warning.message) for warning in caught]
        assert messages == (expected if source.startswith(WARN_WHEN_EMPTY) else [])


@pytest.mark.parametrize("call", ["__call__", "distribution"])
def test_the_warning_for_an_empty_shape_points_at_the_caller(call, key):
    arguments = {"__call__": (key, (0, 3)), "distribution": ((0, 3),)}[call]
    with pytest.warns(UserWarning, match="zero-element") as caught:
        getattr(fw.kaiming_normal(), call)(*arguments)
    assert [warning.filename for warning in caught] == [__file__]


@each_case
def test_out_sharding(source, shape, key):
    mesh = Mesh(np.array(jax.devices()[:1]), ("x",))
    sharding = NamedSharding(mesh, PartitionSpec(*[None] * (len(shape) - 1), "x"))
    initializer = build(source)
    values = initializer(key, shape, None, sharding)
    assert values.sharding.is_equivalent_to(sharding, len(shape))
    assert same_bits(values, initializer(key, shape))


# What it is drawn from


@each_case
def test_layouts_are_read_alike(source, shape, key):
    """Torch's layout on the transposed shape is Flax's on the shape."""
    order = (len(shape) - 1, len(shape) - 2, *range(len(shape) - 2))
    torch_shape = tuple(shape[axis] for axis in order)
    flax = build(source)
    torch = dataclasses.replace(flax, layout="OI...")
    ours, theirs = flax.distribution(shape), torch.distribution(torch_shape)
    assert torch.distribution(torch_shape) == flax.distribution(torch_shape, "OI...")
    if isinstance(ours, StructuredDistribution):
        assert ours != theirs
        transposed = jnp.transpose(flax(key, shape), order)
        assert same_bits(transposed, torch(key, torch_shape))
    else:
        assert ours == theirs
        assert same_bits(flax(key, torch_shape), torch(key, torch_shape)) == (
            flax.distribution(torch_shape) == theirs
        )


@each_case
def test_a_batch_axis_does_not_change_the_distribution(source, shape, key):
    initializer = build(source)
    stacked = dataclasses.replace(initializer, layout="B" + initializer.layout)
    ours, theirs = initializer.distribution(shape), stacked.distribution((5, *shape))
    if isinstance(ours, StructuredDistribution):
        assert theirs == dataclasses.replace(ours, layout="B...IO")
        values = np.asarray(stacked(key, (5, *shape)))
        assert values.shape == (5, *shape)
        assert all((values[0] == member).all() for member in values) == is_fixed(source)
    else:
        assert ours == theirs


# What an initializer is


@each_source
def test_built_alike_means_equal(source):
    one, other = build(source), build(source)
    assert one is not other
    assert one == other
    assert hash(one) == hash(other)
    assert repr(one) == repr(other)


def test_built_differently_means_different():
    for one, other in itertools.combinations(map(build, SOURCES), 2):
        assert one != other
    for source in SOURCES:
        assert build(source) != dataclasses.replace(build(source), layout="OI...")
        assert build(source) != source


@pytest.mark.parametrize(
    ("source", "change"),
    [
        ("uniform()", {"a": -1}),
        ("uniform()", {"b": 2}),
        ("normal()", {"mean": 1}),
        ("normal()", {"std": 2}),
        ("trunc_normal()", {"mean": 1}),
        ("trunc_normal()", {"std": 2}),
        ("trunc_normal()", {"a": -1.5}),
        ("trunc_normal()", {"b": 1}),
        ("constant(0.3)", {"val": 0.4}),
        ("dirac()", {"groups": 2}),
        ("xavier_uniform()", {"gain": 2}),
        ("xavier_normal()", {"gain": 2}),
        ("kaiming_uniform()", {"a": 0.1}),
        ("kaiming_uniform()", {"mode": "fan_out"}),
        ("kaiming_uniform()", {"nonlinearity": "tanh"}),
        ("kaiming_normal()", {"a": None}),
        ("kaiming_normal()", {"mode": "fan_out"}),
        ("kaiming_normal()", {"nonlinearity": "tanh"}),
        ("orthogonal()", {"gain": 2}),
        ("delta_orthogonal()", {"gain": 2}),
        ("sparse(0.1)", {"sparsity": 0.2}),
        ("sparse(0.1)", {"std": 0.2}),
        ("variance_scaling()", {"scale": 2}),
        ("variance_scaling()", {"mode": "fan_out"}),
        ("variance_scaling()", {"distribution_name": "normal"}),
        ("bias_uniform(3)", {"fan_in": 4}),
        ("zeros()", {"layout": "OI..."}),
    ],
)
def test_every_argument_counts(source, change):
    one, other = build(source), dataclasses.replace(build(source), **change)
    assert one != other
    assert hash(one) != hash(other)
    assert repr(one) != repr(other)


@each_source
def test_repr_is_the_call(source):
    initializer = build(source)
    torch = dataclasses.replace(initializer, layout="OI...")
    for value in (initializer, torch):
        assert build(repr(value)) == value
        assert repr(build(repr(value))) == repr(value)
    assert "layout" not in repr(initializer)
    assert repr(torch).endswith("layout='OI...')")
    assert "np." not in repr(initializer)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("kaiming_normal()", "kaiming_normal()"),
        (
            "kaiming_normal(0, 'FAN_OUT', 'relu')",
            "kaiming_normal(mode='fan_out', nonlinearity='relu')",
        ),
        ("normal(std=0.02, layout='OI...')", "normal(std=0.02, layout='OI...')"),
        ("constant(val=1)", "constant(val=1.0)"),
        ("sparse(0.1)", "sparse(sparsity=0.1)"),
        ("uniform(-1, 1)", "uniform(a=-1.0)"),
    ],
)
def test_repr_shows_what_differs_from_the_defaults(source, text):
    assert repr(build(source)) == text


@each_source
def test_pickle_and_copies(source):
    initializer = build(source)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(initializer, protocol)) == initializer
    assert copy.copy(initializer) == initializer
    assert copy.deepcopy(initializer) == initializer


@each_source
def test_replace_and_frozen(source):
    initializer = build(source)
    assert dataclasses.replace(initializer) == initializer
    assert dataclasses.replace(initializer, layout="OI...").layout == "OI..."
    with pytest.raises(ValueError, match="layout"):
        dataclasses.replace(initializer, layout="oi")
    with pytest.raises(dataclasses.FrozenInstanceError):
        initializer.layout = "OI..."


@each_case
def test_an_equal_initializer_is_not_traced_again(source, shape, key):
    traces = []

    @partial(jax.jit, static_argnums=0)
    def draw(initializer, key):
        traces.append(initializer)
        return jax.eval_shape(lambda key: initializer(key, shape), key).size

    initializer = build(source)
    for equal in (initializer, build(source), copy.deepcopy(initializer), build(repr(initializer))):
        draw(equal, key)
    assert len(traces) == 1
    draw(fw.normal(std=0.123), key)
    assert len(traces) == 2


@each_source
def test_jax_initializer_protocol(source):
    initializer = build(source)
    assert isinstance(initializer, jax.nn.initializers.Initializer)
    assert isinstance(initializer, fw.Initializer)
    expected = inspect.signature(jax.nn.initializers.Initializer.__call__).parameters
    assert list(inspect.signature(initializer).parameters) == [n for n in expected if n != "self"]


NUMBERS = {
    "uniform": {"a": 0.25, "b": 2},
    "normal": {"mean": 0.25, "std": 2},
    "trunc_normal": {"mean": 0.25, "std": 2, "a": -1, "b": 1},
    "constant": {"val": 0.25},
    "dirac": {"groups": 2},
    "xavier_uniform": {"gain": 2},
    "xavier_normal": {"gain": 0.25},
    "orthogonal": {"gain": 0.25},
    "delta_orthogonal": {"gain": 0.25},
    "sparse": {"sparsity": 0.25, "std": 2},
    "variance_scaling": {"scale": 0.25},
    "bias_uniform": {"fan_in": 2},
}
SCALARS = {
    "float64": lambda x: np.float64(x),
    "float32": lambda x: np.float32(x),
    "array": lambda x: np.array(x),
    "jax": lambda x: jnp.asarray(x),
    "integer": lambda x: np.int64(x) if x == int(x) else np.float16(x),
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("scalar", SCALARS)
def test_numpy_and_jax_scalars_are_numbers(name, scalar):
    if name == "dirac" and scalar.startswith("float"):
        return
    factory = getattr(fw, name)
    plain = factory(**NUMBERS[name])
    other = factory(**{argument: SCALARS[scalar](x) for argument, x in NUMBERS[name].items()})
    assert other == plain
    assert hash(other) == hash(plain)
    assert repr(other) == repr(plain)
    for argument in NUMBERS[name]:
        assert type(getattr(other, argument)) is type(getattr(plain, argument)) in (int, float)


@pytest.mark.parametrize("name", ["kaiming_uniform", "kaiming_normal"])
def test_a_float64_slope_is_a_number(name):
    """numpy's float64 is a float, and torch takes it."""
    factory = getattr(fw, name)
    assert factory(a=np.float64(0.2)) == factory(a=0.2)
    assert repr(factory(a=np.float64(0.2))) == f"{name}(a=0.2)"
    assert repr(factory(a=1)) == repr(factory(a=1.0))


@each_case
def test_a_distribution_is_made_without_drawing(source, shape):
    """Shapes of any size: nothing is allocated."""
    large = (*shape[:-2], 2**20, 3 * 2**20)
    distribution = build(source).distribution(large)
    assert isinstance(distribution, fw.Distribution)
    assert distribution == build(source).distribution(large)


@each_case
def test_inside_a_trace_the_key_is_all_that_is_traced(source, shape, key):
    struct = jax.eval_shape(partial(build(source), shape=shape, dtype=jnp.bfloat16), key)
    assert (struct.shape, struct.dtype) == (shape, jnp.bfloat16)
