"""The five rules that are compared: what each draws, and that ``flax_default`` is Flax's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import fanwise as fw
from fanwise.distributions import Constant, Normal, Uniform
from fanwise.layers import Layer
from fanwise.rules import answer_of
from fanwise.signal.candidates import CANDIDATES, flax_default
from fanwise.testing import Budget, ks_two_sample

# Two samples of 6e4 values and a false-alarm rate of 1e-6 for the file together tell two laws
# whose cdfs differ by 0.05 at one place, a scale that is 25 % off among them.
BUDGET = Budget(total=1e-6, assertions=100)
LEAST = 60_000

IMAGE, ROW = jnp.ones((1, 4, 4, 96)), jnp.ones((1, 3, 256))
ODD = {"kernel_init": fw.constant(7.0), "bias_init": fw.constant(7.0)}
RECURRENT = {**ODD, "recurrent_kernel_init": fw.constant(7.0)}

LINEN = {
    "Dense": (linen.Dense, {"features": 300}, ODD, ROW),
    "DenseGeneral": (linen.DenseGeneral, {"features": (20, 15)}, ODD, ROW),
    "Conv": (
        linen.Conv,
        {"features": 96, "kernel_size": (3, 5), "feature_group_count": 2},
        ODD,
        IMAGE,
    ),
    "ConvTranspose": (linen.ConvTranspose, {"features": 96, "kernel_size": (3, 3)}, ODD, IMAGE),
    "Embed": (
        linen.Embed,
        {"num_embeddings": 500, "features": 128},
        {"embedding_init": fw.constant(7.0)},
        jnp.ones((1, 3), jnp.int32),
    ),
    "attention": (linen.MultiHeadDotProductAttention, {"num_heads": 4}, ODD, ROW),
    "wide attention": (
        linen.MultiHeadDotProductAttention,
        {"num_heads": 4, "qkv_features": 320},
        ODD,
        ROW,
    ),
    "LSTM": (linen.LSTMCell, {"features": 256}, RECURRENT, ROW),
    "BatchNorm": (
        linen.BatchNorm,
        {"use_running_average": True},
        {"scale_init": fw.constant(7.0), "bias_init": fw.constant(7.0)},
        ROW,
    ),
}


def _arrays(tree):
    return {
        jax.tree_util.keystr(path): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _assert_same_laws(ours, theirs):
    """Array by array: constants exactly, orthogonal matrices as such, the rest statistically."""
    assert ours.keys() == theirs.keys()
    for path, own in ours.items():
        flax = theirs[path]
        assert own.shape == flax.shape
        if np.ptp(flax) == 0:
            np.testing.assert_array_equal(own, flax, err_msg=path)
        elif _is_orthogonal(flax):
            assert _is_orthogonal(own), path
        else:
            assert own.size >= LEAST
            check = ks_two_sample(own, flax, BUDGET.each)
            assert check.notices < 0.05
            assert check.passed, (path, str(check))


def _is_orthogonal(array):
    if array.ndim != 2:
        return False
    short = array if array.shape[0] <= array.shape[1] else array.T
    return np.allclose(short @ short.T, np.eye(len(short)), atol=1e-5)


def _linen(name, key):
    cls, sizes, odd, x = LINEN[name]
    model = linen.RNN(cls(**sizes)) if "recurrent_kernel_init" in odd else cls(**sizes)
    changed = cls(**sizes, **odd)
    changed = linen.RNN(changed) if "recurrent_kernel_init" in odd else changed
    return model, changed, (x, x) if "attention" in name else (x,)


@pytest.mark.parametrize("name", LINEN)
def test_flax_default_is_what_linen_draws_whatever_initializers_the_model_has(name, key):
    model, changed, inputs = _linen(name, key)
    ours, theirs = jax.random.split(key)
    started = fw.linen.init(changed, ours, *inputs, rule=flax_default)
    _assert_same_laws(_arrays(started), _arrays(model.init(theirs, *inputs)))


NNX = {
    "Linear": lambda rngs: nnx.Linear(256, 300, rngs=rngs),
    "OptimizedLSTM": lambda rngs: nnx.OptimizedLSTMCell(256, 256, rngs=rngs),
    "WeightNorm": lambda rngs: nnx.WeightNorm(nnx.Linear(256, 300, rngs=rngs), rngs=rngs),
}


@pytest.mark.parametrize("name", NNX)
def test_flax_default_is_what_nnx_draws(name, key):
    ours, theirs = jax.random.split(key)
    model = fw.nnx.init(NNX[name], ours, flax_default)
    params = [_arrays(nnx.state(each)) for each in (model, NNX[name](nnx.Rngs(theirs)))]
    drawn = [
        {k: v for k, v in each.items() if "Rng" not in k and "rng" not in k} for each in params
    ]
    _assert_same_laws(*drawn)


@pytest.mark.parametrize("scale", [1.25, 0.8])
def test_another_scale_would_be_noticed(scale, key):
    ours, theirs = jax.random.split(key)
    flax = _arrays(linen.Dense(300).init(theirs, ROW))
    own = {k: v * scale for k, v in _arrays(linen.Dense(300).init(ours, ROW)).items()}
    with pytest.raises(AssertionError, match="FAILED"):
        _assert_same_laws(own, flax)


class Net(linen.Module):
    """A layer of each family, and parameters of nobody's."""

    @linen.compact
    def __call__(self, x):
        x = linen.Conv(8, (3, 3), name="conv")(x)
        x = linen.BatchNorm(use_running_average=True, name="norm")(x)
        x = linen.ConvTranspose(6, (3, 3), name="up")(x).reshape(len(x), -1, 6)
        x = linen.Dense(12, name="fc")(x)
        x = linen.MultiHeadDotProductAttention(3, name="attention")(x, x)
        x = linen.WeightNorm(linen.Dense(10, name="normed"), name="around")(x)
        x = linen.RNN(linen.GRUCell(5), name="rnn")(x)
        return x * self.param("own", linen.initializers.ones, (5,))


@pytest.fixture(scope="module")
def layers():
    return {each.path: each for each in fw.linen.layers(Net(), jnp.zeros((2, 4, 4, 4)))}


def test_the_names_and_their_order():
    assert [*CANDIDATES] == ["fan_in", "fan_out", "xavier", "torch_default", "flax_default"]


@pytest.mark.parametrize(
    ("rule", "stds"),
    [
        # The fans of a transposed convolution, weight (8, 6, 3, 3), are torch's: 54 in, 72 out.
        ("fan_in", {"conv": 2 / 36, "up": 2 / 54, "fc": 2 / 6, "normed": 2 / 12}),
        ("fan_out", {"conv": 2 / 72, "up": 2 / 72, "fc": 2 / 12, "normed": 2 / 10}),
        ("xavier", {"conv": 2 / 108, "up": 2 / 126, "fc": 2 / 18, "normed": 2 / 22}),
    ],
)
def test_matrices_are_drawn_and_the_rest_stays(layers, rule, stds):
    rule = CANDIDATES[rule]
    answers = {path: answer_of(rule, each) for path, each in layers.items()}
    spoken_of = {path for path, answer in answers.items() if answer}
    assert spoken_of == {"conv", "up", "fc", "normed", "attention"}
    for path, variance in stds.items():
        name = "parametrizations.weight.original1" if path == "normed" else "weight"
        law = answers[path][name]
        assert isinstance(law, Normal)
        assert law.std**2 == pytest.approx(variance, rel=1e-12)
        assert answers[path]["bias"] == Constant(0.0)


@pytest.mark.parametrize(
    ("rule", "variance"), [("fan_in", 2 / 12), ("fan_out", 2 / 12), ("xavier", 1 / 12)]
)
def test_query_key_and_value_have_fans_of_their_own(layers, rule, variance):
    answer = answer_of(CANDIDATES[rule], layers["attention"])
    assert layers["attention"].shapes["in_proj_weight"] == (36, 12)
    for name in ("in_proj_weight", "out_proj.weight"):
        assert answer[name].std ** 2 == pytest.approx(variance, rel=1e-12)
    assert answer["in_proj_bias"] == answer["out_proj.bias"] == Constant(0.0)


def test_query_key_and_value_of_different_widths():
    layer = Layer(
        "",
        "MultiheadAttention",
        {"embed_dim": 12, "kdim": 5, "vdim": 7},
        {"q_proj_weight": (12, 12), "k_proj_weight": (12, 5), "v_proj_weight": (12, 7)},
    )
    answer = CANDIDATES["fan_in"](layer)
    assert [answer[name].std ** 2 for name in layer.parameters] == pytest.approx(
        [2 / 12, 2 / 5, 2 / 7], rel=1e-12
    )


def test_torch_default_is_torchs(layers):
    law = answer_of(CANDIDATES["torch_default"], layers["conv"])["weight"]
    assert isinstance(law, Uniform)
    assert law.support == pytest.approx((-1 / 6, 1 / 6), rel=1e-12)


def test_parameters_of_the_users_own_modules_stay(layers):
    own = next(each for each in layers.values() if each.kind is None)
    assert all(not answer_of(rule, own) for rule in CANDIDATES.values())


@pytest.mark.parametrize("rule", ["fan_in", "flax_default"])
def test_a_rule_starts_a_whole_model(rule, key):
    x = jnp.ones((2, 4, 4, 4))
    started = fw.linen.init(Net(), key, x, rule=CANDIDATES[rule])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(started))
    # The norm that torch divides by is that of the matrix drawn; Flax's default leaves it at 1.
    norm = jnp.linalg.norm(started["params"]["normed"]["kernel"], axis=0)
    scale = started["params"]["around"]["normed/kernel/scale"]
    expected = jnp.ones_like(norm) if rule == "flax_default" else norm
    np.testing.assert_allclose(scale, expected, rtol=1e-6)
