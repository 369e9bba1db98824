"""Metadata that Flax wraps around an initializer stays there, and the values stay what they are."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

import fanwise as fw
from tests.flax.witness import Witness, assert_same_bits

KEY = jax.random.key(23)
INIT = fw.kaiming_normal()
LINEN_LAYERS = {
    "dense": (nn.Dense, 8, (2, 6), ("embed", "mlp"), (6, 8)),
    # The kernel is reshaped inside of its box: names are those of the four axes as stored.
    "dense over two axes into two": (
        lambda features, **k: nn.DenseGeneral(features, axis=(-2, -1), **k),
        (4, 5),
        (2, 3, 6),
        ("seq", "embed", "heads", "kv"),
        (18, 20),
    ),
}
by_linen_layer = pytest.mark.parametrize("name", LINEN_LAYERS)


def linen_boxed(name, wrap, init, transform=lambda init: init):
    make, features, inputs, names, _ = LINEN_LAYERS[name]
    model = make(features, use_bias=False, kernel_init=wrap(init, names))
    return transform(model.init)(KEY, jnp.ones(inputs))


@by_linen_layer
@pytest.mark.parametrize("transform", [lambda init: init, jax.jit], ids=["eager", "jit"])
@pytest.mark.parametrize(
    ("wrap", "box"),
    [
        (nn.with_partitioning, nn.Partitioned),
        (nn.with_logical_partitioning, nn.LogicallyPartitioned),
    ],
    ids=["partitioning", "logical partitioning"],
)
def test_linen_keeps_names_and_values(name, wrap, box, transform):
    *_, names, seen = LINEN_LAYERS[name]
    variables = linen_boxed(name, wrap, INIT, transform)

    kernel = variables["params"]["kernel"]
    assert isinstance(kernel, box)
    assert kernel.names == names
    assert nn.get_partition_spec(variables) == {"params": {"kernel": P(*names)}}
    spelled = nn.unbox(linen_boxed(name, wrap, Witness()))["params"]["kernel"]
    drawn = INIT(Witness.key(spelled), seen, jnp.float32)
    assert_same_bits(kernel.unbox(), drawn.reshape(spelled.shape))


def test_linen_scan_adds_the_name_of_the_layers():
    class Layer(nn.Module):
        @nn.compact
        def __call__(self, x, _):
            init = nn.with_partitioning(INIT, ("embed", "mlp"))
            return nn.Dense(6, use_bias=False, kernel_init=init)(x), None

    layers = nn.scan(
        Layer,
        variable_axes={"params": 0},
        split_rngs={"params": True},
        length=3,
        metadata_params={nn.PARTITION_NAME: "layers"},
    )
    kernel = layers().init(KEY, jnp.ones((2, 6)), None)["params"]["Dense_0"]["kernel"]
    assert kernel.names == ("layers", "embed", "mlp")
    assert kernel.unbox().shape == (3, 6, 6)


def mesh_of(axis_type):
    return jax.make_mesh((1, 1), ("embed", "mlp"), axis_types=(axis_type,) * 2)


def nnx_linear(init):
    return nnx.Linear(6, 8, kernel_init=init, rngs=nnx.Rngs(KEY))


@pytest.mark.parametrize("axis_type", [AxisType.Auto, AxisType.Explicit], ids=lambda t: t.name)
@pytest.mark.parametrize("transform", [lambda build: build, nnx.jit], ids=["eager", "jit"])
def test_nnx_keeps_the_sharding_and_the_values(axis_type, transform):
    plain = nnx_linear(INIT).kernel[...]
    with jax.set_mesh(mesh_of(axis_type)):
        partitioned = nnx.with_partitioning(INIT, ("embed", "mlp"))
        model = transform(lambda: nnx_linear(partitioned))()
        assert model.kernel.out_sharding == ("embed", "mlp")
        assert nnx.get_partition_spec(nnx.state(model))["kernel"].get_value() == P("embed", "mlp")
        assert_same_bits(model.kernel[...], plain)


def test_nnx_keeps_other_metadata():
    model = nnx_linear(nnx.with_metadata(INIT, decayed=True))
    assert model.kernel.decayed is True
    assert_same_bits(model.kernel[...], nnx_linear(INIT).kernel[...])


def test_nnx_takes_metadata_beside_the_initializer():
    with jax.set_mesh(mesh_of(AxisType.Auto)):
        model = nnx.Linear(
            6,
            8,
            kernel_init=INIT,
            bias_init=fw.bias_uniform(6),
            kernel_metadata={"out_sharding": ("embed", "mlp")},
            bias_metadata={"out_sharding": ("mlp",)},
            rngs=nnx.Rngs(KEY),
        )
    assert model.kernel.out_sharding == ("embed", "mlp")
    assert model.bias.out_sharding == ("mlp",)
    assert_same_bits(model.kernel[...], nnx_linear(INIT).kernel[...])
