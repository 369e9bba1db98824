"""Haiku functions started by a rule: what is claimed, what is drawn, what is left alone."""

import inspect

import haiku as hk
import jax
import jax.numpy as jnp
import pytest

import fanwise as fw
from fanwise.distributions import Constant, Normal, Triangular, Uniform
from fanwise.frameworks.answers import answered
from tests.same_bits import differing

KEY = jax.random.key(3)
X = jax.ShapeDtypeStruct((2, 4), jnp.float32)
IMAGE = jax.ShapeDtypeStruct((2, 8, 9, 4), jnp.float32)
VOLUME = jax.ShapeDtypeStruct((2, 5, 6, 7, 4), jnp.float32)
SEQUENCE = jax.ShapeDtypeStruct((2, 5, 8), jnp.float32)


def flat(params):
    return {f"{module}/{name}": a for module, own in params.items() for name, a in own.items()}


def drawn_from(layers, rule=fw.torch_default):
    """The distribution of every region that is drawn straight, by the name of its array."""
    found = {}
    for layer in layers:
        for leaf, slots in answered(layer, rule).slots.items():
            found[leaf.name] = [slot.values[0] for slot in slots]
    return found


def uniform(fan):
    return [Uniform(-(fan**-0.5), fan**-0.5)]


def sums(fan):
    return Triangular(-2 * fan**-0.5, 2 * fan**-0.5)


def no_rule(layer):
    return None


ONES, ZEROS = [Constant(1.0)], [Constant(0.0)]
PACKED = [Uniform(-((6 / 32) ** 0.5), (6 / 32) ** 0.5)]


def batch_norm(x):
    with jax.numpy_dtype_promotion("standard"):  # Haiku raises a float to an int
        return hk.BatchNorm(True, True, 0.9)(x, is_training=True)


def recurrent(make):
    return lambda x: make()(x, make().initial_state(2))[0]


# By class: the function, its input, torch's kind, and what each array is drawn from.
LAYERS = {
    "Linear": (
        lambda x: hk.Linear(3)(x),
        X,
        "Linear",
        {"linear/w": uniform(4), "linear/b": uniform(4)},
    ),
    "ConvND": (
        lambda x: hk.ConvND(2, 6, 3, feature_group_count=2)(x),
        IMAGE,
        "Conv2d",
        {"conv_nd/w": uniform(18), "conv_nd/b": uniform(18)},
    ),
    "Conv1D": (
        lambda x: hk.Conv1D(6, 3)(x),
        SEQUENCE,
        "Conv1d",
        {"conv1_d/w": uniform(24), "conv1_d/b": uniform(24)},
    ),
    "Conv2D": (
        lambda x: hk.Conv2D(6, 3, with_bias=False)(x),
        IMAGE,
        "Conv2d",
        {"conv2_d/w": uniform(36)},
    ),
    "Conv3D": (
        lambda x: hk.Conv3D(6, 2)(x),
        VOLUME,
        "Conv3d",
        {"conv3_d/w": uniform(32), "conv3_d/b": uniform(32)},
    ),
    "ConvNDTranspose": (
        lambda x: hk.ConvNDTranspose(2, 6, 3)(x),
        IMAGE,
        "ConvTranspose2d",
        {"conv_nd_transpose/w": uniform(54), "conv_nd_transpose/b": uniform(54)},
    ),
    "Conv1DTranspose": (
        lambda x: hk.Conv1DTranspose(6, 3)(x),
        SEQUENCE,
        "ConvTranspose1d",
        {"conv1_d_transpose/w": uniform(18), "conv1_d_transpose/b": uniform(18)},
    ),
    "Conv2DTranspose": (
        lambda x: hk.Conv2DTranspose(6, 3)(x),
        IMAGE,
        "ConvTranspose2d",
        {"conv2_d_transpose/w": uniform(54), "conv2_d_transpose/b": uniform(54)},
    ),
    "Conv3DTranspose": (
        lambda x: hk.Conv3DTranspose(6, 2)(x),
        VOLUME,
        "ConvTranspose3d",
        {"conv3_d_transpose/w": uniform(48), "conv3_d_transpose/b": uniform(48)},
    ),
    "DepthwiseConv1D": (
        lambda x: hk.DepthwiseConv1D(2, 3)(x),
        SEQUENCE,
        "Conv1d",
        {"depthwise_conv1_d/w": uniform(3), "depthwise_conv1_d/b": uniform(3)},
    ),
    "DepthwiseConv2D": (
        lambda x: hk.DepthwiseConv2D(2, 3)(x),
        IMAGE,
        "Conv2d",
        {"depthwise_conv2_d/w": uniform(9), "depthwise_conv2_d/b": uniform(9)},
    ),
    "DepthwiseConv3D": (
        lambda x: hk.DepthwiseConv3D(1, 2)(x),
        VOLUME,
        "Conv3d",
        {"depthwise_conv3_d/w": uniform(8), "depthwise_conv3_d/b": uniform(8)},
    ),
    "Embed": (
        lambda x: hk.Embed(7, 4)(x.astype(jnp.int32)),
        X,
        "Embedding",
        {"embed/embeddings": [Normal(0.0, 1.0)]},
    ),
    "LayerNorm": (
        lambda x: hk.LayerNorm(-1, True, True)(x),
        X,
        "LayerNorm",
        {"layer_norm/scale": ONES, "layer_norm/offset": ZEROS},
    ),
    "RMSNorm": (lambda x: hk.RMSNorm(-1)(x), X, "RMSNorm", {"rms_norm/scale": ONES}),
    "GroupNorm": (
        lambda x: hk.GroupNorm(2)(x),
        IMAGE,
        "GroupNorm",
        {"group_norm/scale": ONES, "group_norm/offset": ZEROS},
    ),
    "InstanceNorm": (
        lambda x: hk.InstanceNorm(True, True)(x),
        IMAGE,
        "InstanceNorm",
        {"instance_norm/scale": ONES, "instance_norm/offset": ZEROS},
    ),
    "BatchNorm": (
        batch_norm,
        IMAGE,
        "BatchNorm",
        {
            "batch_norm/scale": ONES,
            "batch_norm/offset": ZEROS,
            "batch_norm/~/mean_ema/average": ZEROS,
            "batch_norm/~/var_ema/average": ONES,
        },
    ),
    "MultiHeadAttention": (
        lambda x: hk.MultiHeadAttention(2, 4, w_init=hk.initializers.VarianceScaling())(x, x, x),
        SEQUENCE,
        "MultiheadAttention",
        {
            **{f"multi_head_attention/{name}/w": PACKED for name in ("query", "key", "value")},
            **{
                f"multi_head_attention/{name}/b": ZEROS
                for name in ("query", "key", "value", "linear")
            },
            "multi_head_attention/linear/w": uniform(8),
        },
    ),
    "LSTM": (
        recurrent(lambda: hk.LSTM(5)),
        X,
        "LSTMCell",
        {"lstm/linear/w": uniform(5) * 8, "lstm/linear/b": [sums(5)] * 4},
    ),
    "GRU": (
        recurrent(lambda: hk.GRU(5)),
        X,
        "GRUCell",
        {
            "gru/w_i": uniform(5) * 3,
            "gru/w_h": uniform(5) * 3,
            "gru/b": [sums(5), sums(5), *uniform(5)],
        },
    ),
    "VanillaRNN": (
        recurrent(lambda: hk.VanillaRNN(5)),
        X,
        "RNNCell",
        {
            f"vanilla_rnn/{layer}/{name}": uniform(5)
            for layer in ("linear", "linear_1")
            for name in "wb"
        },
    ),
}


def equal(ours, expected):
    if type(ours) is not type(expected):
        return False
    return vars(ours) == pytest.approx(vars(expected), rel=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_distributions_are_torchs(name):
    function, x, kind, expected = LAYERS[name]
    layers = fw.haiku.layers(hk.transform_with_state(function), x)
    assert [layer.kind for layer in layers if layer.kind] == [kind]
    found = drawn_from(layers)
    named = {leaf.name for layer in layers if layer.kind for leaf in layer.leaves}
    assert named == set(expected)
    for array, values in expected.items():
        assert all(equal(*pair) for pair in zip(found[array], values, strict=True)), array


@pytest.mark.parametrize("name", LAYERS)
def test_structure_is_that_of_init_and_every_array_is_listed(name):
    function, x, _, _ = LAYERS[name]
    transformed = hk.transform_with_state(function)
    ours = fw.haiku.init(transformed, KEY, x)
    zeros = jnp.zeros(x.shape, x.dtype)
    own = jax.eval_shape(transformed.init, KEY, zeros)
    assert jax.tree.structure(ours) == jax.tree.structure(own)
    same = jax.tree.map(lambda a, b: (a.shape, a.dtype) == (b.shape, b.dtype), ours, own)
    assert jax.tree.all(same)
    names = [leaf.name for layer in fw.haiku.layers(transformed, x) for leaf in layer.leaves]
    assert sorted(names) == sorted({**flat(ours[0]), **flat(ours[1])})
    transformed.apply(*ours, KEY, zeros)


@pytest.mark.parametrize("name", ["Linear", "LSTM", "BatchNorm"])
def test_without_a_rule_it_is_the_librarys_own_init(name):
    function, x, _, _ = LAYERS[name]
    transformed, x = hk.transform_with_state(function), jnp.ones(x.shape, x.dtype)
    ours, own = fw.haiku.init(transformed, KEY, x, rule=no_rule), jax.jit(transformed.init)(KEY, x)
    assert not differing(flat(ours[0]), flat(own[0]))
    assert not differing(flat(ours[1]), flat(own[1]))


# Those that own nothing themselves, or are made of others, or have no counterpart in torch.
COMPOSED = {"Conv1DLSTM", "Conv2DLSTM", "Conv3DLSTM", "SeparableDepthwiseConv2D", "Sequential"}
WITHOUT_COUNTERPART = {
    "Bias",
    "ExponentialMovingAverage",
    "EMAParamsTree",
    "SpectralNorm",
    "SNParamsTree",
}
WITHOUT_ARRAYS = {
    "AvgPool",
    "MaxPool",
    "Flatten",
    "Reshape",
    "DeepRNN",
    "IdentityCore",
    "ResetCore",
}
WITHOUT_ARRAYS |= {"BatchApply", "Deferred", "Module", "RNNCore", "LiftWithStateUpdater"}


def test_every_class_of_haiku_is_claimed_or_known_not_to_be():
    exported = {
        name
        for name in dir(hk)
        if inspect.isclass(getattr(hk, name)) and issubclass(getattr(hk, name), hk.Module)
    }
    assert not exported - set(LAYERS) - COMPOSED - WITHOUT_COUNTERPART - WITHOUT_ARRAYS
    assert exported >= COMPOSED | WITHOUT_COUNTERPART | set(LAYERS) - {"ConvNDTranspose"}


@pytest.mark.parametrize(
    "function",
    [
        lambda x: hk.Bias()(x),
        lambda x: hk.ExponentialMovingAverage(0.9)(x),
        lambda x: hk.SpectralNorm()(x),
        lambda x: x * hk.get_parameter("gain", [4], init=hk.initializers.RandomNormal()),
    ],
)
def test_what_torch_does_not_have_keeps_its_own_init(function):
    transformed, x = hk.transform_with_state(function), jnp.ones((3, 4))
    with jax.numpy_dtype_promotion("standard"):
        layers = fw.haiku.layers(transformed, x)
        ours, own = fw.haiku.init(transformed, KEY, x), jax.jit(transformed.init)(KEY, x)
    assert {layer.kind for layer in layers} == {None}
    assert not differing(flat(ours[0]), flat(own[0]))
    assert not differing(flat(ours[1]), flat(own[1]))
