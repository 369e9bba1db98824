"""Equinox models started by a rule: what is claimed, what is drawn, what is left alone."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import fanwise as fw
from fanwise.distributions import Constant, Normal, Triangular, Uniform
from fanwise.frameworks.answers import answered
from tests.frameworks.equinox_models import Net
from tests.same_bits import differing

KEY = jax.random.key(3)
nn = eqx.nn


def flat(model):
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(model, eqx.is_array))
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


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


def batch_norm(key):
    return nn.BatchNorm(6, "batch", mode="batch")


# By class: constructor, torch's kind, and what each array is drawn from by its name.
LAYERS = {
    "Linear": (
        lambda key: nn.Linear(4, 3, key=key),
        "Linear",
        {"weight": uniform(4), "bias": uniform(4)},
    ),
    "Linear of scalars": (
        lambda key: nn.Linear("scalar", "scalar", key=key),
        "Linear",
        {"weight": uniform(1), "bias": uniform(1)},
    ),
    "Conv": (
        lambda key: nn.Conv(2, 4, 6, 3, groups=2, key=key),
        "Conv2d",
        {"weight": uniform(2 * 9), "bias": uniform(2 * 9)},
    ),
    "Conv1d": (
        lambda key: nn.Conv1d(4, 6, 3, key=key),
        "Conv1d",
        {"weight": uniform(12), "bias": uniform(12)},
    ),
    "Conv2d": (
        lambda key: nn.Conv2d(4, 6, (2, 3), use_bias=False, key=key),
        "Conv2d",
        {"weight": uniform(24)},
    ),
    "Conv3d": (
        lambda key: nn.Conv3d(4, 6, 2, key=key),
        "Conv3d",
        {"weight": uniform(32), "bias": uniform(32)},
    ),
    # out / groups * field, where Equinox has in / groups * field.
    "ConvTranspose": (
        lambda key: nn.ConvTranspose(2, 4, 6, 3, groups=2, key=key),
        "ConvTranspose2d",
        {"weight": uniform(27), "bias": uniform(27)},
    ),
    "ConvTranspose1d": (
        lambda key: nn.ConvTranspose1d(4, 6, 3, key=key),
        "ConvTranspose1d",
        {"weight": uniform(18), "bias": uniform(18)},
    ),
    "ConvTranspose2d": (
        lambda key: nn.ConvTranspose2d(4, 6, 3, key=key),
        "ConvTranspose2d",
        {"weight": uniform(54), "bias": uniform(54)},
    ),
    "ConvTranspose3d": (
        lambda key: nn.ConvTranspose3d(4, 6, 2, key=key),
        "ConvTranspose3d",
        {"weight": uniform(48), "bias": uniform(48)},
    ),
    "Embedding": (
        lambda key: nn.Embedding(7, 4, key=key),
        "Embedding",
        {"weight": [Normal(0.0, 1.0)]},
    ),
    "LayerNorm": (
        lambda key: nn.LayerNorm((3, 4)),
        "LayerNorm",
        {"weight": ONES, "bias": ZEROS},
    ),
    "RMSNorm": (lambda key: nn.RMSNorm(4, use_bias=False), "RMSNorm", {"weight": ONES}),
    "GroupNorm": (
        lambda key: nn.GroupNorm(2, 6),
        "GroupNorm",
        {"weight": ONES, "bias": ZEROS},
    ),
    "PReLU": (lambda key: nn.PReLU(), "PReLU", {"negative_slope": [Constant(0.25)]}),
    "LSTMCell": (
        lambda key: nn.LSTMCell(3, 5, key=key),
        "LSTMCell",
        {"weight_ih": uniform(5), "weight_hh": uniform(5), "bias": [sums(5)]},
    ),
    "GRUCell": (
        lambda key: nn.GRUCell(3, 5, key=key),
        "GRUCell",
        {
            "weight_ih": uniform(5),
            "weight_hh": uniform(5),
            "bias": [sums(5), sums(5), *uniform(5)],
            "bias_n": uniform(5),
        },
    ),
    "MultiheadAttention": (
        lambda key: nn.MultiheadAttention(
            2, 8, use_query_bias=True, use_value_bias=True, use_output_bias=True, key=key
        ),
        "MultiheadAttention",
        {
            "query_proj/weight": PACKED,
            "key_proj/weight": PACKED,
            "value_proj/weight": PACKED,
            "output_proj/weight": uniform(8),
            "query_proj/bias": ZEROS,
            "value_proj/bias": ZEROS,
            "output_proj/bias": ZEROS,
        },
    ),
}


def equal(ours, expected):
    if type(ours) is not type(expected):
        return False
    return vars(ours) == pytest.approx(vars(expected), rel=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_distributions_are_torchs(name):
    factory, kind, expected = LAYERS[name]
    layers = fw.equinox.layers(factory(KEY))
    assert [layer.kind for layer in layers] == [kind]
    found = drawn_from(layers)
    assert set(found) == set(expected)
    for array, values in expected.items():
        assert all(equal(*pair) for pair in zip(found[array], values, strict=True)), array


@pytest.mark.parametrize("name", [*LAYERS, "BatchNorm"])
def test_structure_is_the_librarys(name):
    factory = LAYERS[name][0] if name in LAYERS else batch_norm
    ours, own = fw.equinox.init(factory, KEY), factory(KEY)
    assert {path: (a.shape, a.dtype) for path, a in flat(ours).items()} == {
        path: (a.shape, a.dtype) for path, a in flat(own).items()
    }
    if name != "BatchNorm":  # whose state has a marker of its own each time
        assert jax.tree.structure(ours) == jax.tree.structure(own)


@pytest.mark.parametrize("name", ["Linear", "Embedding", "GRUCell", "PReLU", "BatchNorm"])
def test_without_a_rule_it_is_the_librarys_own_init(name):
    factory = LAYERS[name][0] if name in LAYERS else batch_norm
    ours = fw.equinox.init(factory, KEY, rule=no_rule)
    assert not differing(flat(ours), flat(eqx.filter_jit(factory)(KEY)))


def test_every_class_of_equinox_is_claimed_or_has_no_parameters():
    composed = {"MLP", "Sequential", "Shared", "Lambda", "WeightNorm", "SpectralNorm"}
    without_arrays = {
        *(f"{kind}Pool{rank}d" for kind in ("Avg", "Max") for rank in (1, 2, 3)),
        *(f"Adaptive{kind}Pool{rank}d" for kind in ("Avg", "Max") for rank in (1, 2, 3)),
        *("AdaptivePool", "Pool", "Dropout", "Identity", "RotaryPositionalEmbedding"),
        *("StatefulLayer", "StateIndex"),
    }
    exported = {
        name
        for name in dir(nn)
        if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), eqx.Module)
    }
    unknown = exported - composed - without_arrays - {"BatchNorm"} - set(LAYERS)
    assert not unknown
    assert composed | without_arrays <= exported


def test_all_arrays_are_listed_once():
    model = Net(KEY)
    layers = fw.equinox.layers(model)
    unclaimed = [(layer.path, list(layer.parameters)) for layer in layers if layer.kind is None]
    assert unclaimed == [
        ("", ["scale", "steps"]),
        *((f"blocks/{index}", ["gain"]) for index in range(3)),
    ]
    assert [layer.path for layer in layers if layer.kind] == [
        "embed",
        *(f"blocks/{i}/{name}" for i in range(3) for name in ("norm", "linear", "slope")),
        "head",
    ]
    names = [leaf.name for layer in layers for leaf in layer.leaves]
    # A key of random numbers is no parameter.
    assert sorted(names) == sorted(set(flat(model)) - {"noise"})
    assert [layer.index for layer in layers] == list(range(len(layers)))


def test_what_the_rule_leaves_alone_is_the_librarys():
    ours = fw.equinox.init(Net, KEY, rule=fw.by_kind({"Linear": fw.torch_default}))
    own = eqx.filter_jit(Net)(KEY)
    moved = {"head/weight", "head/bias"} | {
        f"blocks/{index}/linear/{name}" for index in range(3) for name in ("weight", "bias")
    }
    rest = {path: array for path, array in flat(ours).items() if path not in moved | {"noise"}}
    assert not differing(rest, {path: flat(own)[path] for path in rest})
    assert all(differing([flat(ours)[path]], [flat(own)[path]]) for path in moved)
    assert ours.noise == own.noise
    assert ours.name == "net"


def test_apply_touches_what_the_rule_names_and_nothing_else():
    model = Net(KEY)
    rule = fw.by_path({"head": fw.torch_default})
    new = fw.equinox.apply(rule, model, KEY)
    changed = {path for path in flat(model) if flat(new)[path] is not flat(model)[path]}
    assert changed == {"head/weight", "head/bias"}
    alone = fw.equinox.init(lambda key: {"head": nn.Linear(4, 3, key=key)}, KEY)
    assert not differing(flat(new.head), flat(alone["head"]))


def test_apply_equals_init():
    ours = fw.equinox.init(Net, KEY)
    again = fw.equinox.apply(fw.torch_default, Net(jax.random.key(9)), KEY)
    named = {path for path in flat(ours) if not path.endswith(("scale", "steps", "noise", "gain"))}
    assert not differing(
        {path: flat(ours)[path] for path in named}, {path: flat(again)[path] for path in named}
    )


def test_values_depend_on_the_path_and_not_on_the_rest():
    short, long = fw.equinox.init(Net, KEY), fw.equinox.init(lambda key: Net(key, 5), KEY)
    assert not differing([short.head.weight], [long.head.weight])
    assert differing([short.blocks[0].linear.weight], [short.blocks[1].linear.weight])


def test_under_jit():
    eager = fw.equinox.init(Net, KEY)
    jitted = eqx.filter_jit(lambda key: fw.equinox.init(Net, key))(KEY)
    assert not differing(
        {p: a for p, a in flat(eager).items() if p != "noise"},
        {p: a for p, a in flat(jitted).items() if p != "noise"},
    )
    model = Net(KEY)
    apply = lambda model, key: fw.equinox.apply(fw.torch_default, model, key)
    eager, jitted = apply(model, KEY), eqx.filter_jit(apply)(model, KEY)
    assert not differing([eager.head.weight], [jitted.head.weight])


def test_bfloat16_is_float32_rounded():
    wide = fw.equinox.init(lambda key: Net(key), KEY)
    narrow = fw.equinox.init(lambda key: Net(key, dtype=jnp.bfloat16), KEY)
    assert narrow.head.weight.dtype == jnp.bfloat16
    assert not differing(
        [narrow.head.weight, narrow.embed.weight],
        [wide.head.weight.astype(jnp.bfloat16), wide.embed.weight.astype(jnp.bfloat16)],
    )
