"""The program behind ``test_weights_devices.py``: weights on eight devices.

It prints a JSON object from the name of a case to what it found.
"""

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import nnx
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import fanwise as fw
from tests.porting.twins import correspond, random_state

X = jnp.zeros((1, 16))
AXES = {"auto": AxisType.Auto, "explicit": AxisType.Explicit}


class Net(nn.Module):
    """Two partitioned layers."""

    @nn.compact
    def __call__(self, x):
        init = nn.with_partitioning(nn.initializers.lecun_normal(), ("x", "y"))
        x = nn.Dense(32, kernel_init=init)(x)
        return nn.Dense(8, use_bias=False)(x)


def build(rngs):
    """The same in nnx."""
    init = nnx.with_partitioning(nnx.initializers.lecun_normal(), ("x", "y"))
    return nnx.Linear(16, 32, kernel_init=init, rngs=rngs)


FOUND = correspond(fw.linen.layers(Net(), X))
STATE = random_state(FOUND, np.random.default_rng(0))
KERNEL = STATE["Dense_0.weight"].T


def mesh_of(axes):
    return jax.make_mesh((4, 2), ("x", "y"), axis_types=(AXES[axes],) * 2)


def parts(array):
    """The shapes of what each device has, if it has what it should."""
    for shard in array.addressable_shards:
        np.testing.assert_array_equal(shard.data, KERNEL[shard.index])
    devices = {shard.device for shard in array.addressable_shards}
    assert len(devices) == len(array.addressable_shards)
    return [len(devices), *sorted({tuple(s.data.shape) for s in array.addressable_shards})]


def by_function(axes):
    mesh = mesh_of(axes)

    def choose(path, shape):
        return NamedSharding(mesh, P("x", "y")) if path[-2:] == ("Dense_0", "kernel") else None

    variables = fw.port.weights(STATE, FOUND, sharding=choose)
    return parts(variables["params"]["Dense_0"]["kernel"])


def by_linens_own(axes):
    # linen's own init does not run where axes are explicit.
    specs = nn.get_partition_spec(jax.eval_shape(lambda: Net().init(jax.random.key(0), X)))
    with jax.set_mesh(mesh_of(axes)):
        variables = fw.port.weights(STATE, FOUND, sharding=specs)
        kernel = parts(variables["params"]["Dense_0"]["kernel"])
        back = fw.port.state_dict(variables, FOUND)
    assert all(np.array_equal(back[name], STATE[name]) for name in STATE)
    return kernel


def by_nnxs_own(axes):
    state = {"weight": STATE["Dense_0.weight"], "bias": STATE["Dense_0.bias"]}
    # nnx builds partitioned Variables under automatic axes only.
    with jax.set_mesh(mesh_of("auto")):
        found = correspond(fw.nnx.layers(build))
        model = nnx.eval_shape(lambda: build(nnx.Rngs(0)))
    specs = nnx.get_partition_spec(nnx.state(model))
    with jax.set_mesh(mesh_of(axes)):
        nnx.update(model, fw.port.weights(state, found, sharding=specs))
        return parts(model.kernel[...])


def everywhere(axes):
    variables = fw.port.weights(STATE, FOUND, sharding=NamedSharding(mesh_of(axes), P()))
    return parts(variables["params"]["Dense_0"]["kernel"])


CASES = {
    "by a function": by_function,
    "by linen's own": by_linens_own,
    "by nnx's own": by_nnxs_own,
    "everywhere": everywhere,
}


def main():
    assert jax.device_count() == 8
    report = {f"{name}, {axes} axes": case(axes) for name, case in CASES.items() for axes in AXES}
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
