"""Layers stacked by nnx.vmap: found, numbered, and equal to the same layers unstacked."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import fanwise as fw
from tests.frameworks.nnx_models import KEY, flat
from tests.same_bits import differing

ORTHOGONAL = fw.by_kind({"Linear": {"weight": fw.orthogonal()}})


class Block(nnx.Module):
    """Its arrays: known, of any shape, of a generator, and below another module."""

    def __init__(self, rngs, width=4, is_random=True):
        self.linear = nnx.Linear(width, width, rngs=rngs)
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.gain = nnx.Param(jnp.ones(width))
        self.drop = nnx.Dropout(0.1, rngs=rngs if is_random else None)
        self.attention = nnx.MultiHeadAttention(2, width, decode=False, rngs=rngs)
        self.cell = nnx.GRUCell(width, 3, rngs=rngs)
        self.rest = nnx.Sequential(nnx.Linear(width, 5, rngs=rngs), nnx.relu)


def repeat(make, count, rngs, axis=0):
    return nnx.split_rngs(splits=count)(nnx.vmap(make, out_axes=axis))(rngs)


class Model(nnx.Module):
    """A stack of blocks, or a list of them."""

    def __init__(self, rngs, count=3, is_stacked=True, make=Block):
        self.stem = nnx.Linear(2, 4, rngs=rngs)
        # As long as the stack, by chance.
        self.position = nnx.Param(jnp.zeros((count, 4)))
        if is_stacked:
            self.blocks = repeat(make, count, rngs)
        else:
            self.blocks = nnx.List([make(rngs) for _ in range(count)])
        self.head = nnx.Linear(4, 2, rngs=rngs)


def listed(layers):
    return [(layer.path, layer.kind, layer.index) for layer in layers]


def no_random(model):
    return {path: array for path, array in flat(model).items() if "rngs" not in path}


def unstacked(arrays, name, count, axis=0):
    """The arrays below a name, those of each layer by themselves."""
    found = {}
    for path, array in arrays.items():
        if path.startswith(f"{name}/"):
            rest = path.removeprefix(f"{name}/")
            for index in range(count):
                found[f"{name}/{index}/{rest}"] = np.take(np.asarray(array), index, axis)
        else:
            found[path] = array
    return found


@pytest.mark.parametrize("count", [1, 3, 4])
@pytest.mark.parametrize("rule", [fw.torch_default, ORTHOGONAL], ids=["default", "orthogonal"])
def test_stacked_layers_equal_unstacked_ones(count, rule):
    """Of 4, as long as the layers are wide, too."""
    stacked = lambda rngs: Model(rngs, count)
    single = lambda rngs: Model(rngs, count, is_stacked=False)
    assert listed(fw.nnx.layers(stacked)) == listed(fw.nnx.layers(single))
    assert len(fw.nnx.layers(single)) == 2 + 1 + 6 * count
    ours = no_random(fw.nnx.init(stacked, KEY, rule=rule))
    expected = no_random(fw.nnx.init(single, KEY, rule=rule))
    parts = unstacked(ours, "blocks", count)
    if rule is ORTHOGONAL:
        parts, expected = (
            {path: a for path, a in each.items() if path.endswith("linear/kernel")}
            for each in (parts, expected)
        )
        assert len(parts) == count
    assert not differing(parts, expected)


def test_constructed_and_abstract_models_are_the_same():
    traced, built = fw.nnx.layers(Model), fw.nnx.layers(Model(nnx.Rngs(0)))
    abstract = fw.nnx.layers(nnx.eval_shape(lambda: Model(nnx.Rngs(0))))
    assert traced == built == abstract
    graphdef, state = nnx.split(Model(nnx.Rngs(0)))
    assert fw.nnx.layers(nnx.merge(graphdef, state)) == built


def test_layers_of_a_stack_are_in_order_of_execution():
    paths = [layer.path for layer in fw.nnx.layers(Model)]
    first = [path for path in paths if path.startswith("blocks/0")]
    assert paths[0] == "stem"
    assert paths[-1] == "head"
    assert first == [
        "blocks/0/linear",
        "blocks/0/norm",
        "blocks/0",
        "blocks/0/attention",
        "blocks/0/cell",
        "blocks/0/rest/layers/0",
    ]
    assert paths[2:8] == first
    assert [path.split("/")[1] for path in paths[2:-1]] == ["0"] * 6 + ["1"] * 6 + ["2"] * 6


@pytest.mark.parametrize("axis", [1, -1])
def test_other_axes(axis):
    class Plain(nnx.Module):
        def __init__(self, rngs):
            self.first = nnx.Linear(4, 6, rngs=rngs)
            self.second = nnx.Linear(6, 4, rngs=rngs)

    class Wide(nnx.Module):
        def __init__(self, rngs, is_stacked):
            self.stem = nnx.Linear(2, 4, rngs=rngs)
            if is_stacked:
                self.blocks = repeat(Plain, 3, rngs, axis)
            else:
                self.blocks = nnx.List([Plain(rngs) for _ in range(3)])

    ours = flat(fw.nnx.init(lambda rngs: Wide(rngs, True), KEY))
    assert ours["blocks/first/kernel"].shape == ((4, 3, 6) if axis == 1 else (4, 6, 3))
    expected = flat(fw.nnx.init(lambda rngs: Wide(rngs, False), KEY))
    assert not differing(unstacked(ours, "blocks", 3, axis), expected)


ROWS = {
    "Embed": lambda rngs: nnx.Embed(7, 4, rngs=rngs),
    "Conv": lambda rngs: nnx.Conv(4, 6, (3, 2), rngs=rngs),
    "ConvTranspose": lambda rngs: nnx.ConvTranspose(4, 6, 3, rngs=rngs),
    "LinearGeneral": lambda rngs: nnx.LinearGeneral((2, 3), (4, 5), axis=(-2, -1), rngs=rngs),
    "BatchNorm": lambda rngs: nnx.BatchNorm(6, rngs=rngs),
    "GroupNorm": lambda rngs: nnx.GroupNorm(6, 3, rngs=rngs),
    "RMSNorm": lambda rngs: nnx.RMSNorm(6, rngs=rngs),
    "InstanceNorm": lambda rngs: nnx.InstanceNorm(6, rngs=rngs),
    "Einsum": lambda rngs: nnx.Einsum("ab,bc->ac", (4, 5), (5,), rngs=rngs),
    "LoRALinear": lambda rngs: nnx.LoRALinear(4, 5, lora_rank=2, rngs=rngs),
    "SpectralNorm": lambda rngs: nnx.SpectralNorm(nnx.Linear(4, 5, rngs=rngs), rngs=rngs),
    "WeightNorm": lambda rngs: nnx.WeightNorm(nnx.Linear(4, 5, rngs=rngs), rngs=rngs),
    "LSTM": lambda rngs: nnx.RNN(nnx.LSTMCell(4, 5, rngs=rngs), rngs=rngs),
}


@pytest.mark.parametrize("name", ROWS)
def test_every_layer_by_itself_in_a_stack(name):
    class Rows(nnx.Module):
        def __init__(self, rngs, is_stacked):
            self.stem = nnx.Linear(2, 4, rngs=rngs)
            make = ROWS[name]
            self.rows = (
                repeat(make, 3, rngs) if is_stacked else nnx.List([make(rngs) for _ in range(3)])
            )

    stacked, single = (fw.nnx.layers(lambda r, s=s: Rows(r, s)) for s in (True, False))
    assert listed(stacked) == listed(single)
    shapes = [[dict(layer.shapes) for layer in layers] for layers in (stacked, single)]
    assert shapes[0] == shapes[1]


def test_the_biases_tell_the_axis_of_kernels():
    """A stack of 4 along axis 1 of kernels (4, 8) is as long as axis 0."""

    class Wide(nnx.Module):
        def __init__(self, rngs):
            self.stem = nnx.Linear(2, 4, rngs=rngs)
            self.linears = repeat(lambda rngs: nnx.Linear(4, 8, rngs=rngs), 4, rngs, 1)

    rule = fw.by_path({"linears/2": {"weight": fw.ones()}})
    kernel = fw.nnx.init(Wide, KEY, rule=rule).linears.kernel[...]
    assert (kernel[:, 2] == 1).all()
    assert (kernel[:, [0, 1, 3]] != 1).all()


class Inner(nnx.Module):
    def __init__(self, rngs, is_stacked):
        self.norm = nnx.LayerNorm(4, rngs=rngs)
        make = lambda rngs: Block(rngs)
        self.cells = (
            repeat(make, 2, rngs) if is_stacked else nnx.List([make(rngs) for _ in range(2)])
        )


def test_stacks_of_stacks():
    make = lambda is_stacked: lambda rngs: Inner(rngs, is_stacked)
    nested = lambda rngs: Model(rngs, 3, make=make(True))
    outer = lambda rngs: Model(rngs, 3, make=make(False))
    single = lambda rngs: Model(rngs, 3, is_stacked=False, make=make(False))
    expected = fw.nnx.layers(single)
    assert "blocks/2/cells/1/attention" in [layer.path for layer in expected]
    assert listed(fw.nnx.layers(nested)) == listed(expected)
    assert listed(fw.nnx.layers(outer)) == listed(expected)
    ours = unstacked(no_random(fw.nnx.init(nested, KEY)), "blocks", 3)
    for index in range(3):
        ours = unstacked(ours, f"blocks/{index}/cells", 2)
    assert not differing(ours, no_random(fw.nnx.init(single, KEY)))


class Encoder(nnx.Module):
    def __init__(self, rngs, make):
        self.blocks = repeat(make, 3, rngs)


class Deep(nnx.Module):
    def __init__(self, rngs, make):
        self.encoder = Encoder(rngs, make)
        self.head = nnx.Linear(4, 2, rngs=rngs)


class Small(nnx.Module):
    def __init__(self, rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)


class Outer(nnx.Module):
    def __init__(self, rngs):
        self.inner = repeat(lambda rngs: Block(rngs), 2, rngs)


def linears(rngs):
    return nnx.Sequential(nnx.Linear(4, 4, rngs=rngs), nnx.relu, nnx.Linear(4, 4, rngs=rngs))


class Held(nnx.Module):
    """Two stacks in a dictionary."""

    def __init__(self, rngs):
        self.head = nnx.Linear(4, 2, rngs=rngs)
        linear = lambda rngs: nnx.Linear(4, 2, rngs=rngs)
        self.held = nnx.data({"some": repeat(Block, 3, rngs), "more": repeat(linear, 2, rngs)})


# A model, and the path of one of its layers.
PLACES = {
    "nothing but the stack": (lambda rngs: Encoder(rngs, Block), "blocks/1/linear"),
    "nothing but the stack in a part": (lambda rngs: Deep(rngs, Block), "encoder/blocks/1/linear"),
    "blocks of one layer": (lambda rngs: Deep(rngs, Small), "encoder/blocks/1/linear"),
    "layers": (
        lambda rngs: Deep(rngs, lambda rngs: nnx.Linear(4, 4, rngs=rngs)),
        "encoder/1/blocks",
    ),
    "stack of nothing but stacks": (
        lambda rngs: Deep(rngs, Outer),
        "encoder/blocks/1/inner/0/linear",
    ),
    "sequences": (lambda rngs: Deep(rngs, linears), "encoder/blocks/1/layers/2"),
    "generators for all": (
        lambda rngs: Deep(rngs, lambda rngs: Block(rngs, is_random=False)),
        "encoder/blocks/1/norm",
    ),
    "in a dictionary": (Held, "held/some/1/linear"),
    "a layer in a dictionary": (Held, "held/more/1"),
    "whole models": (lambda rngs: repeat(NotStacked, 3, rngs), "2/first"),
    "one layer": (lambda rngs: repeat(lambda r: nnx.Linear(4, 2, rngs=r), 3, rngs), "1"),
}


class NotStacked(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(4, 4, rngs=rngs)
        self.second = nnx.Linear(4, 4, rngs=rngs)


@pytest.mark.parametrize("name", PLACES)
def test_where_the_number_stands(name):
    factory, path = PLACES[name]
    assert path in [layer.path for layer in fw.nnx.layers(factory)]


def test_what_is_not_stacked_is_not_taken_for_it():
    """Lists of equal layers, and arrays of the model's own."""

    class Own(nnx.Module):
        def __init__(self, rngs):
            self.first = nnx.Param(jnp.zeros((3, 4)))
            self.slope = nnx.PReLU(jnp.ones(3))
            self.linears = nnx.List([nnx.Linear(3, 3, rngs=rngs) for _ in range(3)])

    assert [layer.path for layer in fw.nnx.layers(Own)] == [
        "",
        "slope",
        "linears/0",
        "linears/1",
        "linears/2",
    ]


def test_an_array_as_long_as_the_stack_by_chance():
    class Positioned(nnx.Module):
        def __init__(self, rngs):
            self.position = nnx.Param(jnp.zeros((3, 4)))
            self.blocks = repeat(NotStacked, 3, rngs)

    layers = fw.nnx.layers(Positioned)
    assert [layer.path for layer in layers[:3]] == ["", "blocks/0/first", "blocks/0/second"]
    assert dict(layers[0].parameters) == {"position": (3, 4)}


def test_an_array_that_is_one_for_the_whole_stack():
    class Shared(nnx.Module):
        def __init__(self, rngs):
            self.stem = nnx.Linear(4, 4, rngs=rngs)
            axes = nnx.StateAxes({nnx.PathContains("bias"): None, ...: 0})
            self.linear = repeat(lambda r: nnx.Linear(4, 2, rngs=r), 3, rngs, axes)

    layers = fw.nnx.layers(Shared)
    assert [(layer.path, dict(layer.parameters)) for layer in layers[1:]] == [
        ("linear/0", {"kernel": (4, 2)}),
        ("linear/1", {"kernel": (4, 2)}),
        ("linear/2", {"kernel": (4, 2)}),
        ("linear", {"bias": (2,)}),
    ]
    assert fw.nnx.init(Shared, KEY).linear.bias.shape == (2,)


def test_one_layer_of_a_stack_can_be_started_anew():
    model = Model(nnx.Rngs(0))
    before = flat(model)
    fw.nnx.apply(fw.by_path({"blocks/1/linear": {"weight": fw.ones()}}), model, KEY)
    after = flat(model)
    kernel = "blocks/linear/kernel"
    assert (after[kernel][1] == 1).all()
    assert (after[kernel][::2] == before[kernel][::2]).all()
    assert all(after[path] is before[path] for path in before if path != kernel)


def test_a_stack_runs_by_scan():
    def build(rngs):
        return repeat(lambda rngs: nnx.Linear(4, 4, rngs=rngs), 3, rngs)

    stack = fw.nnx.init(build, KEY)
    scanned = nnx.scan(lambda x, linear: linear(x), in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
    x = jax.random.normal(KEY, (2, 4))
    expected = x
    for index in range(3):
        expected = expected @ stack.kernel[index] + stack.bias[index]
    assert np.allclose(scanned(x, stack), expected, rtol=1e-5, atol=1e-6)
