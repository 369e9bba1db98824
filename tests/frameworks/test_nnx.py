"""nnx models started by a rule: what is listed, what is drawn, what is left alone."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import fanwise as fw
from fanwise.frameworks.nnx_tracing import trace
from tests.frameworks.nnx_models import KEY, LAYERS, differ, flat
from tests.same_bits import differing


class Mixed(nnx.Module):
    """Arrays of every sort, defined in an order that is not that of the alphabet."""

    def __init__(self, rngs):
        self.stem = nnx.Linear(12, 12, rngs=rngs)
        self.position = nnx.Param(jax.random.normal(rngs.params(), (8, 12)))
        self.norm = nnx.BatchNorm(12, rngs=rngs)
        self.drop = nnx.Dropout(0.1, rngs=rngs)
        self.body = nnx.Dict(second=nnx.Linear(12, 5, rngs=rngs), first=nnx.PReLU())
        self.again = self.stem
        self.steps = nnx.Variable(jnp.zeros((), jnp.int32))
        self.table = nnx.data({"rest": [jnp.ones(3), nnx.Param(jnp.ones(2))]})
        self.rnn = nnx.RNN(nnx.GRUCell(5, 3, rngs=rngs), rngs=rngs)
        self.attention = nnx.MultiHeadAttention(3, 12, decode=False, rngs=rngs)


def own(factory, key=KEY):
    """The factory's model, compiled as fanwise compiles what it takes of it."""
    return nnx.jit(lambda key: factory(nnx.Rngs(key)))(key)


def test_layers_are_in_order_of_definition():
    assert [(layer.path, layer.kind) for layer in fw.nnx.layers(Mixed)] == [
        ("stem", "Linear"),
        ("", None),
        ("norm", "BatchNorm"),
        ("body/second", "Linear"),
        ("body/first", "PReLU"),
        ("rnn/cell", "GRU"),
        ("attention", "MultiheadAttention"),
    ]
    bare = fw.nnx.layers(Mixed)[1]
    assert bare.source == "Mixed"
    shapes = {"position": (8, 12), "steps": (), "table/rest/0": (3,), "table/rest/1": (2,)}
    assert dict(bare.parameters) == shapes


def test_constructed_and_abstract_models_have_the_layers_of_the_factory():
    expected = fw.nnx.layers(Mixed)
    assert fw.nnx.layers(Mixed(nnx.Rngs(0))) == expected
    assert fw.nnx.layers(nnx.eval_shape(lambda: Mixed(nnx.Rngs(0)))) == expected
    assert [layer.index for layer in expected] == list(range(7))


def test_every_array_is_in_one_layer():
    layers = fw.nnx.layers(Mixed)
    paths = [leaf.path for layer in layers for leaf in layer.leaves]
    state = nnx.to_flat_state(nnx.state(Mixed(nnx.Rngs(0)), nnx.Not(nnx.RngState)))
    assert len(paths) == len(set(paths))
    assert set(paths) == {path for path, _ in state}


def test_structure_and_metadata_are_those_of_the_factory():
    def build(rngs):
        model = Mixed(rngs)
        model.stem.kernel.set_metadata(note="mine")
        return model

    ours = fw.nnx.init(build, KEY)
    assert nnx.graphdef(ours) == nnx.graphdef(build(nnx.Rngs(0)))
    assert ours.stem.kernel.get_metadata("note") == "mine"
    assert ours.again is ours.stem
    assert isinstance(ours.norm.mean, nnx.BatchStat)


def test_what_the_rule_leaves_alone_is_the_models_own():
    ours, theirs = flat(fw.nnx.init(Mixed, KEY)), flat(own(Mixed))
    kept = {path for path in ours if "rngs" in path or path.split("/")[0] in ("position", "steps")}
    assert len(kept) == 2 + 4
    assert not differing({p: ours[p] for p in kept}, {p: theirs[p] for p in kept})
    assert differing(ours, theirs).keys() >= {"again/kernel", "again/bias", "attention/key/kernel"}


def test_a_rule_that_is_silent_leaves_everything_the_models_own():
    assert not differ(fw.nnx.init(Mixed, KEY, rule=lambda layer: None), own(Mixed))


def test_bare_parameters_can_be_named_by_a_rule():
    rule = fw.by_path({"": {"position": fw.ones(), "table/rest/0": fw.constant(5.0)}})
    model = fw.nnx.init(Mixed, KEY, rule=rule)
    assert (model.position[...] == 1).all()
    assert (model.table["rest"][0] == 5).all()
    fw.nnx.apply(fw.by_path({"": {"table/rest/0": fw.zeros()}}), model, KEY)
    assert (model.table["rest"][0] == 0).all()


def test_nothing_is_computed_to_be_thrown_away():
    """The model's own initializers run abstractly, and compiled code has only what is kept."""
    concrete, compiled = [], []

    def recorded(key, shape, dtype=jnp.float32):
        if not isinstance(key, jax.core.Tracer):
            concrete.append(shape)
        jax.debug.callback(lambda key: compiled.append(shape), jax.random.key_data(key))
        return jax.random.normal(key, shape, dtype)

    def build(rngs):
        return nnx.Linear(12, 7, kernel_init=recorded, bias_init=recorded, rngs=rngs)

    fw.nnx.init(build, KEY)
    jax.effects_barrier()
    assert concrete == compiled == []
    build(nnx.Rngs(0))
    assert concrete == [(12, 7), (7,)]


def test_of_the_models_own_init_only_what_is_kept_is_computed():
    class Large(nnx.Module):
        def __init__(self, rngs):
            self.linear = nnx.Linear(991, 983, rngs=rngs)
            self.gain = nnx.Param(jax.random.normal(rngs.params(), (977,)))

    traced = trace(Large, KEY)
    for paths, is_large in [([("gain",)], False), ([("gain",), ("linear", "kernel")], True)]:
        compute = jax.jit(lambda key, paths=paths: list(traced.own_init(key, paths).values()))
        program = compute.lower(KEY).compile().as_text()
        assert "f32[977]" in program
        assert ("f32[991,983]" in program) is is_large


def test_values_depend_on_the_path_and_not_on_other_layers():
    class Two(nnx.Module):
        def __init__(self, rngs, is_longer):
            if is_longer:
                self.new = nnx.Linear(12, 12, rngs=rngs)
            self.head = nnx.Linear(12, 3, rngs=rngs)

    short, long = (fw.nnx.init(lambda r, b=b: Two(r, b), KEY) for b in (False, True))
    assert not differ(short.head, long.head)
    assert differ(fw.nnx.init(lambda r: Two(r, False), jax.random.key(9)), short)


def test_bfloat16_is_float32_rounded():
    build = lambda dtype: lambda rngs: nnx.Linear(12, 7, param_dtype=dtype, rngs=rngs)
    single, half = (flat(fw.nnx.init(build(d), KEY)) for d in (jnp.float32, jnp.bfloat16))
    rounded = {path: array.astype(jnp.bfloat16) for path, array in single.items()}
    assert not differing(half, rounded)


class Unshared(Mixed):
    """jax.jit makes two of what is shared."""

    def __init__(self, rngs):
        super().__init__(rngs)
        del self.again


@pytest.mark.parametrize(("transform", "factory"), [(nnx.jit, Mixed), (jax.jit, Unshared)])
def test_under_jit_as_eagerly(transform, factory):
    eagerly = fw.nnx.init(factory, KEY)
    assert not differ(transform(lambda key: fw.nnx.init(factory, key))(KEY), eagerly)
    assert not differ(transform(lambda: fw.nnx.init(factory, KEY))(), eagerly)


RULES = {
    "head": fw.by_path({"body/second": {"weight": fw.orthogonal(), "bias": fw.ones()}}),
    "kind": fw.by_kind({"Linear": {"weight": fw.normal()}, "BatchNorm": {"weight": fw.zeros()}}),
    # The kernel of the hidden gates, and two thirds of a bias.
    "part": fw.by_kind({"GRU": {"weight_hh_l0": fw.orthogonal()}}),
}


@pytest.mark.parametrize("name", RULES)
def test_apply_under_jit_as_eagerly(name):
    models = [Mixed(nnx.Rngs(0)) for _ in range(3)]
    fw.nnx.apply(RULES[name], models[0], KEY)
    nnx.jit(lambda model, key: fw.nnx.apply(RULES[name], model, key))(models[1], KEY)
    nnx.jit(lambda model: fw.nnx.apply(RULES[name], model, KEY))(models[2])
    assert not differ(models[1], models[0])
    assert not differ(models[2], models[0])
    assert differ(models[0], Mixed(nnx.Rngs(0)))


def test_an_ensemble_by_vmap():
    class Small(nnx.Module):
        def __init__(self, rngs):
            self.linear = nnx.Linear(4, 3, rngs=rngs)
            self.drop = nnx.Dropout(0.1, rngs=rngs)
            self.gain = nnx.Param(jax.random.uniform(rngs.params(), (3,)))

    keys = jax.random.split(KEY, 2)
    ensemble = flat(nnx.vmap(lambda key: fw.nnx.init(Small, key))(keys))
    for index, key in enumerate(keys):
        member = {path: array[index] for path, array in ensemble.items()}
        assert not differing(member, flat(fw.nnx.init(Small, key)))


CHANGED = {
    "head": (RULES["head"], {"body/second/kernel", "body/second/bias"}),
    "kind": (RULES["kind"], {"again/kernel", "body/second/kernel", "norm/scale"}),
    "recurrent": (RULES["part"], {"rnn/cell/dense_h/kernel"}),
    "statistics": (fw.by_kind({"BatchNorm": {"running_mean": fw.ones()}}), {"norm/mean"}),
    "attention": (
        fw.by_kind({"MultiheadAttention": {"in_proj_weight": fw.xavier_uniform()}}),
        {f"attention/{name}/kernel" for name in ("query", "key", "value")},
    ),
    "bare": (fw.by_path({"": {"position": fw.normal()}}), {"position"}),
    "nothing": (lambda layer: None, set()),
}


@pytest.mark.parametrize("name", CHANGED)
def test_apply_changes_what_the_rule_names_and_nothing_else(name):
    rule, expected = CHANGED[name]
    model = Mixed(nnx.Rngs(0))
    variables = dict(nnx.iter_graph(model))
    before = flat(model)
    assert fw.nnx.apply(rule, model, KEY) is None
    after = flat(model)
    assert {path for path in before if after[path] is not before[path]} - random_of(before) == (
        expected
    )
    assert differing(after, before).keys() == expected
    # In the same Variables.
    for path, node in nnx.iter_graph(model):
        if isinstance(node, nnx.Variable | nnx.Module):
            assert node is variables[path]


def random_of(arrays):
    """Whose words are read anew each time."""
    return {path for path in arrays if path.endswith("rngs/key")}


def test_apply_draws_what_init_draws():
    model = Mixed(nnx.Rngs(0))
    fw.nnx.apply(fw.torch_default, model, KEY)
    ours, expected = flat(model), flat(fw.nnx.init(Mixed, KEY))
    known = [path for path in ours if "rngs" not in path and path != "position"]
    assert not differing({p: ours[p] for p in known}, {p: expected[p] for p in known})


def test_a_shared_variable_is_started_once():
    class Tied(nnx.Module):
        def __init__(self, rngs):
            self.first = nnx.Linear(4, 4, rngs=rngs)
            self.second = nnx.Linear(4, 4, rngs=rngs)
            self.second.kernel = self.first.kernel

    layers = fw.nnx.layers(Tied)
    assert [(layer.path, layer.kind) for layer in layers] == [("first", "Linear"), ("second", None)]
    assert dict(layers[1].parameters) == {"bias": (4,)}
    model = fw.nnx.init(Tied, KEY)
    assert model.second.kernel is model.first.kernel


class Pair(NamedTuple):
    left: Any
    right: Any


def test_variables_in_any_container_are_listed():
    class Own(nnx.Module):
        def __init__(self, rngs):
            self.pair = nnx.data(Pair(nnx.Linear(2, 3, rngs=rngs), nnx.Param(jnp.ones(4))))
            self.tuple = nnx.data((nnx.Param(jnp.ones(5)), jnp.zeros(6)))
            self.holder = nnx.Variable({"held": jnp.ones(7)})

    layers = fw.nnx.layers(Own)
    assert [(layer.path, layer.kind) for layer in layers] == [("", None), ("pair/left", "Linear")]
    shapes = {"tuple/0": (5,), "tuple/1": (6,), "pair/right": (4,)}
    assert dict(layers[0].parameters) == shapes
    ours, theirs = fw.nnx.init(Own, KEY), own(Own)
    assert (ours.holder["held"] == 1).all()
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    assert differing(jax.tree.leaves(ours), jax.tree.leaves(theirs)).keys() == {"1", "2"}


def test_modules_of_linen_are_listed():
    def build(rngs):
        return nnx.bridge.ToNNX(linen.Dense(3), rngs=rngs).lazy_init(jnp.ones((1, 4)))

    (layer,) = fw.nnx.layers(build)
    assert (layer.kind, layer.source) == (None, "ToNNX")
    assert dict(layer.parameters) == {"kernel": (4, 3), "bias": (3,)}
    assert not differ(fw.nnx.init(build, KEY), own(build))


def test_variables_kept_by_reference():
    with nnx.var_defaults(ref=True):
        model = fw.nnx.init(Mixed, KEY)
    assert not differ(model, fw.nnx.init(Mixed, KEY))
    held = model.stem.kernel.get_raw_value()
    fw.nnx.apply(fw.by_path({"stem": {"weight": fw.ones()}}), model, KEY)
    assert model.stem.kernel.get_raw_value() is held
    assert (model.stem.kernel[...] == 1).all()


def test_a_model_given_to_jit_and_back_is_the_same():
    model = nnx.jit(lambda model: model)(fw.nnx.init(Mixed, KEY))
    assert fw.nnx.layers(model) == fw.nnx.layers(Mixed)


ABSTRACT = nnx.eval_shape(lambda: nnx.Linear(2, 3, rngs=nnx.Rngs(0)))
LINEAR = LAYERS["Linear"][0]

REFUSED = {
    "number": (lambda: fw.nnx.layers(3), TypeError, "model must be an nnx.Module or a function"),
    "factory": (lambda: fw.nnx.init(3, KEY), TypeError, "factory must be a function of nnx.Rngs"),
    "model": (lambda: fw.nnx.init(ABSTRACT, KEY), TypeError, "got Linear; pass lambda rngs:"),
    "result": (
        lambda: fw.nnx.init(lambda rngs: 3, KEY),
        TypeError,
        "factory must give an nnx.Module, got 3 of type int",
    ),
    "linen": (
        lambda: fw.nnx.layers(lambda rngs: linen.Dense(3)),
        TypeError,
        "factory must give an nnx.Module",
    ),
    "key": (lambda: fw.nnx.init(LINEAR, 0), TypeError, "key must be a JAX PRNG key"),
    "keys": (
        lambda: fw.nnx.init(LINEAR, jax.random.split(KEY)),
        ValueError,
        "key must be a single key",
    ),
    "order": (
        lambda: fw.nnx.apply(ABSTRACT, fw.torch_default, KEY),
        TypeError,
        "model must be an nnx.Module, got <function torch_default",
    ),
    "abstract": (
        lambda: fw.nnx.apply(fw.torch_default, ABSTRACT, KEY),
        ValueError,
        "this one is abstract; fanwise.nnx.init builds a model",
    ),
    "text": (
        lambda: fw.nnx.apply(fw.torch_default, LINEAR(nnx.Rngs(0)), "key"),
        TypeError,
        "key must be",
    ),
    "parameter": (
        lambda: fw.nnx.init(LINEAR, KEY, rule=lambda layer: {"kernel": fw.ones()}),
        ValueError,
        "names 'kernel'; the layer has weight, bias",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, error, sentence = REFUSED[name]
    with pytest.raises(error, match=sentence):
        call()


def test_a_model_that_is_refused_is_unchanged():
    model = Mixed(nnx.Rngs(0))
    before = flat(model)
    rule = fw.by_kind({"Linear": {"weight": fw.ones()}, "GRU": {"bias_ih_l0": fw.ones()}})
    with pytest.raises(ValueError, match="bias_ih_l0 and bias_hh_l0 are added in one array"):
        fw.nnx.apply(rule, model, KEY)
    assert not differing(flat(model), before)


def test_old_keys():
    raw = np.asarray(jax.random.key_data(KEY))
    assert not differ(fw.nnx.init(Mixed, jnp.asarray(raw)), fw.nnx.init(Mixed, KEY))
