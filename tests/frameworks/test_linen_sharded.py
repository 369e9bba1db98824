"""Partitioned parameters are made where they belong, with the values of one device."""

import pytest

from tests.devices import output_on_eight_devices

PROGRAM = """
import jax, jax.numpy as jnp, numpy as np
from flax import linen as nn
from jax.sharding import NamedSharding, PartitionSpec as P
import fanwise as fw

mesh = jax.make_mesh((4, 2), ("data", "model"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
box = lambda *names: nn.with_partitioning(nn.initializers.lecun_normal(), names)

class Model(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Dense(16, kernel_init=box("data", "model"))(x)
        x = nn.RNN(nn.LSTMCell(8, kernel_init=box(None, "model")))(x[None])[0]
        return nn.Dense(4)(x)

class Plain(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Dense(16)(x)
        x = nn.RNN(nn.LSTMCell(8))(x[None])[0]
        return nn.Dense(4)(x)

x, key = jnp.zeros((2, 8)), jax.random.key(0)
rule = fw.chain(fw.torch_default, fw.by_kind({{"LSTM": {{"weight_ih_l0": {weight}}}}}))
expected = fw.linen.init(Plain(), key, x, rule=rule)
with jax.set_mesh(mesh):
    if {jit}:
        boxed = jax.jit(lambda key: fw.linen.init(Model(), key, x, rule=rule))(key)
    else:
        boxed = fw.linen.init(Model(), key, x, rule=rule)
    again = fw.linen.apply(rule, Model(), boxed, key, x)
for variables in (boxed, again):
    kernel = variables["params"]["Dense_0"]["kernel"]
    assert isinstance(kernel, nn.Partitioned), type(kernel)
    assert kernel.value.sharding.is_equivalent_to(NamedSharding(mesh, P("data", "model")), 2)
    gate = variables["params"]["LSTMCell_0"]["ii"]["kernel"].value
    assert gate.sharding.is_equivalent_to(NamedSharding(mesh, P(None, "model")), 2)
    for a, b in zip(jax.tree.leaves(variables), jax.tree.leaves(expected), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
"""


@pytest.mark.parametrize("weight", ["fw.normal()", "fw.orthogonal()"])
@pytest.mark.parametrize("jit", [False, True])
def test_partitioned_parameters(jit, weight):
    output_on_eight_devices("-c", PROGRAM.format(jit=jit, weight=weight))
