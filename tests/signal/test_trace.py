"""What a trace says, against the same computed by hand.

Everything here is exact: second moments of activations are recomputed from intermediates that
Flax captures, gradients by differentiating with respect to a perturbation of each output.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

import fanwise as fw
from tests.signal.models import (
    Attention,
    Chain,
    NnxChain,
    NnxStacked,
    Stacked,
    UNet,
    batch,
)

pytestmark = pytest.mark.usefixtures("quick_compilation")


def relative(x, y):
    return abs(x - y) / max(abs(y), 1e-30)


def weighted(outputs):
    """A loss with a gradient that tests know."""
    return jnp.sum(outputs * jnp.cos(jnp.arange(outputs.size).reshape(outputs.shape)))


def captured(model, variables, x, **options):
    """The outputs of all modules, by path."""
    _, state = model.apply(
        variables,
        x,
        capture_intermediates=True,
        mutable=["intermediates", "batch_stats"],
        **options,
    )
    leaves = jax.tree_util.tree_leaves_with_path(state["intermediates"])
    found = {}
    for path, leaf in leaves:
        names = [str(getattr(k, "key", k)) for k in path]
        found.setdefault("/".join(names[: names.index("__call__")]), leaf)
    return found


def test_a_chain_by_hand(key):
    x = batch(key, 16, 10)
    model = Chain()
    variables = fw.linen.init(model, key, x)
    measured = fw.signal.trace(model, variables, x, key, loss=weighted)
    assert [layer.path for layer in measured.layers] == [f"Dense_{i}" for i in range(4)]
    assert [layer.kind for layer in measured.layers] == ["Linear"] * 4
    assert [layer.activation for layer in measured.layers] == ["relu"] * 3 + [None]
    assert [layer.before for layer in measured.layers] == [None, 0, 1, 2]
    assert [block.path for block in measured.blocks] == [""]
    outputs = captured(model, variables, x)

    def perturbed(params, offsets):
        h = x
        for index in range(4):
            own = params[f"Dense_{index}"]
            h = h @ own["kernel"] + own["bias"] + offsets[index]
            h = nn.relu(h) if index < 3 else h
        return weighted(h)

    offsets = [jnp.zeros(outputs[f"Dense_{i}"].shape) for i in range(4)]
    of_weights, of_outputs = jax.grad(perturbed, (0, 1))(variables["params"], offsets)
    previous = x
    for index, layer in enumerate(measured.layers):
        output = np.asarray(outputs[layer.path], np.float64)
        centered = output - output.mean()
        kurtosis = (centered**4).mean() / (centered**2).mean() ** 2
        assert layer.shape == output.shape
        assert relative(layer.second_moment, (output**2).mean()) < 1e-5
        assert relative(math.exp(layer.log_input), float((previous**2).mean())) < 1e-5
        assert layer.mean == pytest.approx(output.mean(), abs=1e-6)
        assert relative(layer.kurtosis, kurtosis) < 1e-4
        eigenvalues = np.linalg.svd(output, compute_uv=False) ** 2
        rank = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
        assert relative(layer.effective_rank, rank) < 1e-5
        gradient = np.asarray(of_outputs[index], np.float64)
        assert relative(layer.gradient, (gradient**2).mean()) < 1e-4
        kernel = np.asarray(of_weights[layer.path]["kernel"], np.float64)
        assert relative(layer.weight_gradient, (kernel**2).mean()) < 1e-4
        assert layer.no_gradient == pytest.approx((gradient == 0).all(0).mean())
        if layer.activation:
            assert layer.idle == pytest.approx((output <= 0).mean())
            assert layer.idle_units == pytest.approx((output <= 0).all(0).mean())
        else:
            assert math.isnan(layer.idle)
        if index:
            before = measured.layers[index - 1]
            assert layer.ratio == pytest.approx(layer.second_moment / before.second_moment)
        previous = jnp.maximum(outputs[layer.path], 0)
    assert math.isnan(measured.layers[0].ratio)
    assert measured.log_output == measured.blocks[0].log_second_moment
    assert math.exp(measured.log_input) == pytest.approx(float((x**2).mean()), rel=1e-5)


def test_without_a_loss_the_gradient_at_the_output_is_standard_normal(key):
    x = batch(key, 64, 10)
    model = Chain(widths=(8, 1000))
    measured = fw.signal.trace(model, fw.linen.init(model, key, x), x, key)
    # 64,000 squares of standard normals: a std of 0.0056; beyond 6 of it once in 5e8 keys.
    assert abs(measured.layers[-1].gradient - 1) < 0.034


@pytest.mark.parametrize("is_rematerialized", [False, True])
def test_scanned_blocks_are_the_layers_one_by_one(key, is_rematerialized):
    x = batch(key, 8, 12)
    apart = Stacked(is_scanned=False)
    variables = fw.linen.init(apart, key, x)
    blocks = [variables["params"][f"blocks_{index}"] for index in range(3)]
    stacked = {
        "blocks": jax.tree.map(lambda *each: jnp.stack(each), *blocks),
        "head": variables["params"]["head"],
    }
    scanned = Stacked(is_rematerialized=is_rematerialized)
    one = fw.signal.trace(apart, variables, x, key, loss=weighted)
    other = fw.signal.trace(scanned, {"params": stacked}, x, key, loss=weighted)
    names = [layer.path.replace("blocks_", "blocks/") for layer in one.layers]
    assert [layer.path for layer in other.layers] == names
    assert names[:4] == ["blocks/0/norm", "blocks/0/up", "blocks/0/down", "blocks/1/norm"]
    assert [b.path for b in other.blocks] == ["blocks/0", "blocks/1", "blocks/2", ""]
    for ours, theirs in zip(other.layers + other.blocks, one.layers + one.blocks, strict=True):
        for name in ("log_second_moment", "log_gradient", "log_weight_gradient", "kurtosis"):
            assert getattr(ours, name) == pytest.approx(
                getattr(theirs, name), abs=1e-4, nan_ok=True
            )
        assert ours.activation == theirs.activation


def test_unet_with_batch_norm_in_training(key):
    x = batch(key, 2, 8, 8, 3)
    model = UNet()
    variables = fw.linen.init(model, key, x)
    before = jax.tree.map(np.asarray, variables)
    measured = fw.signal.trace(model, variables, x, key, train=True)
    outputs = captured(model, variables, x, train=True)
    for layer in measured.layers:
        mean = float(jnp.square(outputs[layer.path]).mean())
        assert relative(layer.second_moment, mean) < 1e-5
    norm = measured["BatchNorm_0"]
    assert norm.second_moment == pytest.approx(1, abs=1e-3)
    assert measured["Conv_0"].is_normalized
    assert not norm.is_normalized
    assert norm.activation == measured["ConvTranspose_0"].activation == "relu"
    # Used twice: by the next layer and by the concatenation.
    assert measured.layers[measured["Conv_1"].before] == norm
    assert measured["Conv_2"].before is None
    assert math.isnan(measured["Conv_2"].log_expected_gradient)
    for one, other in zip(jax.tree.leaves(before), jax.tree.leaves(variables), strict=True):
        assert np.array_equal(one, other)


def test_attention_tokens_and_dropout(key):
    tokens = jax.random.randint(key, (3, 7), 0, 11)
    model = Attention()
    variables = fw.linen.init(model, key, tokens)
    measured = fw.signal.trace(model, variables, tokens, key, train=True)
    at = "MultiHeadDotProductAttention_0"
    assert [layer.path for layer in measured.layers] == [
        "Embed_0",
        "LayerNorm_0",
        f"{at}/query",
        f"{at}/key",
        f"{at}/value",
        f"{at}/out",
        "Dropout_0",
        "Dense_0",
    ]
    assert math.isnan(measured.log_input)
    assert math.isnan(measured["Embed_0"].log_input)
    assert measured[at].kind == "MultiheadAttention"
    assert measured["Dropout_0"].second_moment > 1.2 * math.exp(measured["Dropout_0"].log_input)
    assert measured[f"{at}/query"].weight_gradient > 0
    keys = {"params": key, "dropout": jax.random.fold_in(key, 1)}
    other = fw.signal.trace(model, variables, tokens, keys, train=True)
    assert other["Dropout_0"].second_moment != measured["Dropout_0"].second_moment


def test_nnx_equals_linen(key):
    x = batch(key, 16, 10)
    model = NnxChain(rngs=nnx.Rngs(0))
    linen = Chain()
    params = {
        f"Dense_{i}": {"kernel": layer.kernel[...], "bias": layer.bias[...]}
        for i, layer in enumerate(model.layers)
    }
    one = fw.signal.trace(linen, {"params": params}, x, key, loss=weighted)
    other = fw.signal.trace(model, None, x, key, loss=weighted)
    assert [layer.path for layer in other.layers] == [f"layers/{i}" for i in range(4)]
    for ours, theirs in zip(other.layers, one.layers, strict=True):
        assert ours.log_second_moment == pytest.approx(theirs.log_second_moment, abs=1e-5)
        assert ours.log_gradient == pytest.approx(theirs.log_gradient, abs=1e-5)
        assert ours.log_weight_gradient == pytest.approx(theirs.log_weight_gradient, abs=1e-5)
        assert (ours.activation, ours.kind) == (theirs.activation, theirs.kind)
    doubled = jax.tree.map(lambda leaf: 2 * leaf, nnx.state(model))
    state = fw.signal.trace(model, doubled, x, key)
    first = other.layers[0]
    assert state.layers[0].second_moment == pytest.approx(4 * first.second_moment, rel=1e-5)


def test_nnx_stacks_and_the_model_is_left_as_it_is(key):
    x = batch(key, 8, 12)
    model = NnxStacked(rngs=nnx.Rngs(0))
    graphdef, state = nnx.split(model)
    measured = fw.signal.trace(model, None, x, key)
    assert [layer.path for layer in measured.layers] == [
        *(f"blocks/{i}/{name}" for i in range(3) for name in ("norm", "up", "down")),
        "head",
    ]
    after, left = nnx.split(model)
    assert after == graphdef
    assert jax.tree.all(jax.tree.map(jnp.array_equal, state, left))
    for index in range(3):
        block = jax.tree.map(lambda leaf, at=index: leaf[at], nnx.state(model.blocks))
        own = measured[f"blocks/{index}/up"]
        kernel = block["up"]["kernel"][...]
        assert own.kind == "Linear"
        # Batch-normalized inputs: their second moment is 1 but for epsilon.
        expected = jnp.square(kernel).sum() / kernel.shape[1]
        assert relative(own.second_moment, float(expected)) < 0.5
        assert measured.layers[own.before].path == f"blocks/{index}/norm"


class Twice(nn.Module):
    @nn.compact
    def __call__(self, x):
        layer = nn.Dense(10, name="shared")
        return layer(nn.tanh(layer(x)))


class Recurrent(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.RNN(nn.SimpleCell(6), name="rnn")(x))


class Chosen(nn.Module):
    @nn.compact
    def __call__(self, x):
        first, second = nn.Dense(4, name="first"), nn.Dense(4, name="second")
        if self.is_initializing():
            return first(x) + second(x)
        return nn.cond(x[0, 0] > 100, first_of, second_of, self, x)


def first_of(module, x):
    return nn.Dense(4, name="first", parent=module)(x)


def second_of(module, x):
    return nn.Dense(4, name="second", parent=module)(x)


class Looped(nn.Module):
    @nn.compact
    def __call__(self, x):
        layer = nn.Dense(10, name="layer")
        if self.is_initializing():
            return layer(x)
        return nn.while_loop(
            lambda m, c: c[0] < 3, lambda m, c: (c[0] + 1, layer(c[1])), self, (0, x)
        )[1]


def test_a_layer_that_runs_twice(key):
    x = batch(key, 16, 10)
    measured = fw.signal.trace(Twice(), Twice().init(key, x), x, key)
    assert [layer.name for layer in measured.layers] == ["shared", "shared (call 2)"]
    assert measured.layers[1].before == 0
    assert measured.layers[0].activation == "tanh"


def test_loops_over_time_are_averaged(key):
    x = batch(key, 4, 9, 5)
    variables = Recurrent().init(key, x)
    measured = fw.signal.trace(Recurrent(), variables, x, key)
    paths = [layer.path for layer in measured.layers]
    assert len(paths) == len(set(paths))
    outputs = nn.RNN(nn.SimpleCell(6, parent=None)).apply(
        {"params": {"cell": variables["params"]["rnn"]["cell"]}}
        if "cell" in variables["params"].get("rnn", {})
        else {"params": {"cell": variables["params"]["SimpleCell_0"]}},
        x,
    )
    mean = float(jnp.square(outputs).mean())
    assert relative(measured["rnn"].second_moment, mean) < 1e-5
    assert relative(measured["SimpleCell_0"].second_moment, mean) < 1e-5


def test_the_branch_that_does_not_run_is_nan(key):
    x = batch(key, 4, 6)
    measured = fw.signal.trace(Chosen(), Chosen().init(key, x), x, key)
    assert math.isnan(measured["first"].log_second_moment)
    assert measured["second"].second_moment > 0


def test_layers_in_a_while_loop_are_refused(key):
    x = batch(key, 4, 10)
    variables = Looped().init(key, x)
    with pytest.raises(ValueError, match="got layers in a 'while'"):
        fw.signal.trace(Looped(), variables, x, key)


def test_extremes_are_measured_and_not_lost(key):
    x = batch(key, 4, 10)
    variables = Chain().init(key, x)
    for factor in (1e-18, 1e17):
        scaled = jax.tree.map(lambda leaf, by=factor: by * leaf, variables)
        measured = fw.signal.trace(Chain(widths=(24, 5)), _first_two(scaled), x, key)
        plain = fw.signal.trace(Chain(widths=(24, 5)), _first_two(variables), x, key)
        for index in (0, 1):
            expected = plain.layers[index].log_second_moment
            expected += 2 * (index + 1) * math.log(factor)
            assert measured.layers[index].log_second_moment == pytest.approx(expected, abs=1e-3)
    zero = jax.tree.map(jnp.zeros_like, variables)
    measured = fw.signal.trace(Chain(), zero, x, key)
    assert {layer.log_second_moment for layer in measured.layers} == {-math.inf}
    assert {layer.second_moment for layer in measured.layers} == {0.0}
    wrong = jax.tree.map(lambda leaf: leaf, variables)
    wrong["params"]["Dense_1"]["bias"] = jnp.full(20, jnp.nan).at[:10].set(0.0)
    measured = fw.signal.trace(Chain(), wrong, x, key)
    assert [layer.finite for layer in measured.layers] == [1.0, 0.5, 0.0, 0.0]
    assert math.isnan(measured.layers[1].log_second_moment)


def _first_two(variables):
    params = variables["params"]
    last = {"kernel": params["Dense_1"]["kernel"][:, :5], "bias": jnp.zeros(5)}
    return {"params": {"Dense_0": params["Dense_0"], "Dense_1": last}}


def test_bfloat16_models(key):
    x = batch(key, 16, 10)
    full = nn.Sequential([nn.Dense(12), nn.relu, nn.Dense(3)])
    half = nn.Sequential([nn.Dense(12, dtype=jnp.bfloat16), nn.relu, nn.Dense(3)])
    variables = full.init(key, x)
    with jax.numpy_dtype_promotion("standard"):  # Flax's own layer asks for it
        measured = fw.signal.trace(half, variables, x, key)
    full = fw.signal.trace(full, variables, x, key)
    for ours, theirs in zip(measured.layers, full.layers, strict=True):
        assert ours.log_second_moment == pytest.approx(theirs.log_second_moment, abs=0.02)


def test_several_inputs_and_methods(key):
    class Two(nn.Module):
        def setup(self):
            self.one, self.other = nn.Dense(4), nn.Dense(4)

        def __call__(self, x, y, scale=1.0):
            return self.one(x) + scale * self.other(y)

        def half(self, x):
            return self.one(x)

    x, y = batch(key, 3, 5), batch(key, 3, 6)
    variables = Two().init(key, x, y)
    measured = fw.signal.trace(Two(), variables, (x, y), key, scale=2.0)
    assert [layer.path for layer in measured.layers] == ["one", "other"]
    half = fw.signal.trace(
        Two(), {"params": {"one": variables["params"]["one"]}}, x, key, method="half"
    )
    assert [layer.path for layer in half.layers] == ["one"]


def test_refusals(key):
    x = batch(key, 4, 10)
    variables = Chain().init(key, x)
    with pytest.raises(TypeError, match=r"model must be a flax\.linen\.Module or an nnx\.Module"):
        fw.signal.trace(lambda x: x, variables, x, key)
    with pytest.raises(ValueError, match="variables must be those of the model"):
        fw.signal.trace(Chain(widths=(3,)), variables, x, key)
    with pytest.raises(TypeError, match="key must be a JAX PRNG key"):
        fw.signal.trace(Chain(), variables, x, 0)
    with pytest.raises(KeyError, match=r"path must be one of Dense_0, .* got 'Dense_9'"):
        fw.signal.trace(Chain(), variables, x, key)["Dense_9"]
    embed = nn.Embed(3, 4)
    with pytest.raises(ValueError, match=r"none ran; give method="):
        fw.signal.trace(embed, embed.init(key, jnp.arange(3)), x[:, :4], key, method="attend")
