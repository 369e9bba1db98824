"""Variables with sharding metadata are made where they belong, with the values of one device."""

import pytest

from tests.devices import output_on_eight_devices

PROGRAM = """
import jax, jax.numpy as jnp, numpy as np
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
import fanwise as fw

def own(*names):
    kernel = nnx.initializers.lecun_normal()
    return nnx.with_partitioning(kernel, names) if is_sharded else kernel

class Block(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(8, 16, kernel_init=own("data", "model"), rngs=rngs)
        self.second = nnx.Linear(16, 8, rngs=rngs)
        self.lstm = nnx.LSTMCell(8, 4, kernel_init=own(None, "model"), rngs=rngs)

class Model(nnx.Module):
    def __init__(self, rngs):
        self.stem = Block(rngs)
        # Of which nothing is known but what it says itself.
        self.bare = nnx.Param(own("model", "data")(rngs.params(), (8, 8)))
        make = nnx.vmap(Block, transform_metadata={{nnx.PARTITION_NAME: None}})
        self.blocks = nnx.split_rngs(splits=3)(make)(rngs)

def bits(model):
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(nnx.state(model))]

key = jax.random.key(0)
rule = fw.chain(fw.torch_default, fw.by_kind({{"LSTMCell": {{"weight_ih": {weight}}}}}))
is_sharded = False
expected = fw.nnx.init(Model, key, rule=rule)
is_sharded = True
axes = (AxisType.{axes},) * 2
mesh = jax.make_mesh((4, 2), ("data", "model"), axis_types=axes)
with jax.set_mesh(mesh):
    build = lambda key: fw.nnx.init(Model, key, rule=rule)
    model = nnx.jit(build)(key) if {jit} else build(key)
    theirs = Model(nnx.Rngs(0))
    again = fw.nnx.init(Model, key, rule=rule)
    fw.nnx.apply(rule, again, key)
    fw.nnx.apply(fw.by_path({{"stem/first": {{"weight": fw.ones()}}}}), theirs, key)
for made in (model, again):
    assert nnx.graphdef(made) == nnx.graphdef(theirs)
    assert bits(made) == bits(expected)
    for variable, spec in [
        (made.stem.first.kernel, P("data", "model")),
        (made.stem.lstm.ii.kernel, P(None, "model")),
        (made.blocks.first.kernel, P(None, "data", "model")),
        (made.blocks.lstm.ii.kernel, P(None, None, "model")),
        (made.bare, P("model", "data")),
    ]:
        assert variable.get_metadata("out_sharding") == tuple(spec)
        sharding = variable.get_raw_value().sharding
        assert sharding.is_equivalent_to(NamedSharding(mesh, spec), variable.ndim), (spec, sharding)
kernel = theirs.stem.first.kernel
assert (np.asarray(kernel[...]) == 1).all()
assert kernel.get_raw_value().sharding.is_equivalent_to(NamedSharding(mesh, P("data", "model")), 2)
"""


@pytest.mark.parametrize("weight", ["fw.normal()", "fw.orthogonal()"])
@pytest.mark.parametrize(("jit", "axes"), [(False, "Auto"), (True, "Auto"), (False, "Explicit")])
def test_variables_with_sharding_metadata(jit, axes, weight):
    output_on_eight_devices("-c", PROGRAM.format(jit=jit, axes=axes, weight=weight))
