"""Every bad input is refused with an error that says what is wrong and how to go on.

Each row gives the fragments that the message must have: the argument, the value received, what is
allowed, the way out. Whatever needs no shape is refused when the initializer is built.
"""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fanwise as fw

NAN, INF = math.nan, math.inf
MODES = ["'fan_in'", "'fan_out'"]


def refused(call, error, fragments):
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    message = str(caught.value)
    for fragment in fragments:
        assert fragment in message, message
    assert "\n" not in message
    return message


AT_CONSTRUCTION = [
    # Unknown names
    (lambda: fw.kaiming_normal(mode="fan_inn"), ValueError, ["mode", "'fan_inn'", *MODES, "mean"]),
    (lambda: fw.kaiming_uniform(mode="FAN_AVG"), ValueError, ["mode", "'FAN_AVG'", *MODES]),
    (lambda: fw.kaiming_normal(mode=None), TypeError, ["mode", "None", *MODES, "NoneType"]),
    (lambda: fw.kaiming_normal(mode=1), TypeError, ["mode", "1", "int", *MODES]),
    (
        lambda: fw.kaiming_normal(nonlinearity="gelu"),
        ValueError,
        ["kaiming_normal", "nonlinearity", "'gelu'", "'leaky_relu'", "'selu'"],
    ),
    (
        lambda: fw.kaiming_uniform(nonlinearity="ReLU"),
        ValueError,
        ["nonlinearity", "'ReLU'", "did you mean 'relu'"],
    ),
    (lambda: fw.kaiming_uniform(nonlinearity=jax.nn.relu), TypeError, ["nonlinearity", "'relu'"]),
    (lambda: fw.variance_scaling(mode="FAN_IN"), ValueError, ["mode", "'FAN_IN'", "'fan_avg'"]),
    (
        lambda: fw.variance_scaling(distribution_name="gauss"),
        ValueError,
        ["distribution_name", "'gauss'", "'normal'", "'truncated_normal'", "'uniform'"],
    ),
    (lambda: fw.calculate_gain("gelu"), ValueError, ["nonlinearity", "'gelu'", "gain_of"]),
    # Layouts
    (lambda: fw.normal(layout="oi"), ValueError, ["layout", "'oi'", "'...IO'", "'OI...'"]),
    (lambda: fw.zeros(layout="...O"), ValueError, ["layout", "'...O'", "no I", "'...IO'"]),
    (lambda: fw.orthogonal(layout=("O", "I")), TypeError, ["layout", "('O', 'I')", "string"]),
    (lambda: fw.eye(layout=["O", "I"]), TypeError, ["layout", "['O', 'I']", "list", "string"]),
    (lambda: fw.eye(layout=None), TypeError, ["layout", "None", "string"]),
    # Slopes
    *[
        (
            lambda factory=factory, slope=slope: factory(a=slope),
            ValueError,
            [factory.__name__, " a,", repr(slope), type(slope).__name__, "float(a)"],
        )
        for factory in (fw.kaiming_normal, fw.kaiming_uniform)
        for slope in (True, False, "0.1", 1j, NAN, np.float32(0.1), np.int64(1), [0.1])
    ],
    # Bounds
    (lambda: fw.uniform(1, 0), ValueError, ["uniform", "a=1.0", "b=0.0", "swap"]),
    (lambda: fw.trunc_normal(a=2, b=-2), ValueError, ["trunc_normal", "a=2.0", "b=-2.0", "swap"]),
    (lambda: fw.uniform(NAN, 1), ValueError, ["uniform: a", "nan", "real number"]),
    (lambda: fw.uniform(0, INF), ValueError, ["uniform: b", "inf", "finite"]),
    (lambda: fw.uniform("0", 1), TypeError, ["uniform: a", "'0'", "str", "Python number"]),
    (lambda: fw.uniform(True, 2), TypeError, ["uniform: a", "True", "bool"]),
    (lambda: fw.trunc_normal(a=NAN), ValueError, ["trunc_normal: a", "nan"]),
    (
        lambda: fw.trunc_normal(a=1, b=INF),
        ValueError,
        ["trunc_normal", "a=1.0", "b=inf", "0.3", "finite bound", "TruncatedNormal(0.0, 1.0"],
    ),
    (
        lambda: fw.trunc_normal(a=-INF, b=-1),
        ValueError,
        ["trunc_normal", "a=-inf", "b=-1.0", "finite bound"],
    ),
    (
        lambda: fw.trunc_normal(std=0.01, a=1, b=2),
        ValueError,
        ["[1, 2]", "100 scales", "0.01", "units of scale"],
    ),
    # Standard deviations and other scales
    (lambda: fw.normal(std=-1), ValueError, ["normal: std", "-1", "at least 0"]),
    (lambda: fw.normal(std=NAN), ValueError, ["normal: std", "nan"]),
    (lambda: fw.normal(std=INF), ValueError, ["normal: std", "inf", "finite"]),
    (lambda: fw.normal(mean=NAN), ValueError, ["normal: mean", "nan"]),
    (lambda: fw.normal(std=None), TypeError, ["normal: std", "None", "NoneType"]),
    (lambda: fw.normal(std=1j), TypeError, ["normal: std", "1j", "complex"]),
    (lambda: fw.normal(std=np.ones(2)), TypeError, ["normal: std", "ndarray"]),
    (lambda: fw.normal(std=10**400), ValueError, ["normal: std"]),
    (lambda: fw.trunc_normal(std=0), ValueError, ["trunc_normal: std", "0", "greater than 0"]),
    (lambda: fw.trunc_normal(std=-1), ValueError, ["trunc_normal: std", "-1", "greater than 0"]),
    (lambda: fw.xavier_uniform(-1), ValueError, ["xavier_uniform: gain", "-1", "at least 0"]),
    (lambda: fw.xavier_normal(NAN), ValueError, ["xavier_normal: gain", "nan"]),
    (lambda: fw.xavier_normal("relu"), TypeError, ["xavier_normal: gain", "'relu'", "str"]),
    (lambda: fw.xavier_normal(True), TypeError, ["xavier_normal: gain", "True", "bool"]),
    (lambda: fw.orthogonal(INF), ValueError, ["orthogonal: gain", "inf", "finite"]),
    (lambda: fw.orthogonal(None), TypeError, ["orthogonal: gain", "None"]),
    (lambda: fw.delta_orthogonal(NAN), ValueError, ["delta_orthogonal: gain", "nan"]),
    (lambda: fw.variance_scaling(-2), ValueError, ["variance_scaling: scale", "-2", "at least 0"]),
    (lambda: fw.bias_uniform(-3), ValueError, ["bias_uniform: fan_in", "-3", "at least 0"]),
    (lambda: fw.bias_uniform((3, 4)), TypeError, ["bias_uniform: fan_in", "(3, 4)", "tuple"]),
    (lambda: fw.bias_uniform(fw.fans((3, 4))), TypeError, ["bias_uniform: fan_in", "Fans("]),
    # Sparsity, groups, values
    (lambda: fw.sparse(-0.1), ValueError, ["sparse: sparsity", "-0.1", "from 0 to 1"]),
    (lambda: fw.sparse(1.5), ValueError, ["sparse: sparsity", "1.5", "from 0 to 1"]),
    (lambda: fw.sparse(90), ValueError, ["sparse: sparsity", "90", "from 0 to 1"]),
    (lambda: fw.sparse(NAN), ValueError, ["sparse: sparsity", "nan"]),
    (lambda: fw.sparse("10%"), TypeError, ["sparse: sparsity", "'10%'"]),
    (lambda: fw.sparse(0.1, -1), ValueError, ["sparse: std", "-1", "at least 0"]),
    (lambda: fw.dirac(0), ValueError, ["dirac: groups", "0", "positive integer"]),
    (lambda: fw.dirac(-2), ValueError, ["dirac: groups", "-2", "positive integer"]),
    (lambda: fw.dirac(2.0), TypeError, ["dirac: groups", "2.0", "float", "Python int"]),
    (lambda: fw.dirac(True), TypeError, ["dirac: groups", "True", "bool"]),
    (lambda: fw.constant("1"), TypeError, ["val", "'1'", "real or complex"]),
    (lambda: fw.constant([1, 2]), TypeError, ["val", "[1, 2]", "list"]),
]


@pytest.mark.parametrize(
    ("call", "error", "fragments"),
    AT_CONSTRUCTION,
    ids=[" ".join(fragments[:3]) for _, _, fragments in AT_CONSTRUCTION],
)
def test_refused_at_construction(call, error, fragments):
    refused(call, error, fragments)


BY_SHAPE = [
    # Too few axes for a fan, and shapes that do not fit the layout
    *[
        (factory(), shape, ["(3,)" if shape == (3,) else "()", "'...IO'", "bias_uniform(fan_in)"])
        for factory in (
            fw.xavier_uniform,
            fw.xavier_normal,
            fw.kaiming_uniform,
            fw.kaiming_normal,
            fw.lecun_normal,
            fw.variance_scaling,
            fw.orthogonal,
            fw.eye,
        )
        for shape in [(3,), ()]
    ],
    (fw.kaiming_normal(layout="IOO"), (8, 4), ["(8, 4)", "'IOO'", "exactly 3 axes", "layout="]),
    (fw.xavier_normal(layout="BIO"), (8, 4), ["(8, 4)", "'BIO'", "exactly 3 axes"]),
    (fw.orthogonal(layout="OI"), (3, 4, 5), ["(3, 4, 5)", "'OI'", "exactly 2 axes"]),
    (fw.sparse(0.1, layout="B...IO"), (3, 4), ["(3, 4)", "at least 3 axes"]),
    # Structure
    (fw.eye(), (3, 4, 5), ["one output and one input axis", "dirac()"]),
    (fw.sparse(0.1), (3, 4, 5), ["one output and one input axis", "layout="]),
    (fw.dirac(), (4, 8), ["1, 2 or 3 receptive-field axes", "eye()"]),
    (fw.dirac(), (2, 2, 2, 2, 4, 8), ["1, 2 or 3", "got 4"]),
    (fw.dirac(3), (3, 4, 8), ["8", "groups=3", "divisible"]),
    (fw.delta_orthogonal(), (3, 8, 4), ["8 inputs and 4 outputs", "orthogonal()"]),
    (fw.delta_orthogonal(), (4, 8), ["1, 2 or 3", "orthogonal()"]),
    # Fans that leave a scale undefined
    (fw.xavier_uniform(), (0, 0), ["(0, 0)", "fan_in = fan_out = 0", "torch refuses"]),
    (fw.xavier_normal(), (0, 3, 4), ["(0, 3, 4)", "fan_in = fan_out = 0"]),
]


@pytest.mark.parametrize(("initializer", "shape", "fragments"), BY_SHAPE, ids=repr)
def test_refused_shapes(initializer, shape, fragments, key):
    refused(lambda: initializer(key, shape), ValueError, fragments)
    refused(lambda: jax.eval_shape(lambda k: initializer(k, shape), key), ValueError, fragments)


@pytest.mark.parametrize("initializer", [fw.normal(), fw.zeros(), fw.kaiming_normal()], ids=repr)
@pytest.mark.parametrize("shape", [3, None, "34", (3.0, 4), (None, 3)], ids=repr)
def test_what_is_no_shape(initializer, shape, key):
    for call in (lambda: initializer(key, shape), lambda: initializer.distribution(shape)):
        refused(call, TypeError, ["shape", repr(shape), "sequence of integers", "(n,)"])


def test_negative_axes(key):
    refused(lambda: fw.normal()(key, (3, -1)), ValueError, ["shape", "(3, -1)", "negative"])


@pytest.mark.parametrize("layout", ["io", "..IO", "IO3"])
def test_a_layout_given_later(layout):
    refused(lambda: fw.normal().distribution((3, 4), layout), ValueError, ["layout", repr(layout)])


RANDOM = [
    fw.uniform(),
    fw.normal(),
    fw.trunc_normal(),
    fw.xavier_uniform(),
    fw.kaiming_normal(),
    fw.orthogonal(),
    fw.sparse(0.5),
    fw.variance_scaling(),
    fw.lecun_uniform(),
    fw.bias_uniform(3),
]


@pytest.mark.parametrize("initializer", RANDOM, ids=repr)
@pytest.mark.parametrize("dtype", [jnp.int32, "uint8", bool])
def test_integer_dtypes(initializer, dtype, key):
    name = jnp.dtype(dtype).name
    allowed = ["float16", "bfloat16", "float32", "float64"]
    refused(lambda: initializer(key, (3, 4), dtype), TypeError, ["dtype", name, *allowed])


@pytest.mark.parametrize(
    "initializer",
    [fw.trunc_normal(), fw.orthogonal(), fw.lecun_normal(), fw.variance_scaling()],
    ids=repr,
)
def test_complex_dtypes_that_torch_refuses(initializer, key):
    refused(
        lambda: initializer(key, (3, 4), "complex64"),
        TypeError,
        ["dtype", "complex64", "torch refuses"],
    )


@pytest.mark.parametrize(
    ("initializer", "dtype"),
    [
        (fw.constant(0.5), "int32"),
        (fw.constant(300), "uint8"),
        (fw.constant(1e5), "float16"),
        (fw.constant(2), "bool"),
        (fw.normal(std=1e5), "float16"),
        (fw.uniform(-4e4, 4e4), "float16"),
        (fw.uniform(-2e38, 2e38), "float32"),
        (fw.sparse(0.5, 1e39), "float32"),
        (fw.bias_uniform(1e-90), "float32"),
    ],
    ids=repr,
)
def test_numbers_that_a_dtype_does_not_hold(initializer, dtype, key):
    refused(lambda: initializer(key, (3, 4), dtype), ValueError, [dtype, "does not fit", "dtype"])


FACTORIES = sorted(
    name
    for name, thing in vars(fw).items()
    if isinstance(thing, type) and issubclass(thing, fw.Initializer) and thing is not fw.Initializer
)


@pytest.mark.parametrize("name", FACTORIES)
def test_a_factory_where_an_initializer_belongs(name, key):
    """``kernel_init=fanwise.zeros`` is called with a key, a shape and a dtype."""
    factory = getattr(fw, name)
    required = {"constant": "val=...", "sparse": "sparsity=...", "bias_uniform": "fan_in=..."}
    way_out = f"kernel_init=fanwise.{name}({required.get(name, '')})"
    fragments = [f"{name} is a factory", "with a key", way_out]
    for call in (
        lambda: factory(key, (3, 4), jnp.float32),
        lambda: factory(key, (3, 4)),
        lambda: factory(jax.random.PRNGKey(0), (3, 4), jnp.float32),
        lambda: factory(key=key, shape=(3, 4)),
        lambda: jax.jit(lambda key: factory(key, (3, 4)))(key),
        lambda: jax.eval_shape(lambda key: factory(key, (3, 4), jnp.float32), key),
    ):
        refused(call, TypeError, fragments)


def test_following_the_advice_works(key):
    """The call that each message proposes is one that can be made."""
    for name in FACTORIES:
        with pytest.raises(TypeError) as caught:
            getattr(fw, name)(key, (3, 4))
        (proposal,) = re.findall(r"kernel_init=fanwise\.(.*)$", str(caught.value))
        initializer = eval(proposal.replace("...", "0.5"), vars(fw).copy())
        assert isinstance(initializer, fw.Initializer)


@pytest.mark.parametrize("key", [None, 0, (0, 1), np.zeros(2), "key"], ids=repr)
@pytest.mark.parametrize("initializer", [fw.normal(), fw.zeros(), fw.orthogonal()], ids=repr)
def test_what_is_no_key(initializer, key):
    refused(
        lambda: initializer(key, (3, 4)),
        TypeError,
        ["key", repr(key), type(key).__name__, "jax.random.key(seed)"],
    )


def test_a_tracer_as_a_number(key):
    with pytest.raises(TypeError, match=r"concrete number.*outside of jit"):
        jax.jit(lambda std: fw.normal(std=std)(key, (3,)))(0.1)
    with pytest.raises(TypeError, match=r"concrete number.*outside of jit"):
        jax.jit(lambda value: fw.constant(value)(key, (3,)))(0.1)
    with pytest.raises((TypeError, ValueError), match="a, the negative slope"):
        jax.jit(lambda a: fw.kaiming_normal(a)(key, (3, 4)))(0.1)


@pytest.mark.parametrize("name", FACTORIES)
def test_unknown_arguments(name):
    with pytest.raises(TypeError, match="in_axis"):
        getattr(fw, name)(in_axis=-2)
