"""Haiku functions of several layers: what is listed, what moves, stacks, jit, refusals."""

import haiku as hk
import jax
import jax.numpy as jnp
import pytest

import fanwise as fw
from fanwise.keys import path_keys
from tests.same_bits import differing

KEY = jax.random.key(3)
X = jnp.ones((2, 6))


def flat(params):
    return {f"{module}/{name}": a for module, own in params.items() for name, a in own.items()}


def net(x):
    x = hk.nets.MLP([5, 3], name="mlp")(x)
    x = x * hk.get_parameter("gain", [3], x.dtype, init=hk.initializers.RandomNormal())
    shared = hk.Linear(3, name="shared")
    return hk.Linear(2, name="head")(shared(shared(x)))


def block(x):
    return jax.nn.relu(hk.Linear(4)(hk.LayerNorm(-1, True, True)(x)))


def stacked(x):
    x = hk.Linear(4, name="stem")(x)
    x = hk.layer_stack(3, name="blocks")(block)(x)
    return hk.Linear(2, name="head")(x)


NET, STACKED = hk.transform(net), hk.transform(stacked)


def test_all_arrays_are_listed_once_in_order_of_execution():
    """But those that no module has come last."""
    layers = fw.haiku.layers(NET, X)
    assert [(layer.path, layer.kind) for layer in layers] == [
        ("mlp/~/linear_0", "Linear"),
        ("mlp/~/linear_1", "Linear"),
        ("shared", "Linear"),
        ("head", "Linear"),
        ("", None),
    ]
    names = [leaf.name for layer in layers for leaf in layer.leaves]
    assert sorted(names) == sorted(flat(NET.init(KEY, X)))
    assert [layer.index for layer in layers] == list(range(5))


def test_values_are_those_of_the_path():
    params = fw.haiku.init(NET, KEY, X)
    (key,) = path_keys(KEY, ["head/w"])
    expected = fw.bias_uniform(3).distribution((3, 2)).sample(key, (3, 2))
    assert not differing([params["head"]["w"]], [expected])


def test_what_the_rule_leaves_alone_is_the_librarys():
    ours = flat(fw.haiku.init(NET, KEY, X, rule=fw.by_path({"head": fw.torch_default})))
    own = flat(jax.jit(NET.init)(KEY, X))
    rest = {path: array for path, array in ours.items() if not path.startswith("head/")}
    assert not differing(rest, {path: own[path] for path in rest})
    assert differing([ours["head/w"]], [own["head/w"]])


def test_apply_touches_what_the_rule_names_and_nothing_else():
    params = NET.init(KEY, X)
    new = fw.haiku.apply(fw.by_path({"head": fw.torch_default}), NET, params, KEY, X)
    before, after = flat(params), flat(new)
    assert {path for path in before if after[path] is not before[path]} == {"head/w", "head/b"}
    started = flat(fw.haiku.init(NET, KEY, X))
    assert not differing([after["head/w"]], [started["head/w"]])


def test_apply_with_a_state_takes_the_parameters():
    def function(x):
        with jax.numpy_dtype_promotion("standard"):
            return hk.BatchNorm(True, True, 0.9)(hk.Linear(3)(x), is_training=True)

    transformed = hk.transform_with_state(function)
    params, _ = transformed.init(KEY, X)
    new = fw.haiku.apply(fw.torch_default, transformed, params, KEY, X)
    assert jax.tree.structure(new) == jax.tree.structure(params)
    expected, state = fw.haiku.init(transformed, KEY, X)
    assert not differing(flat(new), flat(expected))
    assert (state["batch_norm/~/var_ema"]["average"] == 1).all()


def test_layers_of_a_stack_are_listed_one_by_one():
    assert [layer.path for layer in fw.haiku.layers(STACKED, X)] == [
        "stem",
        *(f"blocks/{i}/{name}" for i in range(3) for name in ("layer_norm", "linear")),
        "head",
    ]


@pytest.mark.parametrize("structured", [False, True])
def test_stacked_layers_are_drawn_one_by_one(structured):
    rule = fw.torch_default
    if structured:
        rule = fw.by_kind({"Linear": {"weight": fw.orthogonal()}})
    weights = fw.haiku.init(STACKED, KEY, X, rule=rule)["blocks/linear"]["w"]
    assert weights.shape == (3, 4, 4)
    for index in range(3):
        if structured:
            (key,) = path_keys(KEY, [f"blocks/{index}/linear:Linear:weight"])
            expected = fw.orthogonal().distribution((4, 4), "OI").sample(key, (4, 4)).T
        else:
            (key,) = path_keys(KEY, [f"blocks/{index}/linear/w"])
            expected = fw.distributions.Uniform(-0.5, 0.5).sample(key, (4, 4))
        assert not differing([weights[index]], [expected])


def test_stacked_layers_equal_unstacked_ones():
    def unstacked(x):
        x = hk.Linear(4, name="stem")(x)
        for index in range(3):
            with hk.name_scope(f"blocks_{index}"):
                x = block(x)
        return hk.Linear(2, name="head")(x)

    ours = fw.haiku.init(STACKED, KEY, X)
    single = fw.haiku.init(hk.transform(unstacked), KEY, X)
    for index in range(3):
        for name in ("w", "b"):
            own = single[f"blocks_{index}/linear"][name]
            assert not differing([ours["blocks/linear"][name][index]], [own])


def test_a_stack_in_a_stack():
    def nested(x):
        inner = lambda y: hk.layer_stack(3, name="inner")(lambda z: hk.Linear(6)(z))(y)
        return hk.layer_stack(2, name="outer")(inner)(x)

    layers = fw.haiku.layers(hk.transform(nested), X)
    assert [layer.path for layer in layers] == [
        f"outer/{i}/inner/{j}/linear" for i in range(2) for j in range(3)
    ]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: hk.remat(hk.Linear(3))(x),
        lambda x: hk.vmap(lambda y: hk.Linear(3)(y), split_rng=False)(x),
        lambda x: hk.to_module(lambda y: hk.Linear(3)(y))(name="outer")(x),
        lambda x: hk.scan(lambda c, y: (c, hk.running_init()), hk.Linear(3)(x), jnp.ones(3))[0],
    ],
)
def test_modules_are_found_inside_of_transformations(function):
    (layer,) = fw.haiku.layers(hk.transform(function), X)
    assert layer.kind == "Linear"


def test_several_functions_of_one_transform():
    def make():
        encode, decode = hk.Linear(3, name="encode"), hk.Linear(6, name="decode")
        return lambda x: decode(encode(x)), (encode, decode)

    layers = fw.haiku.layers(hk.multi_transform(make), X)
    assert [(layer.path, layer.kind) for layer in layers] == [
        ("encode", "Linear"),
        ("decode", "Linear"),
    ]


def test_one_layer_of_a_stack_can_be_started_anew():
    before = STACKED.init(KEY, X)
    rule = fw.by_path({"blocks/1/linear": {"weight": fw.ones()}})
    after = fw.haiku.apply(rule, STACKED, before, KEY, X)
    old, new = before["blocks/linear"]["w"], after["blocks/linear"]["w"]
    assert (new[1] == 1).all()
    assert not differing([new[::2]], [old[::2]])
    assert after["blocks/linear"]["b"] is before["blocks/linear"]["b"]


def test_under_jit():
    eager = fw.haiku.init(NET, KEY, X)
    jitted = jax.jit(lambda key, x: fw.haiku.init(NET, key, x))(KEY, X)
    assert not differing(flat(eager), flat(jitted))
    apply = lambda params, key: fw.haiku.apply(fw.torch_default, NET, params, key, X)
    assert not differing(flat(apply(eager, KEY)), flat(jax.jit(apply)(eager, KEY)))


def test_bfloat16_is_float32_rounded():
    wide = fw.haiku.init(NET, KEY, X)
    narrow = fw.haiku.init(NET, KEY, X.astype(jnp.bfloat16))
    for path in ("mlp/~/linear_0/w", "head/b"):
        assert flat(narrow)[path].dtype == jnp.bfloat16
        assert not differing([flat(narrow)[path]], [flat(wide)[path].astype(jnp.bfloat16)])


def test_arguments_that_are_no_arrays():
    def function(x, is_training):
        return hk.Linear(3 if is_training else 4)(x)

    transformed = hk.transform(function)
    assert fw.haiku.init(transformed, KEY, X, True)["linear"]["w"].shape == (6, 3)
    assert fw.haiku.init(transformed, KEY, X, False)["linear"]["w"].shape == (6, 4)


def test_haikus_own_networks():
    def function(x):
        with jax.numpy_dtype_promotion("standard"):
            return hk.nets.ResNet18(10)(x, is_training=True)

    transformed = hk.transform_with_state(function)
    layers = fw.haiku.layers(transformed, jnp.zeros((1, 64, 64, 3)))
    kinds = [layer.kind for layer in layers]
    assert (kinds.count("Conv2d"), kinds.count("BatchNorm"), kinds.count("Linear")) == (20, 20, 1)
    rest = {name for layer in layers if layer.kind is None for name in layer.parameters}
    assert rest == {"counter", "hidden"}


@pytest.mark.parametrize("positional", [False, True])
def test_a_table_that_was_given_stays(positional):
    table = jnp.arange(12.0).reshape(4, 3)

    def function(x):
        embed = hk.Embed(4, 3, table) if positional else hk.Embed(embedding_matrix=table)
        return embed(x), hk.Embed(4, 3, name="other")(x)

    transformed, x = hk.transform(function), jnp.zeros(2, jnp.int32)
    assert [layer.kind for layer in fw.haiku.layers(transformed, x)] == [None, "Embedding"]
    assert not differing([fw.haiku.init(transformed, KEY, x)["embed"]["embeddings"]], [table])


def test_normalizations_that_torch_does_not_have_are_not_claimed():
    over_rows = hk.transform(lambda x: hk.LayerNorm(0, True, True)(x))
    (layer,) = fw.haiku.layers(over_rows, X)
    assert layer.kind is None


def test_attention_of_widths_that_torch_does_not_have_is_four_linear_layers():
    def function(x):
        w_init = hk.initializers.VarianceScaling()
        return hk.MultiHeadAttention(2, 4, w_init=w_init, model_size=6)(x, x, x)

    layers = fw.haiku.layers(hk.transform(function), jnp.ones((5, 8)))
    assert [layer.kind for layer in layers] == ["Linear"] * 4


def test_what_is_lost_is_said():
    lstm = hk.transform(lambda x: hk.LSTM(5)(x, hk.LSTM(5).initial_state(2)))
    gru = hk.transform(lambda x: hk.GRU(5)(x, hk.GRU(5).initial_state(2)))
    assert "adds 1" in " ".join(fw.haiku.layers(lstm, X)[0].lost)
    assert "bias_hh, its last third" in fw.haiku.layers(gru, X)[0].lost


def test_half_of_a_sum_is_refused():
    lstm = hk.transform(lambda x: hk.LSTM(5)(x, hk.LSTM(5).initial_state(2)))
    with pytest.raises(ValueError, match="bias_ih and bias_hh are added in one array"):
        fw.haiku.init(lstm, KEY, X, rule=lambda layer: {"bias_ih": fw.zeros()})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda params: params.pop("head"), "head/w: missing"),
        (lambda params: params.update(tail={"w": X}), "tail/w: not known"),
        (lambda params: params["head"].update(w=X), r"head/w: \(3, 2\), got \(2, 6\)"),
    ],
)
def test_parameters_of_another_function_are_refused(change, message):
    params = NET.init(KEY, X)
    change(params)
    with pytest.raises(ValueError, match=message):
        fw.haiku.apply(fw.torch_default, NET, params, KEY, X)


def test_what_is_no_key_or_function_is_refused():
    with pytest.raises(TypeError, match="key must be a JAX PRNG key"):
        fw.haiku.init(NET, 0, X)
    with pytest.raises(TypeError, match=r"transformed must be what hk\.transform"):
        fw.haiku.layers(net, X)
