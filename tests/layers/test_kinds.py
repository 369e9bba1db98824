"""The table of torch.nn, as far as it can be judged without torch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fanwise as fw
from fanwise.distributions import Constant, Distribution, Normal, Uniform
from fanwise.layers import KINDS, Derived, Kind, family, kind_of

# Constructor arguments of kinds, enough for their shapes.
ARGUMENTS = {
    "Linear": {"in_features": 16, "out_features": 8},
    "Bilinear": {"in1_features": 4, "in2_features": 9, "out_features": 2},
    "Conv2d": {"in_channels": 8, "out_channels": 6, "kernel_size": 3, "groups": 2},
    "ConvTranspose1d": {"in_channels": 8, "out_channels": 6, "kernel_size": 5},
    "Embedding": {"num_embeddings": 10, "embedding_dim": 3, "padding_idx": 2},
    "LSTM": {
        "input_size": 5,
        "hidden_size": 4,
        "num_layers": 2,
        "bidirectional": True,
        "proj_size": 3,
    },
    "GRUCell": {"input_size": 5, "hidden_size": 4},
    "MultiheadAttention": {"embed_dim": 12, "num_heads": 3, "kdim": 5, "vdim": 7},
    "BatchNorm2d": {"num_features": 3},
    "PReLU": {"num_parameters": 3},
    "weight_norm(Linear)": {"in_features": 16, "out_features": 8},
    "spectral_norm(Conv2d)": {"in_channels": 3, "out_channels": 4, "kernel_size": 2},
    "orthogonal(Linear)": {"in_features": 6, "out_features": 4},
    "TransformerEncoder": {"num_layers": 3, "d_model": 8, "dim_feedforward": 16},
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_value_is_of_a_parameter_or_a_buffer(name):
    kind, arguments = kind_of(name), ARGUMENTS[name]
    shapes = {**kind.shapes(**arguments), **kind.buffers(**arguments)}
    values = kind.default(**arguments)
    assert set(values) == set(shapes)
    for value in values.values():
        assert isinstance(value, Distribution | Derived)
        sources = value.sources if isinstance(value, Derived) else ()
        assert set(sources) <= set(shapes)
    assert {drawn for drawn, _ in kind.drawn(**arguments)} <= set(shapes)


def test_transposed_convolutions_count_outputs():
    values = kind_of("ConvTranspose1d").default(**ARGUMENTS["ConvTranspose1d"])
    assert values["weight"].high == pytest.approx((6 * 5) ** -0.5, rel=1e-12)


def test_the_width_of_a_recurrent_layer_is_its_hidden_size():
    values = kind_of("LSTM").default(**ARGUMENTS["LSTM"])
    assert set(values.values()) == {Uniform(-0.5, 0.5)}
    shapes = kind_of("LSTM").shapes(**ARGUMENTS["LSTM"])
    assert shapes["weight_ih_l1_reverse"] == (16, 6)


def arrays_of(name, key):
    """What a kind holds, by drawing and deriving."""
    kind, arguments = kind_of(name), ARGUMENTS[name]
    shapes = {**kind.shapes(**arguments), **kind.buffers(**arguments)}
    values, arrays = kind.default(**arguments), {}
    keys = dict(zip(shapes, jax.random.split(key, len(shapes)), strict=True))
    waiting = dict(values)
    while waiting:
        for own, value in list(waiting.items()):
            if not isinstance(value, Derived):
                arrays[own] = value.sample(keys[own], shapes[own])
            elif all(source in arrays for source in value.sources):
                drawn = () if value.drawn is None else (value.drawn.sample(keys[own], shapes[own]),)
                arrays[own] = value.compute(*drawn, *(arrays[s] for s in value.sources))
            else:
                continue
            del waiting[own]
    assert {own: array.shape for own, array in arrays.items()} == shapes
    return arrays


def test_the_row_of_the_padding_is_zero(key):
    weight = arrays_of("Embedding", key)["weight"]
    assert np.flatnonzero((weight == 0).all(1)).tolist() == [2]


def test_weight_norm_starts_as_the_layer_itself(key):
    arrays = arrays_of("weight_norm(Linear)", key)
    norm, direction = (arrays[f"parametrizations.weight.original{i}"] for i in range(2))
    assert np.allclose(norm, np.linalg.norm(direction, axis=1, keepdims=True), rtol=1e-6)


def test_spectral_norm_finds_the_largest_singular_value(key):
    arrays = arrays_of("spectral_norm(Conv2d)", key)
    weight = np.asarray(arrays["parametrizations.weight.original"]).reshape(4, -1)
    u, v = (np.asarray(arrays[f"parametrizations.weight.0._{side}"]) for side in "uv")
    assert np.linalg.norm(u) == pytest.approx(1, rel=1e-5)
    assert u @ weight @ v == pytest.approx(np.linalg.svd(weight)[1][0], rel=0.05)


def test_orthogonal_has_an_orthogonal_base(key):
    arrays = arrays_of("orthogonal(Linear)", key)
    base = np.asarray(arrays["parametrizations.weight.0.base"])
    assert np.allclose(base.T @ base, np.eye(6), atol=1e-5)
    assert (arrays["parametrizations.weight.original"] == -jnp.eye(4, 6)).all()


def test_layers_of_a_transformer_encoder_start_equal(key):
    arrays = arrays_of("TransformerEncoder", key)
    for own, array in arrays.items():
        _, index, *rest = own.split(".")
        if index.isdigit():
            assert (array == arrays[".".join(["layers", "0", *rest])]).all()


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Conv2d", "Conv"),
        ("ConvTranspose1d", "ConvTranspose"),
        ("Linear", "Linear"),
        ("RNN", "RNN"),
    ],
)
def test_family(name, short):
    assert family(name) == short
    assert KINDS[name].family == short


def test_an_unknown_kind_is_refused_with_what_is_known():
    with pytest.raises(ValueError, match=r"got 'Dense'; known are Linear, "):
        kind_of("Dense")
    with pytest.raises(ValueError, match="got 'weight_norm\\(Dense\\)'"):
        kind_of("weight_norm(Dense)")


def test_draws_leave_constants_out():
    kind = Kind("one", lambda: {"a": ()}, lambda: {"a": Constant(1.0), "b": Normal(0, 1)})
    assert kind.drawn() == (("b", Normal(0.0, 1.0)),)


def test_torch_default_leaves_out_what_the_layer_does_not_have():
    layer = fw.Layer("x", "Linear", ARGUMENTS["Linear"], {"bias": (8,)})
    assert set(fw.torch_default(layer)) == {"bias"}
    assert fw.torch_default(fw.Layer("x", None)) is None
