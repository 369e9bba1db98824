"""Lifted modules: whatever is repeated, shared, rewritten or compiled, every array is found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import fanwise as fw

X = jnp.zeros((2, 4))
RNGS = {"params": jax.random.key(0)}
PARAMS = {"variable_axes": {"params": 0}, "split_rngs": {"params": True}}


class Inner(nn.Module):
    @nn.compact
    def __call__(self, x, _=None):
        return nn.Dense(4)(x), None


class Middle(nn.Module):
    @nn.compact
    def __call__(self, x, _=None):
        x, _ = nn.scan(Inner, length=3, **PARAMS)(name="inner")(x, None)
        return nn.LayerNorm()(x), None


class NestedScans(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.scan(Middle, length=2, **PARAMS)(name="outer")(x, None)[0]


class Written(nn.Module):
    """Nested scans, written out."""

    @nn.compact
    def __call__(self, x):
        for i in range(2):
            for j in range(3):
                x, _ = Inner(name=f"outer/{i}/inner/{j}")(x)
        return x


class Compiled(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.jit(nn.Dense)(3)(x)


class Twice(nn.Module):
    def setup(self):
        self.layer = nn.Dense(4)

    def __call__(self, x):
        return self.layer(self.layer(x))


class SharedScope(nn.Module):
    def setup(self):
        self.inner = Twice()
        nn.share_scope(self, self.inner)

    def __call__(self, x):
        return self.inner(x)


class Ensemble(nn.Module):
    @nn.compact
    def __call__(self, x):
        members = nn.vmap(Inner, in_axes=None, axis_size=5, **PARAMS)
        return members(name="members")(x, None)[0].mean(0)


class Tied(nn.Module):
    @nn.compact
    def __call__(self, x):
        one = nn.vmap(Inner, variable_axes={"params": None}, split_rngs={"params": False})
        return one(name="one")(x[:, None], None)[0]


class ScannedFunction(nn.Module):
    @nn.compact
    def __call__(self, x):
        body = lambda layer, carry, _: (layer(carry), None)
        return nn.scan(body, length=3, **PARAMS)(nn.Dense(4, name="layer"), x, None)[0]


class Normalized(nn.Module):
    @nn.compact
    def __call__(self, x, _=None):
        return nn.Dense(4)(nn.BatchNorm(use_running_average=True)(x)), None


class SharedStatistics(nn.Module):
    """The parameters of every layer, and statistics of all together."""

    @nn.compact
    def __call__(self, x):
        scanned = nn.scan(Normalized, variable_broadcast="batch_stats", length=3, **PARAMS)
        return scanned(name="blocks")(x, None)[0]


class Partitioned(nn.Module):
    @nn.compact
    def __call__(self, x):
        names = {nn.PARTITION_NAME: "layers"}
        scanned = nn.scan(Boxed, length=3, metadata_params=names, **PARAMS)
        return scanned(name="blocks")(x, None)[0]


class Boxed(nn.Module):
    @nn.compact
    def __call__(self, x, _):
        init = nn.with_partitioning(nn.initializers.lecun_normal(), ("in", "out"))
        return nn.Dense(4, kernel_init=init)(x), None


# How many layers each has.
MODELS = {
    NestedScans: 8,
    Written: 6,
    Compiled: 1,
    Twice: 1,
    SharedScope: 1,
    Ensemble: 5,
    Tied: 1,
    ScannedFunction: 3,
    SharedStatistics: 6,
    Partitioned: 3,
}


@pytest.mark.parametrize("model", MODELS)
def test_structure_and_shapes_are_those_of_init(model):
    assert len(fw.linen.layers(model(), X)) == MODELS[model]
    assert all(layer.kind for layer in fw.linen.layers(model(), X))
    ours, own = fw.linen.init(model(), RNGS, X), model().init(RNGS, X)
    assert jax.tree.structure(ours) == jax.tree.structure(own)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(own), strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        assert a.size < 16 or not np.array_equal(a, b)


def test_nested_stacks_equal_unstacked_layers():
    rule = fw.by_kind({"Linear": fw.torch_default})
    stacked = fw.linen.init(NestedScans(), RNGS, X, rule=rule)["params"]["outer"]["inner"]
    single = fw.linen.init(Written(), RNGS, X)["params"]
    for i in range(2):
        for j in range(3):
            own = single[f"outer/{i}/inner/{j}"]["Dense_0"]["kernel"]
            assert np.array_equal(stacked["Dense_0"]["kernel"][i, j], own)


def test_layers_are_listed_as_they_run():
    paths = [layer.path for layer in fw.linen.layers(NestedScans(), X)]
    assert paths[:5] == [
        "outer/0/inner/0/Dense_0",
        "outer/0/inner/1/Dense_0",
        "outer/0/inner/2/Dense_0",
        "outer/0/LayerNorm_0",
        "outer/1/inner/0/Dense_0",
    ]


def test_members_of_an_ensemble_differ():
    kernel = fw.linen.init(Ensemble(), RNGS, X)["params"]["members"]["Dense_0"]["kernel"]
    assert len({member.tobytes() for member in np.asarray(kernel)}) == 5


def test_names_of_partitioned_axes_are_kept():
    box = fw.linen.init(Partitioned(), RNGS, X)["params"]["blocks"]["Dense_0"]["kernel"]
    assert box.names == ("layers", "in", "out")
