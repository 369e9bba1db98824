"""The program behind ``test_hosts.py``: one of two processes that fill a model together.

Its arguments are the coordinator's address and the number of this process. Each has four devices
of its own; the mesh is over all eight. It prints a JSON object with what it compared.
"""

import json
import sys

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from fanwise.distributions import (
    Constant,
    Normal,
    Orthogonal,
    Triangular,
    TruncatedNormal,
    Uniform,
)
from fanwise.filling import Parameter, fill

MODEL = {
    "embedding": ((128, 48), Normal(0.0, 0.02), P("x", "y")),
    "query": ((48, 64), Uniform(-0.1, 0.3), P(None, "x")),
    "key": ((48, 64), Uniform(-0.2, 0.3), P(None, "x")),
    "output": ((64, 48), Orthogonal(1.3), P("x", "y")),
    "convolution": ((3, 3, 16, 32), TruncatedNormal(0.1, 0.5, -1.0, 1.0), P(None, None, "y", "x")),
    "lstm bias": ((96,), Triangular(-0.2, 0.5), P(("x", "y"))),
    "norm": ((96,), Constant(1.0), P("y")),
    "head": ((48, 10), Normal(0.3, 0.7), P()),
}
# The same on both, as in a program that reads a seed.
WORDS = np.asarray([5, 17], np.uint32)


def init(words, mesh=None):
    keys = jax.random.split(jax.random.wrap_key_data(words), len(MODEL))
    parameters = []
    for (path, (shape, distribution, spec)), key in zip(MODEL.items(), keys, strict=True):
        sharding = None if mesh is None else NamedSharding(mesh, spec)
        parameters.append(Parameter(path, shape, distribution, key, None, sharding))
    if mesh is None:
        return {p.path: np.asarray(p.distribution.sample(p.key, p.shape)) for p in parameters}
    return fill(parameters)


def compare(arrays, expected, mesh):
    """Paths of what differs, and how many shards were compared."""
    wrong, compared = [], 0
    for path, array in arrays.items():
        asked = NamedSharding(mesh, MODEL[path][2])
        if not array.sharding.is_equivalent_to(asked, array.ndim):
            wrong.append(f"{path}: laid out as {array.sharding}")
        for shard in array.addressable_shards:
            compared += 1
            if np.asarray(shard.data).tobytes() != expected[path][shard.index].tobytes():
                wrong.append(f"{path}: {shard.index}")
    return wrong, compared


def main(coordinator, process):
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(
        coordinator, num_processes=2, process_id=process, initialization_timeout=60
    )
    report = {"devices": [jax.local_device_count(), jax.device_count()]}
    expected = init(WORDS)
    for kind in (AxisType.Auto, AxisType.Explicit):
        mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(kind, kind))
        with jax.set_mesh(mesh):
            jitted = jax.jit(lambda words, mesh=mesh: init(words, mesh))(WORDS)
        report[f"under jit, {kind.name}"] = compare(jitted, expected, mesh)
        report[f"eagerly, {kind.name}"] = compare(init(WORDS, mesh), expected, mesh)
    others = {path: np.negative(array) for path, array in expected.items()}
    report["planted"] = compare(jitted, others, mesh)
    print(json.dumps(report), flush=True)
    jax.distributed.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
