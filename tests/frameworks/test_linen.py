"""Linen models started by a rule: what is claimed, what is drawn, what is left alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import fanwise as fw
from fanwise.distributions import Constant, Normal, Triangular, Uniform
from fanwise.frameworks.answers import answered
from tests.frameworks.linen_models import (
    LAYERS,
    OPTIONS,
    TOKENS,
    UNKNOWN,
    Bare,
    Net,
    Stacked,
    Unstacked,
    X,
)
from tests.same_bits import differing

RNGS = {"params": jax.random.key(3), "dropout": jax.random.key(4)}


def flat(variables):
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def drawn_from(layers, rule=fw.torch_default):
    """The distribution of every array that is drawn straight, by its name."""
    return {
        leaf.name: slot.values[0]
        for layer in layers
        for leaf, slots in answered(layer, rule).slots.items()
        for slot in slots
    }


@pytest.mark.parametrize("name", LAYERS)
def test_every_array_is_claimed(name):
    model, x, kind = LAYERS[name]
    options = OPTIONS.get(name, {})
    layers = fw.linen.layers(model, x, **options)
    assert kind in [layer.kind for layer in layers]
    variables = jax.eval_shape(lambda: model.init(RNGS, x, **options))
    sizes = [leaf.size for leaf in jax.tree.leaves(variables)]
    assert sum(layer.size for layer in layers) == sum(sizes)
    if name != "spectral norm":
        assert all(layer.kind for layer in layers)


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_torch_does_not_have_keeps_its_own_init(name):
    model, x = UNKNOWN[name]
    layers = fw.linen.layers(model, x)
    assert {layer.kind for layer in layers} == {None}
    ours, own = fw.linen.init(model, RNGS, x), jax.jit(model.init)(RNGS, x)
    assert not differing(flat(ours), flat(own))


@pytest.mark.parametrize("name", LAYERS)
def test_structure_is_that_of_init(name):
    model, x, _ = LAYERS[name]
    options = OPTIONS.get(name, {})
    ours = fw.linen.init(model, RNGS, x, **options)
    own = jax.eval_shape(lambda: model.init(RNGS, x, **options))
    assert jax.tree.structure(ours) == jax.tree.structure(own)
    same = jax.tree.map(lambda a, b: (a.shape, a.dtype) == (b.shape, b.dtype), ours, own)
    assert jax.tree.all(same)
    model.apply(ours, x, rngs=RNGS, mutable=True, **options)


def uniform(fan):
    return Uniform(-(fan**-0.5), fan**-0.5)


DEFAULTS = {
    "Dense": {"kernel": uniform(12), "bias": uniform(12)},
    "DenseGeneral": {"kernel": uniform(96), "bias": uniform(96)},
    "Conv 1d": {"kernel": uniform(36), "bias": uniform(36)},
    "Conv 2d, groups": {"kernel": uniform(4 * 15), "bias": uniform(4 * 15)},
    "ConvTranspose 1d": {"kernel": uniform(6 * 3), "bias": uniform(6 * 3)},
    "ConvTranspose 2d, kernel transposed": {"kernel": uniform(36), "bias": uniform(36)},
    "Embed": {"embedding": Normal(0.0, 1.0)},
    "BatchNorm": {
        "scale": Constant(1.0),
        "bias": Constant(0.0),
        "mean": Constant(0.0),
        "var": Constant(1.0),
    },
    "PReLU": {"negative_slope": Constant(0.25)},
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_distributions_are_torchs(name):
    model, x, _ = LAYERS[name]
    found = drawn_from(fw.linen.layers(model, x))
    assert set(found) == set(DEFAULTS[name])
    for array, expected in DEFAULTS[name].items():
        assert type(found[array]) is type(expected)
        assert vars(found[array]) == pytest.approx(vars(expected), rel=1e-12)


def test_attention_draws_from_torchs_packed_matrix():
    found = drawn_from(fw.linen.layers(LAYERS["attention"][0], X))
    packed = (6 / (4 * 12)) ** 0.5
    for name in ("query", "key", "value"):
        assert found[f"{name}/kernel"].high == pytest.approx(packed, rel=1e-12)
        assert found[f"{name}/bias"] == Constant(0.0)
    assert found["out/kernel"].high == pytest.approx(12**-0.5, rel=1e-12)


@pytest.mark.parametrize("name", ["LSTM", "LSTM, optimized", "GRU", "RNN"])
def test_one_bias_for_two_of_torchs_is_their_sum(name):
    model, x, _ = LAYERS[name]
    found = drawn_from(fw.linen.layers(model, x))
    bound = 5**-0.5
    sums = [value for value in found.values() if isinstance(value, Triangular)]
    assert len(sums) == {"LSTM": 4, "LSTM, optimized": 4, "GRU": 2, "RNN": 1}[name]
    assert all(value.high == pytest.approx(2 * bound, rel=1e-12) for value in sums)
    rest = [value for value in found.values() if not isinstance(value, Triangular)]
    assert all(value.high == pytest.approx(bound, rel=1e-12) for value in rest)


def test_half_of_a_sum_is_refused():
    model, x, _ = LAYERS["LSTM"]
    with pytest.raises(ValueError, match="bias_ih_l0 and bias_hh_l0 are added in one array"):
        fw.linen.init(model, RNGS, x, rule=lambda layer: {"bias_ih_l0": fw.zeros()})


def test_both_halves_of_a_sum():
    model, x, _ = LAYERS["LSTM"]
    rule = lambda layer: {"bias_ih_l0": fw.ones(), "bias_hh_l0": fw.constant(2.0)}
    params = fw.linen.init(model, RNGS, x, rule=rule)["params"]["cell"]
    assert all((params[f"h{gate}"]["bias"] == 3).all() for gate in "ifgo")


def test_orthogonal_gates_are_made_as_torch_makes_them():
    """One orthogonal (20, 5) matrix, cut into four gates."""
    model, x, _ = LAYERS["LSTM"]
    rule = lambda layer: {"weight_hh_l0": fw.orthogonal()}
    params = fw.linen.init(model, RNGS, x, rule=rule)["params"]["cell"]
    stacked = np.concatenate([params[f"h{gate}"]["kernel"].T for gate in "ifgo"])
    assert np.allclose(stacked.T @ stacked, np.eye(5), atol=1e-5)
    assert not np.allclose(params["hi"]["kernel"] @ params["hi"]["kernel"].T, np.eye(5), atol=0.1)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("depth", [3, 4])
@pytest.mark.parametrize("is_remat", [False, True])
@pytest.mark.parametrize("structured", [False, True])
def test_stacked_layers_equal_unstacked_ones(axis, depth, is_remat, structured):
    """Depth 4 is as long as the layers are wide, so that shapes do not tell the axis."""
    rule = (lambda layer: {"weight": fw.orthogonal()}) if structured else fw.torch_default
    if structured:
        rule = fw.by_kind({"Linear": {"weight": fw.orthogonal()}})
    x = jnp.zeros((2, 6))
    stacked = fw.linen.init(Stacked(depth, axis, is_remat), RNGS, x, rule=rule)["params"]
    single = fw.linen.init(Unstacked(depth), RNGS, x, rule=rule)["params"]
    assert not differing(flat(stacked["head"]), flat(single["head"]))
    for index in range(depth):
        parts = {
            path: np.asarray(leaf).take(index, min(axis, leaf.ndim - 1))
            for path, leaf in flat(stacked["blocks"]).items()
        }
        if structured:
            parts = {"Dense_0/kernel": parts["Dense_0/kernel"]}
        own = flat(single[f"blocks_{index}"])
        assert not differing(parts, {path: own[path] for path in parts})


def test_layers_of_a_stack_are_listed_one_by_one_in_order_of_execution():
    paths = [layer.path for layer in fw.linen.layers(Stacked(2), jnp.zeros((2, 6)))]
    assert paths == [
        "stem",
        "blocks/0/LayerNorm_0",
        "blocks/0/Dense_0",
        "blocks/1/LayerNorm_0",
        "blocks/1/Dense_0",
        "head",
    ]
    indices = [(layer.index, layer.count) for layer in fw.linen.layers(Stacked(2), X)]
    assert indices == [(index, 6) for index in range(6)]


def test_one_layer_of_a_stack_can_be_started_anew():
    model, x = Stacked(3), jnp.zeros((2, 6))
    before = model.init(RNGS, x)
    rule = fw.by_path({"blocks/1/Dense_0": {"weight": fw.ones()}})
    after = fw.linen.apply(rule, model, before, RNGS["params"], x)
    old, new = flat(before), flat(after)
    kernel = "params/blocks/Dense_0/kernel"
    assert (new[kernel][1] == 1).all()
    assert (new[kernel][::2] == old[kernel][::2]).all()
    assert all(new[path] is old[path] for path in old if path != kernel)


def test_unclaimed_variables_are_listed_and_kept():
    layers = {layer.path: layer for layer in fw.linen.layers(Bare(), X)}
    assert layers[""].kind is None
    assert layers[""].source == "Bare"
    assert dict(layers[""].parameters) == {"position": (8, 12), "steps@counts": ()}
    ours, own = fw.linen.init(Bare(), RNGS, X), Bare().init(RNGS, X)
    assert (ours["params"]["position"] == own["params"]["position"]).all()
    assert ours["counts"]["steps"].dtype == jnp.int32
    assert set(ours) == {"params", "batch_stats", "counts"}


def test_unclaimed_variables_can_be_named_by_a_rule():
    rule = lambda layer: {"position": fw.ones()} if layer.kind is None else None
    assert (fw.linen.init(Bare(), RNGS, X, rule=rule)["params"]["position"] == 1).all()


@pytest.mark.parametrize(
    "model",
    [Bare(), Stacked(), Stacked(depth=4), LAYERS["LSTM"][0]],
    ids=["bare", "stack", "stack as deep as wide", "lstm"],
)
def test_under_jit_as_eagerly(model):
    eagerly = fw.linen.init(model, RNGS, X)
    jitted = jax.jit(lambda rngs: fw.linen.init(model, rngs, X))(RNGS)
    assert not differing(flat(jitted), flat(eagerly))


def test_an_ensemble_by_vmap():
    keys = jax.random.split(RNGS["params"], 3)
    ensemble = jax.vmap(lambda key: fw.linen.init(Stacked(), key, X))(keys)
    for index, key in enumerate(keys):
        member = jax.tree.map(lambda leaf, index=index: leaf[index], ensemble)
        assert not differing(flat(member), flat(fw.linen.init(Stacked(), key, X)))


def test_a_rule_that_is_silent_leaves_the_models_own_init():
    ours = fw.linen.init(Bare(), RNGS, X, rule=lambda layer: None)
    assert not differing(flat(ours), flat(jax.jit(Bare().init)(RNGS, X)))


def test_nothing_is_computed_to_be_thrown_away():
    """The model's own initializers are called abstractly, and for what is kept."""
    concrete = []

    def own(key, shape, dtype=jnp.float32):
        if not isinstance(key, jax.core.Tracer):
            concrete.append(shape)
        return jnp.zeros(shape, dtype)

    model = nn.Dense(7, kernel_init=own, bias_init=own)
    fw.linen.init(model, RNGS, X)
    assert concrete == []
    model.init(RNGS, X)
    assert len(concrete) == 2


def test_values_depend_on_the_path_and_not_on_other_layers():
    class Two(nn.Module):
        is_longer: bool

        @nn.compact
        def __call__(self, x):
            if self.is_longer:
                x = nn.Dense(12, name="new")(x)
            return nn.Dense(3, name="head")(x)

    short, long = (fw.linen.init(Two(longer), RNGS, X)["params"] for longer in (False, True))
    assert not differing(flat(short["head"]), flat(long["head"]))


def test_bfloat16_is_float32_rounded():
    single = fw.linen.init(nn.Dense(7), RNGS, X)["params"]
    x = X.astype(jnp.bfloat16)
    half = fw.linen.init(nn.Dense(7, param_dtype=jnp.bfloat16), RNGS, x)["params"]
    rounded = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), single)
    assert not differing(flat(half), flat(rounded))


def test_sums_in_bfloat16_are_rounded_once():
    biases = {"bias_ih_l0": fw.normal(std=0.1), "bias_hh_l0": fw.uniform(-1, 1)}
    # Flax's own recurrent init is orthogonal, which JAX does not have in bfloat16.
    rule = fw.chain(fw.torch_default, lambda layer: biases)

    def bias(dtype):
        model = nn.RNN(nn.LSTMCell(5, param_dtype=dtype))
        # The cell's carry is float32.
        with jax.numpy_dtype_promotion("standard"):
            variables = fw.linen.init(model, RNGS, X.astype(dtype), rule=rule)
        return variables["params"]["cell"]["hi"]["bias"]

    assert (bias(jnp.bfloat16) == bias(jnp.float32).astype(jnp.bfloat16)).all()


def test_partitioned_parameters_keep_their_boxes():
    kernel = nn.with_partitioning(nn.initializers.lecun_normal(), (None, "model"))
    model = nn.Dense(8, kernel_init=kernel)
    boxed = fw.linen.init(model, RNGS, X)["params"]["kernel"]
    assert isinstance(boxed, nn.Partitioned)
    assert boxed.names == (None, "model")
    plain = fw.linen.init(nn.Dense(8), RNGS, X)["params"]["kernel"]
    assert (boxed.value == plain).all()
    rule, variables = (lambda layer: {"weight": fw.ones()}), model.init(RNGS, X)
    again = fw.linen.apply(rule, model, variables, RNGS["params"], X)
    assert isinstance(again["params"]["kernel"], nn.Partitioned)
    assert (again["params"]["kernel"].value == 1).all()


def test_setup_and_lists_of_modules():
    x = jnp.zeros((1, 8, 8, 3))
    paths = [layer.path for layer in fw.linen.layers(Net(), x)]
    assert paths == ["first", "rest_0", "rest_1"]


def test_inputs_may_be_abstract():
    x = jax.ShapeDtypeStruct(X.shape, X.dtype)
    assert not differing(flat(fw.linen.init(Bare(), RNGS, x)), flat(fw.linen.init(Bare(), RNGS, X)))


def test_other_methods_than_call():
    model = nn.Embed(50, 9)
    layers = fw.linen.layers(model, jnp.zeros((2, 9)), method="attend")
    assert [layer.kind for layer in layers] == ["Embedding"]
    assert fw.linen.layers(model, TOKENS)[0].kind == "Embedding"


def test_apply_changes_what_the_rule_names():
    variables = Bare().init(RNGS, X)
    rule = fw.by_path({"shared": {"bias": fw.constant(5.0)}})
    new = flat(fw.linen.apply(rule, Bare(), variables, jax.random.key(9), X))
    for path, leaf in flat(variables).items():
        if path == "params/shared/bias":
            assert (new[path] == 5).all()
        else:
            assert new[path] is leaf


def test_apply_to_parameters_alone():
    variables = {"params": Bare().init(RNGS, X)["params"]}
    new = fw.linen.apply(fw.torch_default, Bare(), variables, jax.random.key(9), X)
    assert set(new) == {"params"}


def test_apply_refuses_other_variables():
    variables = nn.Dense(5).init(RNGS, X)
    with pytest.raises(ValueError, match=r"params/kernel: \(12, 7\), got \(12, 5\)"):
        fw.linen.apply(fw.torch_default, nn.Dense(7), variables, jax.random.key(9), X)
    half = {"params": {"kernel": jnp.zeros((12, 5))}}
    with pytest.raises(ValueError, match="params/bias: missing"):
        fw.linen.apply(fw.torch_default, nn.Dense(5), half, jax.random.key(9), X)


REFUSED = {
    "class": (lambda: fw.linen.layers(nn.Dense, X), TypeError, "model must be a flax.linen.Module"),
    "key": (lambda: fw.linen.init(nn.Dense(3), 0, X), TypeError, "key must be a JAX PRNG key"),
    "names": (
        lambda: fw.linen.init(nn.Dense(3), {"dropout": jax.random.key(0)}, X),
        ValueError,
        "'params'",
    ),
    "text": (
        lambda: fw.linen.apply(fw.torch_default, nn.Dense(3), {}, "key", X),
        TypeError,
        "key must be",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, error, sentence = REFUSED[name]
    with pytest.raises(error, match=sentence):
        call()


def test_a_users_class_of_the_same_name_is_not_claimed():
    class Dense(nn.Module):
        """Not Flax's."""

        @nn.compact
        def __call__(self, x):
            return x @ self.param("kernel", nn.initializers.ones, (12, 3))

    class Derived(nn.Dense):
        """Flax's, with something more."""

        @nn.compact
        def __call__(self, x):
            return super().__call__(x) * self.param("factor", nn.initializers.ones, ())

    (layer,) = fw.linen.layers(Dense(), X)
    assert layer.kind is None
    assert layer.source == "Dense"
    assert [layer.kind for layer in fw.linen.layers(Derived(3), X)] == ["Linear", None]
