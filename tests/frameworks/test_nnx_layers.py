"""Every layer of nnx: what torch calls it, what it is drawn from, and that none is overlooked."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import fanwise as fw
from fanwise.frameworks.answers import answered
from fanwise.frameworks.nnx_claims import CLAIMED
from tests.frameworks.nnx_models import KEY, LAYERS, UNKNOWN, differ, flat

# Modules of nnx that torch has no counterpart for, or that have no arrays of their own.
OTHERS = {
    "Dict",
    "Dropout",
    "Einsum",
    "List",
    "LoRA",
    "Module",
    "RNNCellBase",
    "Sequential",
    "SpectralNorm",
    "ToNNX",
}


def drawn_from(model):
    """What every array or region of one is drawn from by torch's default, by name."""
    return {
        name: value
        for layer in fw.nnx.layers(model)
        for slots in answered(layer, fw.torch_default).slots.values()
        for slot in slots
        for name, value in zip(slot.names, slot.values, strict=True)
    }


@pytest.mark.parametrize("name", LAYERS)
def test_distributions_are_torchs(name):
    factory, kind, expected = LAYERS[name]
    assert [layer.kind for layer in fw.nnx.layers(factory)] == [kind]
    found = drawn_from(factory)
    assert set(found) == set(expected)
    for array, distribution in expected.items():
        assert type(found[array]) is type(distribution), array
        assert vars(found[array]) == pytest.approx(vars(distribution), rel=1e-12), array


@pytest.mark.parametrize("name", LAYERS)
def test_values_are_drawn_from_them(name):
    """By their largest value, which is below the bound and not far from it."""
    factory, _, expected = LAYERS[name]
    arrays = flat(fw.nnx.init(factory, KEY))
    for array, distribution in expected.items():
        if "[" in array or not array.endswith(("kernel", "bias", "scale", "slope")):
            continue
        largest, (_, high) = float(jnp.abs(arrays[array]).max()), distribution.support
        assert largest <= np.float32(high), array
        if arrays[array].size > 50:
            assert largest > 0.9 * high, array


@pytest.mark.parametrize("name", [*LAYERS, *UNKNOWN])
def test_structure_is_that_of_the_factory(name):
    factory = (LAYERS | UNKNOWN)[name][0]
    ours, own = fw.nnx.init(factory, KEY), factory(nnx.Rngs(0))
    assert nnx.graphdef(ours) == nnx.graphdef(own)
    assert jax.tree.structure(nnx.state(ours)) == jax.tree.structure(nnx.state(own))
    for path, array in flat(own).items():
        made = flat(ours)[path]
        assert isinstance(made, jax.Array)
        assert (made.shape, made.dtype) == (array.shape, array.dtype)


@pytest.mark.parametrize("name", [*LAYERS, *UNKNOWN])
def test_every_variable_is_in_one_layer(name):
    model = (LAYERS | UNKNOWN)[name][0](nnx.Rngs(0))
    layers = fw.nnx.layers(model)
    paths = [leaf.path for layer in layers for leaf in layer.leaves]
    state = nnx.to_flat_state(nnx.state(model, nnx.Not(nnx.RngState)))
    assert sorted(paths) == sorted(path for path, _ in state)
    assert layers == fw.nnx.layers(nnx.eval_shape(lambda: (LAYERS | UNKNOWN)[name][0](nnx.Rngs(0))))


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_torch_does_not_have_keeps_its_own_init(name):
    factory, shapes = UNKNOWN[name]
    (layer,) = fw.nnx.layers(factory)
    assert layer.kind is None
    assert dict(layer.parameters) == shapes
    own = nnx.jit(lambda key: factory(nnx.Rngs(key)))(KEY)
    assert not differ(fw.nnx.init(factory, KEY), own)


def test_no_module_of_nnx_is_overlooked():
    found = {
        name
        for package in (nnx, nnx.nn)
        for holder in (package, *vars(package).values())
        if holder is package or inspect.ismodule(holder)
        for name, cls in vars(holder).items()
        if inspect.isclass(cls) and issubclass(cls, nnx.Module) and name == cls.__name__
    }
    assert found >= {"Linear", "MultiHeadAttention", "GRUCell", "LoRALinear", "SpectralNorm"}
    assert found <= CLAIMED | OTHERS, found - CLAIMED - OTHERS
    assert found >= OTHERS


def test_what_a_gru_cell_has_lost_is_said():
    for name in ("GRUCell", "GRU"):
        (layer,) = fw.nnx.layers(LAYERS[name][0])
        suffix = "" if name == "GRUCell" else "_l0"
        assert layer.lost == (f"bias_hh{suffix}, its last third",)
    assert fw.nnx.layers(LAYERS["LSTM"][0])[0].lost == ()


def test_both_directions_of_a_gru():
    def build(rngs):
        runs = [nnx.RNN(nnx.GRUCell(3, 5, rngs=rngs), rngs=rngs) for _ in range(2)]
        return nnx.Bidirectional(*runs, rngs=rngs)

    (layer,) = fw.nnx.layers(build)
    assert layer.lost == ("bias_hh_l0, its last third", "bias_hh_l0_reverse, its last third")
    assert layer.hyperparameters["bidirectional"]


def test_layers_under_recurrence_have_the_paths_of_linen():
    assert [layer.path for layer in fw.nnx.layers(LAYERS["LSTM"][0])] == ["cell"]


@pytest.mark.parametrize("features", [(4, 3), (3, 4)])
def test_weight_norm_starts_as_the_layer_in_it(features):
    factory = lambda rngs: nnx.WeightNorm(nnx.Linear(*features, rngs=rngs), rngs=rngs)
    (layer,) = fw.nnx.layers(factory)
    assert layer.kind == "weight_norm(Linear)"
    model = fw.nnx.init(factory, KEY)
    kernel = np.asarray(model.layer_instance.kernel[...])
    assert (np.abs(kernel) <= features[0] ** -0.5).all()
    norm = np.linalg.norm(kernel.astype(np.float64), axis=0)
    assert np.asarray(model.scales[("kernel",)]) == pytest.approx(norm, rel=1e-6)
    x = jax.random.normal(KEY, (2, features[0]))
    before = model.layer_instance(x)
    assert np.allclose(model(x), before, rtol=1e-5, atol=1e-6)


def test_weight_norm_of_convolutions():
    def build(rngs, *, axis, **options):
        layer = nnx.ConvTranspose(4, 6, (3, 2), rngs=rngs, **options)
        return nnx.WeightNorm(layer, feature_axes=axis, rngs=rngs)

    # torch's first axis is the input of a transposed convolution.
    for axis, is_transposed, is_torchs in [(-2, False, True), (-1, False, False), (-1, True, True)]:
        layers = fw.nnx.layers(
            lambda rngs, a=axis, t=is_transposed: build(rngs, axis=a, transpose_kernel=t)
        )
        kinds = {layer.kind for layer in layers}
        torchs = {"weight_norm(ConvTranspose2d)"}
        assert kinds == (torchs if is_torchs else {"ConvTranspose2d", None})
    model = fw.nnx.init(
        lambda rngs: nnx.WeightNorm(nnx.Conv(4, 6, (3, 2), rngs=rngs), rngs=rngs), KEY
    )
    kernel = np.asarray(model.layer_instance.kernel[...], np.float64)
    norm = np.sqrt((kernel**2).sum((0, 1, 2)))
    assert np.asarray(model.scales[("kernel",)]) == pytest.approx(norm, rel=1e-6)


def test_weight_norm_without_a_scale_is_the_layer_in_it():
    layers = fw.nnx.layers(
        lambda rngs: nnx.WeightNorm(nnx.Linear(4, 3, rngs=rngs), use_scale=False, rngs=rngs)
    )
    assert [(layer.path, layer.kind) for layer in layers] == [("layer_instance", "Linear")]


def test_spectral_norm_keeps_its_own_vectors():
    factory = lambda rngs: nnx.SpectralNorm(nnx.Linear(4, 3, rngs=rngs), rngs=rngs)
    layers = {layer.path: layer for layer in fw.nnx.layers(factory)}
    assert layers["layer_instance"].kind == "Linear"
    assert layers[""].kind is None
    assert dict(layers[""].parameters) == {
        "batch_stats/kernel/u": (1, 3),
        "batch_stats/kernel/sigma": (),
    }
    ours, own = fw.nnx.init(factory, KEY), nnx.jit(lambda k: factory(nnx.Rngs(k)))(KEY)
    (changed,) = differ(ours.layer_instance, own.layer_instance).keys() - {"bias"}
    assert changed == "kernel"
    for path in [("kernel", "u"), ("kernel", "sigma")]:
        assert (ours.batch_stats[path][...] == own.batch_stats[path][...]).all()


def test_a_lora_linear_is_a_linear_with_something_added():
    factory = lambda rngs: nnx.LoRALinear(12, 7, lora_rank=2, rngs=rngs)
    layers = fw.nnx.layers(factory)
    assert [(layer.path, layer.kind, layer.source) for layer in layers] == [
        ("", "Linear", "LoRALinear"),
        ("lora", None, "LoRA"),
    ]
    ours, plain = fw.nnx.init(factory, KEY), fw.nnx.init(LAYERS["Linear"][0], KEY)
    assert (ours.kernel[...] == plain.kernel[...]).all()
    assert (ours.lora.lora_b[...] == 0).all()


def test_attention_of_widths_that_torch_does_not_have():
    layers = fw.nnx.layers(lambda rngs: nnx.MultiHeadAttention(3, 12, 6, decode=False, rngs=rngs))
    assert [(layer.path, layer.kind) for layer in layers] == [
        (name, "Linear") for name in ("query", "key", "value", "out")
    ]


def test_normalized_queries_are_layers_of_their_own():
    layers = fw.nnx.layers(
        lambda rngs: nnx.MultiHeadAttention(3, 12, normalize_qk=True, decode=False, rngs=rngs)
    )
    assert [layer.kind for layer in layers] == ["MultiheadAttention", "LayerNorm", "LayerNorm"]


class LinenTwin(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = linen.LayerNorm(name="norm")(linen.Dense(12, name="fc1")(x))
        x = linen.MultiHeadDotProductAttention(3, name="attention")(x)
        x = linen.Conv(6, (3,), name="conv", param_dtype=jnp.bfloat16)(x)
        for index in range(2):
            x = linen.Dense(6, name=f"blocks_{index}")(x)
        return x


class NnxTwin(nnx.Module):
    def __init__(self, rngs):
        self.fc1 = nnx.Linear(8, 12, rngs=rngs)
        self.norm = nnx.LayerNorm(12, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(3, 12, decode=False, rngs=rngs)
        self.conv = nnx.Conv(12, 6, (3,), param_dtype=jnp.bfloat16, rngs=rngs)
        self.blocks = nnx.List([nnx.Linear(6, 6, rngs=rngs) for _ in range(2)])


@pytest.mark.parametrize("weight", [fw.normal(), fw.orthogonal()], ids=str)
def test_twins_of_linen_and_nnx_are_equal(weight):
    rule = fw.chain(fw.torch_default, fw.by_kind({"Linear": {"weight": weight}}))
    with jax.numpy_dtype_promotion("standard"):
        theirs = fw.linen.init(LinenTwin(), KEY, jnp.zeros((1, 5, 8)), rule=rule)["params"]
    ours = flat(fw.nnx.init(NnxTwin, KEY, rule=rule))
    leaves = jax.tree_util.tree_leaves_with_path(theirs)
    assert len(leaves) == len(ours)
    for path, leaf in leaves:
        name = jax.tree_util.keystr(path, simple=True, separator="/").replace("s_", "s/")
        assert (ours[name] == leaf).all(), name
        assert ours[name].dtype == leaf.dtype
