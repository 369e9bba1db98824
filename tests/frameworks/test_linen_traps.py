"""Models that were once started wrongly, or not at all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import fanwise as fw

KEY = jax.random.key(0)
X = jnp.ones((2, 8))


def kinds(model, x=X, **options):
    return [layer.kind for layer in fw.linen.layers(model, x, **options)]


def test_a_layer_whose_scope_is_shared():
    class Wrap(nn.Module):
        def setup(self):
            self.layer = nn.Dense(3)
            nn.share_scope(self, self.layer)

        def __call__(self, x):
            return self.layer(x)

    assert kinds(Wrap()) == ["Linear"]


def test_the_same_name_in_two_collections():
    class Averaged(nn.Dense):
        @nn.compact
        def __call__(self, x):
            y = super().__call__(x)
            self.variable("average", "kernel", lambda: jnp.zeros((8, 3)))
            return y

    layers = fw.linen.layers(Averaged(3), X)
    assert [layer.kind for layer in layers] == ["Linear", None]
    assert dict(layers[1].parameters) == {"kernel@average": (8, 3)}
    variables = fw.linen.init(Averaged(3), KEY, X)
    assert (variables["average"]["kernel"] == 0).all()
    assert (
        fw.linen.init(nn.Dense(3), KEY, X)["params"]["kernel"] == variables["params"]["kernel"]
    ).all()


def test_a_layers_own_parameter_of_the_same_name_has_values_of_its_own():
    class Two(nn.Dense):
        @nn.compact
        def __call__(self, x):
            weight = self.param("weight", nn.initializers.normal(), (3, 8))
            return super().__call__(x) + x @ weight.T

    rule = lambda layer: {"weight": fw.orthogonal()}
    params = fw.linen.init(Two(3), KEY, X, rule=rule)["params"]
    assert not np.array_equal(params["kernel"].T, params["weight"])


def test_names_that_differ_in_how_they_are_numbered_have_values_of_their_own():
    class Three(nn.Module):
        @nn.compact
        def __call__(self, x):
            return sum(nn.Dense(8, name=name)(x) for name in ("x_1_2", "x_1/2", "x/1/2"))

    params = fw.linen.init(Three(), KEY, X)["params"]
    assert len({np.asarray(layer["kernel"]).tobytes() for layer in params.values()}) == 3


def test_state_follows_from_the_parameters_that_were_drawn():
    class Copy(nn.Module):
        @nn.compact
        def __call__(self, x):
            layer = nn.Dense(3, name="layer")
            y = layer(x)
            self.variable("copy", "kernel", lambda: layer.variables["params"]["kernel"])
            return y

    copied = fw.linen.init(Copy(), KEY, X)
    assert (copied["copy"]["kernel"] == copied["params"]["layer"]["kernel"]).all()


def test_a_spectral_norm_is_that_of_the_weight():
    class Normed(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.SpectralNorm(nn.Dense(3), n_steps=50)(x, update_stats=True)

    variables = fw.linen.init(Normed(), KEY, X)
    (sigma,) = (leaf for leaf in jax.tree.leaves(variables["batch_stats"]) if leaf.ndim == 0)
    kernel = variables["params"]["Dense_0"]["kernel"]
    assert sigma == pytest.approx(np.linalg.norm(kernel, 2), rel=1e-3)


@pytest.mark.parametrize("variables", [{}, {"kernel": jnp.zeros((8, 3)), "bias": jnp.zeros(3)}])
def test_parameters_without_their_collection_are_refused(variables):
    with pytest.raises(ValueError, match="collections included"):
        fw.linen.apply(fw.torch_default, nn.Dense(3), variables, KEY, X)


def test_a_key_kept_as_a_variable():
    class Keyed(nn.Module):
        @nn.compact
        def __call__(self, x):
            self.variable("rng", "key", lambda: jax.random.key(3))
            return nn.Dense(3)(x)

    assert fw.linen.init(Keyed(), KEY, X)["rng"]["key"] == jax.random.key(3)


class Attending(nn.Module):
    @nn.compact
    def __call__(self, carry, _):
        return nn.MultiHeadDotProductAttention(12)(carry), None


def test_as_many_layers_as_heads_under_jit_with_traced_inputs():
    scanned = nn.scan(
        Attending, variable_axes={"params": 0}, split_rngs={"params": True}, length=12
    )
    x = jnp.ones((1, 4, 48))
    jitted = jax.jit(lambda key, x: fw.linen.init(scanned(), key, x, None))(KEY, x)
    eagerly = fw.linen.init(scanned(), KEY, x, None)
    for ours, expected in zip(jax.tree.leaves(jitted), jax.tree.leaves(eagerly), strict=True):
        assert np.array_equal(ours, expected)


def test_a_scan_as_long_as_wide_with_our_own_orthogonal():
    class Block(nn.Module):
        @nn.compact
        def __call__(self, carry, _):
            return nn.Dense(8, kernel_init=fw.orthogonal())(carry), None

    scanned = nn.scan(Block, variable_axes={"params": 0}, split_rngs={"params": True}, length=8)
    assert [layer.kind for layer in fw.linen.layers(scanned(), X, None)] == ["Linear"] * 8


def forget_bias(key, shape, dtype):
    """One for the forget gate, zero for the others."""
    return jnp.zeros(shape, dtype).at[shape[0] // 4 : shape[0] // 2].set(1)


def test_a_function_for_one_of_two_biases():
    rule = lambda layer: {"bias_ih_l0": forget_bias, "bias_hh_l0": fw.zeros()}
    model = nn.RNN(nn.LSTMCell(5))
    params = fw.linen.init(model, KEY, jnp.ones((1, 4, 8)), rule=rule)["params"]["cell"]
    assert (params["hf"]["bias"] == 1).all()
    assert all((params[f"h{gate}"]["bias"] == 0).all() for gate in "igo")


def test_classes_derived_from_flaxs_with_other_parameters():
    class Other(nn.Dense):
        @nn.compact
        def __call__(self, x):
            return x @ self.param("w", nn.initializers.ones, (8, 3))

    assert kinds(Other(3)) == [None]


@pytest.mark.parametrize(
    "model",
    [
        nn.BatchNorm(use_running_average=True, axis=(1, -1)),
        nn.InstanceNorm(feature_axes=(1, -1)),
        nn.DenseGeneral(np.int64(3)),
        nn.Bidirectional(nn.RNN(nn.LSTMCell(5)), nn.RNN(nn.LSTMCell(7))),
    ],
    ids=["BatchNorm", "InstanceNorm", "DenseGeneral", "Bidirectional"],
)
def test_legal_models_are_not_refused(model):
    x = jnp.ones((2, 4, 8))
    ours, own = fw.linen.init(model, KEY, x), model.init(KEY, x)
    assert jax.tree.structure(ours) == jax.tree.structure(own)


@pytest.mark.parametrize("rule", [None, {"weight": fw.zeros()}, fw.zeros()], ids=repr)
def test_what_is_no_rule_is_refused(rule):
    with pytest.raises(TypeError, match="rule must be a function from a layer"):
        fw.linen.init(nn.Dense(3), KEY, X, rule=rule)


def test_a_kernel_that_is_kept_transposed_is_not_torchs():
    class Transposed(nn.Module):
        @nn.compact
        def __call__(self, x):
            swap = lambda tree: jax.tree.map(lambda leaf: leaf.T, tree)
            mapped = nn.map_variables(
                nn.Dense, "params", trans_in_fn=swap, trans_out_fn=swap, init=True
            )
            return mapped(3, name="layer")(x)

    layers = fw.linen.layers(Transposed(), X)
    assert None in [layer.kind for layer in layers]
    ours, own = fw.linen.init(Transposed(), KEY, X), Transposed().init(KEY, X)
    assert ours["params"]["layer"]["kernel"].shape == (3, 8)
    assert np.array_equal(ours["params"]["layer"]["kernel"], own["params"]["layer"]["kernel"])


def test_a_layout_that_is_given_is_kept():
    def rule(layer):
        return {"weight": fw.kaiming_normal(layout="IO")}

    class Wide(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(5000)(x)

    std = fw.linen.init(Wide(), KEY, X, rule=rule)["params"]["Dense_0"]["kernel"].std()
    assert std == pytest.approx((2 / 5000) ** 0.5, rel=0.05)
    told = lambda layer: {"weight": fw.kaiming_normal()}
    std = fw.linen.init(Wide(), KEY, X, rule=told)["params"]["Dense_0"]["kernel"].std()
    assert std == pytest.approx((2 / 8) ** 0.5, rel=0.05)
