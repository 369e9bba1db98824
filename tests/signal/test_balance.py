"""balance gives each layer's output the variance that was asked for, by one number each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

import fanwise as fw
from tests.signal.networks import MLP, NETWORKS, changed, compiled_once, quick_compilation

TOLERANCE = 0.01
KINDS = ("Dense", "DenseGeneral", "Conv", "ConvTranspose", "Linear")


@pytest.fixture(autouse=True)
def _quick():
    with quick_compilation():
        yield


def variances(model, variables, x, **options):
    """Of the outputs of layers with a matrix, by name."""
    measured = fw.signal.trace(model, variables, x, jax.random.key(0), **options)
    return {
        signal.name: signal.second_moment - signal.mean**2
        for signal in measured.layers
        if signal.source in KINDS
    }


def captured(model, variables, x, **options):
    """The outputs of all modules, as Flax has them."""
    _, state = model.apply(
        variables, x, capture_intermediates=True, mutable=["intermediates"], **options
    )
    return state["intermediates"]


def arrays_of(variables):
    """By path."""
    return {
        jax.tree_util.keystr(path): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables)
    }


def is_one_factor(new, old):
    """Whether an array is another times one number, rounded once."""
    at = np.unravel_index(np.argmax(np.abs(old)), old.shape)
    factor = float(new[at]) / float(old[at])
    return factor > 0 and np.allclose(new, old * factor, rtol=2e-6, atol=0)


@pytest.mark.parametrize("name", ["mlp", "conv", "resnet", "gpt", "stacked"])
def test_every_layer_comes_to_unit_variance_by_one_number(name, key, monkeypatch):
    compiled_once(monkeypatch, name)
    network = NETWORKS[name]
    x = network.inputs(key)
    model, variables = network.built(key), network.started(key, x)
    balanced = fw.signal.balance(model, variables, x, **network.options)
    assert jax.tree.structure(balanced) == jax.tree.structure(variables)
    measured = variances(model, balanced, x, **network.options)
    assert {each: abs(v - 1) <= 1.05 * TOLERANCE for each, v in measured.items()} == dict.fromkeys(
        measured, True
    )
    before, after = arrays_of(variables), arrays_of(balanced)
    scaled = [path for path in after if "kernel" in path]
    assert len(scaled) >= 3
    for path, old in before.items():
        if path not in scaled:
            assert np.array_equal(old, after[path]), path
        elif path.startswith(("['params']['h']", ".blocks", "['blocks']")):
            pairs = list(zip(np.asarray(after[path]), np.asarray(old), strict=True))
            assert all(is_one_factor(*pair) for pair in pairs), path
            assert not is_one_factor(np.asarray(after[path]), np.asarray(old)), path
        else:
            assert is_one_factor(np.asarray(after[path]), np.asarray(old)), path


def test_the_check_of_one_number_can_fail():
    old = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    assert is_one_factor(old * np.float32(1.7), old)
    assert not is_one_factor(-old, old)
    assert not is_one_factor(old * np.linspace(1, 1.0001, 3, dtype=np.float32)[:, None], old)


def test_without_biases_one_step_a_layer_is_exact(key):
    """Each layer's scale is one over the std of its output, given those before it."""
    x = jax.random.normal(key, (16, 24))
    model = nn.Sequential([nn.Dense(20, use_bias=False), nn.tanh, nn.Dense(8, use_bias=False)])
    variables = model.init(key, x)
    balanced = fw.signal.balance(model, variables, x, max_steps=1, tolerance=1e-5)
    first = np.asarray(variables["params"]["layers_0"]["kernel"], np.float64)
    first /= (np.asarray(x, np.float64) @ first).std()
    second = np.asarray(variables["params"]["layers_2"]["kernel"], np.float64)
    second /= (np.tanh(np.asarray(x, np.float64) @ first) @ second).std()
    ours = balanced["params"]
    np.testing.assert_allclose(ours["layers_0"]["kernel"], first, rtol=2e-5)
    np.testing.assert_allclose(ours["layers_2"]["kernel"], second, rtol=2e-5)


def test_another_variance_and_a_tighter_tolerance(key, monkeypatch):
    compiled_once(monkeypatch, "mlp")
    x = NETWORKS["mlp"].inputs(key)
    variables = NETWORKS["mlp"].started(key, x)
    wanted = fw.signal.balance(MLP(), variables, x, target=4.0, tolerance=1e-4)
    measured = variances(MLP(), wanted, x)
    assert all(abs(variance / 4 - 1) < 2e-4 for variance in measured.values())


def test_boxes_are_kept_and_arrays_that_stay_are_the_same_objects(key):
    class Boxed(nn.Module):
        """A partitioned kernel."""

        @nn.compact
        def __call__(self, x):
            init = nn.with_partitioning(nn.initializers.lecun_normal(), (None, "model"))
            return nn.LayerNorm()(nn.Dense(8, kernel_init=init)(x))

    x = jax.random.normal(key, (16, 24))
    variables = Boxed().init(key, x)
    balanced = fw.signal.balance(Boxed(), variables, x)
    assert isinstance(balanced["params"]["Dense_0"]["kernel"], nn.Partitioned)
    assert balanced["params"]["Dense_0"]["bias"] is variables["params"]["Dense_0"]["bias"]
    scale = balanced["params"]["LayerNorm_0"]["scale"]
    assert scale is variables["params"]["LayerNorm_0"]["scale"]


def test_a_layer_that_runs_twice_is_scaled_by_its_first_run(key):
    class Twice(nn.Module):
        """One layer, run on its own output."""

        @nn.compact
        def __call__(self, x):
            layer = nn.Dense(24, name="layer")
            return layer(nn.relu(layer(x)))

    x = jax.random.normal(key, (16, 24))
    balanced = fw.signal.balance(Twice(), Twice().init(key, x), x)
    first, second = captured(Twice(), balanced, x)["layer"]["__call__"]
    assert abs(float(first.var()) - 1) < TOLERANCE
    assert float(second.var()) < 0.9  # of relu's output, with half of the second moment


def test_what_runs_in_a_loop_over_time_stays(key):
    model = nn.Sequential([nn.RNN(nn.MGUCell(8)), nn.Dense(8)])
    x = jax.random.normal(key, (16, 5, 6))
    variables = model.init(key, x)
    balanced = fw.signal.balance(model, variables, x)
    before, after = arrays_of(variables), arrays_of(balanced)
    changed_paths = [path for path in before if after[path] is not before[path]]
    assert changed_paths == ["['params']['layers_1']['kernel']"]


def test_bfloat16_weights_stay_so(key):
    x = jax.random.normal(key, (16, 24), jnp.bfloat16)
    model = nn.Dense(64, param_dtype=jnp.bfloat16, dtype=jnp.bfloat16)
    balanced = fw.signal.balance(model, model.init(key, x), x)
    assert balanced["params"]["kernel"].dtype == jnp.bfloat16
    y = model.apply(balanced, x).astype(jnp.float32)
    assert abs(float(y.var()) - 1) < 2 * TOLERANCE


def test_an_nnx_model_stays_as_it_is_and_takes_the_state(key, monkeypatch):
    compiled_once(monkeypatch, "tanh")
    network = NETWORKS["tanh"]
    x = network.inputs(key)
    model = network.built(key)
    before = arrays_of(jax.tree.map(np.asarray, nnx.state(model)))
    state = fw.signal.balance(model, None, x)
    after = arrays_of(nnx.state(model))
    assert all(np.array_equal(before[path], after[path]) for path in before)
    nnx.update(model, state)
    measured = variances(model, None, x)
    assert all(abs(variance - 1) < 1.05 * TOLERANCE for variance in measured.values())


def test_dropout_is_the_same_in_each_pass(key):
    model = nn.Sequential([nn.Dense(64), nn.Dropout(0.5, deterministic=False), nn.Dense(64)])
    x = jax.random.normal(key, (16, 32))
    keys = {"params": key, "dropout": jax.random.fold_in(key, 1)}
    variables = model.init(keys, x)
    balanced = fw.signal.balance(model, variables, x, key=keys, tolerance=1e-3, max_steps=1)
    outputs = captured(model, balanced, x, rngs=keys)
    for name in ("layers_0", "layers_2"):
        assert abs(float(outputs[name]["__call__"][0].var()) - 1) < 2e-3


WRONG = {
    "zeros": (lambda array: array * 0, "kernel", {}, "dense_1 must vary .* got zeros"),
    "nan": (lambda array: array * jnp.nan, "kernel", {}, "dense_1 must be finite, got NaN"),
    "biases": (
        lambda array: array + 3 * jnp.cos(jnp.arange(64.0)),
        "bias",
        {},
        r"dense_1 has a variance of 4.* after max_steps=10 steps, not target=1 .*smaller biases",
    ),
    "one step": (
        lambda array: array + 0.5 * jnp.cos(jnp.arange(64.0)),
        "bias",
        {"max_steps": 1},
        "dense_1 has a variance of .* after max_steps=1 steps",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_layer_that_cannot_be_balanced_is_named(name, key, monkeypatch):
    change, array, arguments, text = WRONG[name]
    compiled_once(monkeypatch, "mlp")
    x = NETWORKS["mlp"].inputs(key)
    variables = fw.linen.init(MLP(), key, x, rule=fw.signal.CANDIDATES["flax_default"])
    worse = changed(variables, f"params/dense_1/{array}", change)
    with pytest.raises(ValueError, match=text):
        fw.signal.balance(MLP(), worse, x, **arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"target": 0.0}, ValueError, "target must be a number greater than 0"),
        ({"target": "1"}, TypeError, "target must be a number greater than 0, got '1'"),
        ({"tolerance": -0.1}, ValueError, "tolerance must be a number greater than 0"),
        ({"max_steps": 0}, ValueError, "max_steps must be a positive integer, got 0"),
        ({"max_steps": 1.5}, TypeError, "max_steps must be a positive integer, got 1.5"),
    ],
)
def test_arguments_that_cannot_be(arguments, error, text, key):
    x = jnp.ones((2, 3))
    with pytest.raises(error, match=text):
        fw.signal.balance(nn.Dense(2), {}, x, **arguments)


def test_no_model(key):
    with pytest.raises(TypeError, match=r"model must be a flax\.linen\.Module or an nnx\.Module"):
        fw.signal.balance(lambda x: x, {}, jnp.ones(3))
