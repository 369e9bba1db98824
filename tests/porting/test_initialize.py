"""What a recipe asks for is what variables hold: laws, shared draws, structure, places."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

import fanwise as fw
from fanwise.distributions import Normal, Orthogonal, Uniform
from fanwise.layers import Layer, Leaf, Piece, View
from fanwise.porting import Correspondence, Pair
from fanwise.porting.initialize import init
from fanwise.recording import Recipe, Recorded
from fanwise.recording.expression import Call, Draw, Fill
from tests.porting.twins import correspond

KEY = jax.random.key(7)


def recipe_of(correspondence, **other):
    """torch's defaults, but for what is named, with a double underscore for the dot."""
    tensors = {}
    for pair in correspondence.pairs:
        default = fw.torch_default(pair.torch) or {}
        for leaf in pair.torch.leaves:
            (piece,) = leaf.pieces
            value = other.get(leaf.name.replace(".", "__"), default.get(piece.name))
            assert value is not None, leaf.name
            tensors[leaf.name] = Recorded(leaf.shape, "float32", value)
    return Recipe(tensors)


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(8, (3, 3), name="conv")(x)
        x = nn.BatchNorm(use_running_average=True, name="bn")(x).mean((1, 2))
        x = nn.Dense(8, name="first")(x)
        return nn.Dense(8, name="second")(x)


IMAGE = jnp.zeros((1, 5, 5, 3))


@pytest.fixture(scope="module")
def net():
    return correspond(fw.linen.layers(Net(), IMAGE))


def equal(x, y):
    same = jax.tree.map(lambda a, b: np.asarray(a).tobytes() == np.asarray(b).tobytes(), x, y)
    return all(jax.tree.leaves(same))


def test_torch_defaults_are_those_of_linen_init_to_the_bit(net):
    variables = init(recipe_of(net), net, KEY)
    expected = fw.linen.init(Net(), KEY, IMAGE)
    assert equal(variables, expected)
    wider = recipe_of(net, first__bias=Uniform(-1.0, 1.0))
    assert not equal(init(wider, net, KEY), expected)


def test_nnx_variables_go_into_the_model():
    build = lambda rngs: nnx.Linear(16, 3, rngs=rngs)
    found = correspond(fw.nnx.layers(build))
    model = build(nnx.Rngs(0))
    nnx.update(model, init(recipe_of(found), found, KEY))
    expected = fw.nnx.init(build, KEY)
    assert model.kernel[...].tobytes() == expected.kernel[...].tobytes()


def test_structured_values_are_made_in_torchs_layout(net):
    gain = 2.0
    recipe = recipe_of(net, conv__weight=Orthogonal(gain, layout="OI..."))
    kernel = np.asarray(init(recipe, net, KEY)["params"]["conv"]["kernel"], np.float64)
    rows = kernel.transpose(3, 2, 0, 1).reshape(8, -1)  # torch's (8, 3, 3, 3)
    np.testing.assert_allclose(rows @ rows.T, gain**2 * np.eye(8), atol=1e-5)
    # The same matrix read in Flax's own order has no such rows.
    flat = kernel.reshape(8, -1)
    assert abs(flat @ flat.T - gain**2 * np.eye(8)).max() > 0.1


def test_copies_of_one_draw_are_equal_and_others_are_not(net):
    shared = Draw((8, 8), "float32", "first.weight", Normal(0.0, 0.5), is_shared=True)
    halved = Call((8, 8), "float32", "mul", (shared, Fill((), "float32", 0.5)))
    recipe = recipe_of(net, first__weight=shared, second__weight=halved)
    params = init(recipe, net, KEY)["params"]
    np.testing.assert_array_equal(params["second"]["kernel"], params["first"]["kernel"] / 2)
    own = recipe_of(net, first__weight=Normal(0.0, 0.5), second__weight=Normal(0.0, 0.25))
    params = init(own, net, KEY)["params"]
    assert not np.array_equal(params["second"]["kernel"], params["first"]["kernel"] / 2)


def test_a_tensor_that_two_layers_hold_is_equal_in_both(net):
    """Tied in torch, two arrays here."""
    recipe = recipe_of(net)
    tensors = {name: each for name, each in recipe.tensors.items() if name != "second.weight"}
    tied = Recipe(tensors, ties={"second.weight": "first.weight"})
    params = init(tied, net, KEY)["params"]
    np.testing.assert_array_equal(params["second"]["kernel"], params["first"]["kernel"])
    assert len(np.unique(params["first"]["kernel"])) > 60


def test_parts_of_one_array_are_drawn_apart():
    """A packed projection of torch's over two layers of Flax's."""

    class Two(nn.Module):
        @nn.compact
        def __call__(self, x):
            dense = lambda name: nn.Dense(4, use_bias=False, name=name)
            return dense("k")(x), dense("v")(x)

    layers = fw.linen.layers(Two(), jnp.zeros((1, 4)))

    def half(index, layer):
        at = ((4 * index, 4 * index + 4), (0, 4))
        leaf = Leaf(
            "kv", "kv", (8, 4), np.dtype("f4"), (Piece("weight", View("o i -> o i"), at=at),)
        )
        return Layer(f"kv/{index}", "Linear", {}, layer.parameters, leaves=(leaf,))

    found = Correspondence(tuple(Pair(half(i, layer), layer) for i, layer in enumerate(layers)))
    recipe = Recipe({"kv": Recorded((8, 4), "float32", Normal(0, 1))})
    params = init(recipe, found, KEY)["params"]
    assert not np.array_equal(params["k"]["kernel"], params["v"]["kernel"])
    # What is no independent draw is made whole and cut.
    matrix = Recipe({"kv": Recorded((8, 4), "float32", Orthogonal(layout="OI..."))})
    params = init(matrix, found, KEY)["params"]
    whole = np.concatenate([params["k"]["kernel"].T, params["v"]["kernel"].T]).astype(np.float64)
    np.testing.assert_allclose(whole.T @ whole, np.eye(4), atol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_lower_precision_is_float32_rounded(net, dtype):
    # A normal: uniform values that round to the upper end are moved.
    normal = recipe_of(net, first__weight=Normal(0, 1))
    wide, low = init(normal, net, KEY), init(normal, net, KEY, dtype=dtype)
    kernel = low["params"]["first"]["kernel"]
    assert kernel.dtype == dtype
    np.testing.assert_array_equal(kernel, wide["params"]["first"]["kernel"].astype(dtype))


def test_traced_is_eager_to_the_bit(net):
    shared = Draw((8, 8), "float32", "first.weight", Normal(0.5, 0.5), is_shared=True)
    recipe = recipe_of(net, first__weight=shared, second__weight=shared)
    assert equal(jax.jit(lambda key: init(recipe, net, key))(KEY), init(recipe, net, KEY))


def test_another_models_recipe_is_refused(net):
    recipe = recipe_of(net)
    tensors = dict(recipe.tensors)
    del tensors["bn.running_mean"]
    tensors["first.weight"] = Recorded((9, 8), "float32", Normal(0, 1))
    with pytest.raises(ValueError, match=r"bn\.running_mean.*no such(.|\n)*\(9, 8\)"):
        init(Recipe(tensors), net, KEY)


def test_a_key_that_is_none_is_refused(net):
    with pytest.raises(TypeError, match="key"):
        init(recipe_of(net), net, 0)
