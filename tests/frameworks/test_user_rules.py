"""Twenty rules as users write them: each changes exactly what it should, to the bit."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import fanwise as fw
from tests.frameworks.linen_models import Block


class Model(nn.Module):
    """Convolutions, an embedding, a stack of blocks, norms, a bare parameter and a head."""

    @nn.compact
    def __call__(self, image, tokens):
        x = nn.Conv(8, (3, 3), name="conv1")(image)
        x = nn.relu(nn.BatchNorm(use_running_average=True, name="norm1")(x))
        x = nn.Conv(4, (3, 3), use_bias=False, name="conv2")(x).mean((1, 2))
        x = x + nn.Embed(10, 4, name="words")(tokens) + self.param("scale", nn.zeros, (4,))
        scanned = nn.scan(Block, variable_axes={"params": 0}, split_rngs={"params": True}, length=3)
        x, _ = scanned(name="blocks")(x, None)
        x = nn.LayerNorm(name="norm2")(x)
        return nn.Dense(5, name="head")(x)


INPUTS = (jnp.zeros((2, 8, 8, 3)), jnp.zeros((2,), jnp.int32))
KEY = jax.random.key(5)
ONE = fw.ones()


def by_hand(layer):
    if layer.kind == "Linear":
        return {"weight": fw.xavier_uniform(), "bias": fw.zeros()}
    return None


def scaled_by_depth(layer):
    if layer.path.startswith("blocks/") and layer.kind == "Linear":
        return {"weight": fw.normal(std=0.02 / (layer.index + 1) ** 0.5)}
    return None


def last_layer(layer):
    return {"weight": fw.zeros()} if layer.index == layer.count - 1 else None


def wide_layers(layer):
    return {"bias": ONE} if layer.hyperparameters.get("out_features", 0) >= 5 else None


def first_of_the_stack(layer):
    return {"weight": ONE} if re.match(r"blocks/0/Dense", layer.path) else None


def norms_to_zero(layer):
    if "weight" in layer.parameters and layer.kind in ("LayerNorm", "BatchNorm"):
        return {"weight": fw.zeros()}
    return None


def jax_function(key, shape, dtype):
    return jax.random.normal(key, shape, dtype) / 10


FAN_OUT = fw.kaiming_normal(mode="fan_out", nonlinearity="relu")
BLOCK_WEIGHTS = {f"blocks[{index}]/Dense_0/kernel" for index in range(3)}
BLOCK_BIASES = {f"blocks[{index}]/Dense_0/bias" for index in range(3)}
BLOCK_NORMS = {f"blocks[{index}]/LayerNorm_0/scale" for index in range(3)}
CONVS = {"conv1/kernel", "conv2/kernel"}

# The rule, and the arrays that it changes; in a stack, the positions.
RULES = {
    "silent": (lambda layer: None, set()),
    "empty": (lambda layer: {}, set()),
    "all but the head frozen": (
        fw.by_path({"head": fw.torch_default}),
        {"head/kernel", "head/bias"},
    ),
    "fan_out for convolutions": (fw.by_kind({"Conv2d": {"weight": FAN_OUT}}), CONVS),
    "convolutions of any rank": (fw.by_kind({"Conv": {"weight": FAN_OUT}}), CONVS),
    "a kind that is not there": (fw.by_kind({"LSTM": {"weight_ih_l0": ONE}}), set()),
    "by hand": (by_hand, BLOCK_WEIGHTS | BLOCK_BIASES | {"head/kernel", "head/bias"}),
    "scaled by depth": (scaled_by_depth, BLOCK_WEIGHTS),
    "the last layer": (last_layer, {"head/kernel"}),
    "by width": (wide_layers, {"head/bias"}),
    "the first of a stack": (first_of_the_stack, {"blocks[0]/Dense_0/kernel"}),
    "one of a stack, by path": (
        fw.by_path({r"blocks/[12]/Dense_0": {"bias": ONE}}),
        {"blocks[1]/Dense_0/bias", "blocks[2]/Dense_0/bias"},
    ),
    "norms": (norms_to_zero, BLOCK_NORMS | {"norm1/scale", "norm2/scale"}),
    "the first pattern decides": (
        fw.by_path({"head": {"bias": ONE}, ".*": lambda layer: None}),
        {"head/bias"},
    ),
    "no part of a path": (fw.by_path({"hea": {"bias": ONE}}), set()),
    "a bare parameter": (
        lambda layer: {"scale": ONE} if layer.kind is None else None,
        {"scale"},
    ),
    "a Distribution": (
        fw.by_kind({"Embedding": {"weight": fw.distributions.Normal(0, 0.02)}}),
        {"words/embedding"},
    ),
    "a function of JAX's": (fw.by_path({"head": {"weight": jax_function}}), {"head/kernel"}),
    "orthogonal in a stack": (
        fw.by_path({r"blocks/\d/Dense_0": {"weight": fw.orthogonal()}}),
        BLOCK_WEIGHTS,
    ),
    "one after another": (
        fw.chain(fw.by_path({"head": {"bias": fw.zeros()}}), fw.by_path({"head": {"bias": ONE}})),
        {"head/bias"},
    ),
    "running statistics": (
        fw.by_kind({"BatchNorm": {"running_mean": ONE}}),
        {"norm1/mean"},
    ),
    "torch's default": (
        fw.torch_default,
        BLOCK_WEIGHTS | BLOCK_BIASES | BLOCK_NORMS | CONVS
        | {f"blocks[{index}]/LayerNorm_0/bias" for index in range(3)}
        | {"conv1/bias", "norm1/scale", "norm1/bias", "norm1/mean", "norm1/var"}
        | {"norm2/scale", "norm2/bias", "words/embedding", "head/kernel", "head/bias"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def before():
    """Values that no rule gives."""
    variables = Model().init(KEY, *INPUTS)
    return jax.tree.map(lambda leaf: jnp.full_like(leaf, 7), variables)


def parts(variables):
    """Arrays by name, the slices of a stack for themselves."""
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables):
        name = jax.tree_util.keystr(path[1:], simple=True, separator="/")
        if name.startswith("blocks/"):
            for index, part in enumerate(np.asarray(leaf)):
                found[name.replace("blocks/", f"blocks[{index}]/")] = part
        else:
            found[name] = np.asarray(leaf)
    return found


@pytest.mark.parametrize("name", RULES)
def test_apply_changes_exactly_what_it_should(name, before):
    rule, expected = RULES[name]
    old = parts(before)
    new = parts(fw.linen.apply(rule, Model(), before, KEY, *INPUTS))
    assert {path for path in old if old[path].tobytes() != new[path].tobytes()} == expected


@pytest.mark.parametrize("name", RULES)
def test_init_gives_the_same_as_apply_and_the_models_own_elsewhere(name, before):
    rule, expected = RULES[name]
    applied = parts(fw.linen.apply(rule, Model(), before, KEY, *INPUTS))
    started = parts(fw.linen.init(Model(), KEY, *INPUTS, rule=rule))
    own = parts(jax.jit(Model().init)(KEY, *INPUTS))
    for path, array in started.items():
        source = applied if path in expected else own
        assert array.tobytes() == source[path].tobytes(), path


def test_the_comparison_can_fail(before):
    new = parts(fw.linen.apply(fw.by_path({"head": {"bias": ONE}}), Model(), before, KEY, *INPUTS))
    assert new["head/bias"].tobytes() != parts(before)["head/bias"].tobytes()


@pytest.mark.parametrize(
    ("rule", "error", "sentence"),
    [
        (lambda layer: {"wieght": ONE}, ValueError, "names 'wieght'; the layer has weight, bias"),
        (lambda layer: {"weight": 0.02}, TypeError, "'weight' must be an Initializer.*got 0.02"),
        (lambda layer: {"weight": fw.ones}, TypeError, "'weight' must be an Initializer"),
        (lambda layer: fw.ones(), TypeError, "must be a mapping from parameter names"),
        (lambda layer: {"bias": fw.xavier_uniform()}, ValueError, "bias: shape"),
        (lambda layer: {"weight": lambda k, s, d: jnp.zeros(3)}, ValueError, "was asked for"),
    ],
)
def test_wrong_answers_are_refused(rule, error, sentence):
    with pytest.raises(error, match=sentence):
        fw.linen.init(nn.Dense(4), KEY, jnp.zeros((1, 3)), rule=rule)


def test_by_kind_refuses_what_torch_does_not_have():
    with pytest.raises(ValueError, match="got 'Dense'"):
        fw.by_kind({"Dense": {}})


def test_by_path_refuses_a_bad_pattern():
    with pytest.raises(re.error):
        fw.by_path({"(": {}})
