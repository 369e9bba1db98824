"""Equinox models that are more than modules in modules: stacks, wrappers, sharing, states."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from equinox import nn

import fanwise as fw
from fanwise.frameworks.answers import answered
from tests.frameworks.equinox_models import Block, OnlyStacked, StackedNet, UnstackedNet
from tests.same_bits import differing

KEY = jax.random.key(3)


def arrays(model):
    return jax.tree.leaves(eqx.filter(model, eqx.is_array))


@pytest.mark.parametrize("depth", [3, 4])
@pytest.mark.parametrize("structured", [False, True])
def test_stacked_layers_equal_unstacked_ones(depth, structured):
    """Depth 4 is as long as the layers are wide, so that sizes do not tell the axis."""
    rule = fw.torch_default
    if structured:
        rule = fw.by_kind({"Linear": {"weight": fw.orthogonal()}})
    stacked = fw.equinox.init(lambda key: StackedNet(key, depth), KEY, rule=rule)
    single = fw.equinox.init(lambda key: UnstackedNet(key, depth), KEY, rule=rule)
    for index in range(depth):
        part = jax.tree.map(lambda leaf, at=index: leaf[at], stacked.blocks)
        own = single.blocks[index]
        assert not differing([part.linear.weight], [own.linear.weight])
        if not structured:
            assert not differing(arrays(part), arrays(own))
    assert differing([stacked.blocks.linear.weight[0]], [stacked.blocks.linear.weight[1]])


def test_layers_of_a_stack_are_listed_one_by_one():
    layers = fw.equinox.layers(StackedNet(KEY, 2))
    assert [layer.path for layer in layers] == [
        "embed",
        *("blocks/0", "blocks/0/norm", "blocks/0/linear", "blocks/0/slope"),
        *("blocks/1", "blocks/1/norm", "blocks/1/linear", "blocks/1/slope"),
    ]
    assert layers[1].kind is None
    assert layers[1].parameters == {"gain": (4,)}
    assert layers[4].parameters == {"weight": (1,)}


def test_a_model_that_is_only_a_stack_is_numbered_like_a_list_of_blocks():
    paths = {layer.path for layer in fw.equinox.layers(OnlyStacked(KEY, 2))}
    assert "blocks/1/linear" in paths


def test_an_ensemble_is_numbered_in_front():
    keys = jax.random.split(KEY, 5)
    ensemble = eqx.filter_vmap(lambda key: nn.MLP(4, 3, 8, 1, key=key))(keys)
    paths = [layer.path for layer in fw.equinox.layers(ensemble)]
    assert paths == [f"{model}/layers/{layer}" for model in range(5) for layer in range(2)]
    started = fw.equinox.apply(fw.torch_default, ensemble, KEY)
    models = fw.equinox.init(
        lambda key: [nn.MLP(4, 3, 8, 1, key=key) for _ in range(5)], jax.random.key(3)
    )
    assert not differing([started.layers[1].weight[4]], [models[4].layers[1].weight])


def test_a_stack_in_a_stack():
    def make(key):
        inner = eqx.filter_vmap(lambda key: nn.Linear(4, 3, key=key))
        keys = jax.random.split(key, (2, 5))
        return {"grid": eqx.filter_vmap(inner)(keys)}

    stacked = fw.equinox.init(make, KEY)["grid"]
    listed = fw.equinox.init(
        lambda key: {"grid": [[nn.Linear(4, 3, key=key) for _ in range(5)] for _ in range(2)]}, KEY
    )["grid"]
    assert stacked.weight.shape == (2, 5, 3, 4)
    assert not differing([stacked.weight[1, 4]], [listed[1][4].weight])


def test_one_layer_of_a_stack_can_be_started_anew():
    before = StackedNet(KEY, 3)
    rule = fw.by_path({"blocks/1/linear": {"weight": fw.ones()}})
    after = fw.equinox.apply(rule, before, KEY)
    old, new = before.blocks.linear.weight, after.blocks.linear.weight
    assert (new[1] == 1).all()
    assert not differing([new[::2]], [old[::2]])
    assert after.blocks.linear.bias is before.blocks.linear.bias


def test_shared_arrays_are_listed_once():
    embedding, linear = nn.Embedding(7, 4, key=KEY), nn.Linear(4, 7, key=KEY)
    model = nn.Shared((embedding, linear), lambda pair: pair[1].weight, lambda pair: pair[0].weight)
    layers = fw.equinox.layers(model)
    assert [(layer.kind, list(layer.parameters)) for layer in layers] == [
        ("Embedding", ["weight"]),
        ("Linear", ["bias"]),
    ]
    started = fw.equinox.apply(fw.by_kind({"Linear": fw.torch_default}), model, KEY)
    assert abs(started.pytree[1].bias).max() <= 0.5
    assert started()[1].weight is embedding.weight


def test_weight_norm_starts_with_the_layers_own_weight():
    model = fw.equinox.init(lambda key: nn.WeightNorm(nn.Conv1d(4, 6, 3, key=key)), KEY)
    (layer,) = fw.equinox.layers(model)
    assert layer.kind == "weight_norm(Conv1d)"
    norms = jnp.sqrt((model.layer.weight**2).sum((1, 2), keepdims=True))
    assert jnp.allclose(model.g, norms, rtol=1e-6)
    assert abs(model.layer.weight).max() <= 12**-0.5


@pytest.mark.parametrize(
    "model",
    [
        nn.WeightNorm(nn.Linear(4, 3, key=KEY), axis=1),
        nn.WeightNorm(nn.Linear(4, 3, key=KEY), axis=None),
        nn.WeightNorm(nn.ConvTranspose1d(4, 3, 2, key=KEY)),
        nn.WeightNorm(nn.ConvTranspose1d(4, 6, 2, groups=2, key=KEY), axis=1),
    ],
)
def test_weight_norm_over_other_axes_than_torchs_is_not_claimed(model):
    inner, other = sorted(fw.equinox.layers(model), key=lambda layer: layer.kind is None)
    assert inner.kind in ("Linear", "ConvTranspose1d")
    assert inner.path == "layer"
    assert list(other.parameters) == ["g"]


def test_spectral_norms_vectors_follow_the_new_weight():
    def make(key):
        return nn.SpectralNorm(nn.Linear(4, 3, key=key), "weight", key=key)

    for factory in (make, nn.make_with_state(make)):
        made = fw.equinox.init(factory, KEY)
        model, state = made if isinstance(made, tuple) else (made, None)
        left, right = model.uv_index.init if state is None else state.get(model.uv_index)
        largest = jnp.linalg.svd(model.layer.weight, compute_uv=False)[0]
        assert jnp.allclose(left @ model.layer.weight @ right, largest, rtol=1e-3)
        (layer,) = fw.equinox.layers(made)
        assert layer.kind == "spectral_norm(Linear)"


def test_a_model_and_its_state():
    def make(key):
        return {"conv": nn.Conv2d(3, 6, 3, key=key), "norm": nn.BatchNorm(6, "b", mode="batch")}

    factory = nn.make_with_state(make)
    model, state = fw.equinox.init(factory, KEY)
    alone = fw.equinox.init(lambda key: {"conv": nn.Conv2d(3, 6, 3, key=key)}, KEY)
    assert not differing(arrays(model["conv"]), arrays(alone["conv"]))
    expected = factory(KEY)[1]
    assert not differing(jax.tree.leaves(state), jax.tree.leaves(expected))
    kinds = [layer.kind for layer in fw.equinox.layers((model, state))]
    assert kinds == ["Conv2d", "BatchNorm", None]
    assert [layer.kind for layer in fw.equinox.layers(model)] == ["Conv2d", "BatchNorm"]


def test_a_layer_of_the_users_own_class_is_that_of_equinox():
    class Wide(nn.Linear):
        pass

    (layer,) = fw.equinox.layers(Wide(4, 3, key=KEY))
    assert (layer.kind, layer.source) == ("Linear", "Linear")


def test_what_does_not_have_the_shape_that_it_says_is_not_claimed():
    linear = nn.Linear(4, 3, key=KEY)
    quantized = eqx.tree_at(lambda each: each.weight, linear, jnp.zeros((3, 2)))
    (layer,) = fw.equinox.layers(quantized)
    assert layer.kind is None
    assert layer.parameters == {"weight": (3, 2), "bias": (3,)}


def test_rms_norms_bias_is_not_in_torch():
    layers = fw.equinox.layers(nn.RMSNorm(4))
    assert [(layer.kind, list(layer.parameters)) for layer in layers] == [
        ("RMSNorm", ["weight"]),
        (None, ["bias"]),
    ]


def test_attention_of_widths_that_torch_does_not_have_is_four_linear_layers():
    model = nn.MultiheadAttention(2, 8, output_size=6, key=KEY)
    assert [layer.kind for layer in fw.equinox.layers(model)] == ["Linear"] * 4


def test_attention_of_separate_widths():
    model = nn.MultiheadAttention(2, 8, key_size=6, value_size=4, key=KEY)
    (layer,) = fw.equinox.layers(model)
    found = {
        leaf.name: slot.values[0].high
        for leaf, slots in answered(layer, fw.torch_default).slots.items()
        for slot in slots
    }
    assert found["key_proj/weight"] == pytest.approx((6 / 14) ** 0.5, rel=1e-12)
    assert found["value_proj/weight"] == pytest.approx((6 / 12) ** 0.5, rel=1e-12)


def test_a_missing_bias_of_attention_is_said():
    model = nn.MultiheadAttention(2, 8, use_query_bias=True, use_value_bias=True, key=KEY)
    (layer,) = fw.equinox.layers(model)
    assert layer.lost == ("in_proj_bias of the key",)


def test_half_of_a_sum_is_refused():
    with pytest.raises(ValueError, match="bias_ih and bias_hh are added in one array"):
        fw.equinox.apply(
            lambda layer: {"bias_ih": fw.zeros()}, nn.LSTMCell(3, 5, key=KEY), jax.random.key(0)
        )


def test_what_is_no_key_is_refused():
    with pytest.raises(TypeError, match="key must be a JAX PRNG key"):
        fw.equinox.init(Block, 0)
    with pytest.raises(TypeError, match="key must be a JAX PRNG key"):
        fw.equinox.apply(fw.torch_default, nn.PReLU(), 0)
