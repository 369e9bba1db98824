"""The program behind ``test_out_sharding.py``: draws on eight devices, one verdict per case.

It prints a JSON object from the name of a case to "as asked, and the same bits", or to what was
wrong.
"""

import json
import sys
import traceback
from functools import cache, partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import fanwise as fw

KEY = jax.random.key(31)
SHAPE = (16, 24)
SPEC = P("x", "y")
INIT = fw.kaiming_normal()
OTHERS = {
    "trunc_normal": fw.trunc_normal(mean=0.1, std=0.5, a=-1, b=1),
    "orthogonal": fw.orthogonal(),
    "sparse": fw.sparse(0.25),
    "zeros": fw.zeros(),
}
MESHES = {"auto axes": AxisType.Auto, "explicit axes": AxisType.Explicit}


@cache
def mesh_of(axes):
    return jax.make_mesh((2, 4), ("x", "y"), axis_types=(MESHES[axes],) * 2)


def jitted(draw):
    return jax.jit(draw)


def eager(draw):
    return draw


def direct(init, axes, transform, spec=SPEC, named=False, dtype=jnp.float32):
    """An initializer called as jax's own are; returns the array and what it should equal."""
    mesh = mesh_of(axes)
    asked = NamedSharding(mesh, spec) if named else spec
    expected = init(KEY, SHAPE, dtype)
    with jax.set_mesh(mesh):
        array = transform(lambda key: init(key, SHAPE, dtype, asked))(KEY)
    return array, expected, NamedSharding(mesh, spec)


def linen(axes, transform, partitioned):
    """A Dense layer that passes the sharding on, or that carries it as metadata."""

    def kernel(init, transform):
        def draw(key):
            model = nn.Dense(SHAPE[1], use_bias=False, kernel_init=init)
            return model.init(key, jnp.ones((1, SHAPE[0])))["params"]["kernel"]

        return transform(draw)(KEY)

    mesh = mesh_of(axes)
    expected = kernel(INIT, eager)
    with jax.set_mesh(mesh):
        if partitioned:
            # On explicit axes linen's box only asserts that its value is laid out as named.
            drawn = partial(INIT, out_sharding=SPEC) if mesh.explicit_axes else INIT
            boxed = nn.with_partitioning(drawn, ("x", "y"))
            abstract = jax.eval_shape(partial(kernel, boxed, eager))
            layout = nn.get_sharding(abstract, mesh)
            array = nn.unbox(kernel(boxed, lambda draw: jax.jit(draw, out_shardings=layout)))
        else:
            array = kernel(partial(INIT, out_sharding=SPEC), transform)
    return array, expected, NamedSharding(mesh, SPEC)


def of_nnx(axes, transform, partitioned):
    def kernel(init):
        return nnx.Linear(*SHAPE, kernel_init=init, rngs=nnx.Rngs(KEY)).kernel[...]

    mesh = mesh_of(axes)
    expected = kernel(INIT)
    with jax.set_mesh(mesh):
        wrapped = nnx.with_partitioning(INIT, ("x", "y"))
        init = wrapped if partitioned else partial(INIT, out_sharding=SPEC)
        array = transform(lambda key: kernel(init))(KEY)
    return array, expected, NamedSharding(mesh, SPEC)


def another_layout():
    array, expected, sharding = direct(INIT, "auto axes", eager)
    return array, expected, NamedSharding(sharding.mesh, P("y", "x"))


def another_key():
    array, _, sharding = direct(INIT, "auto axes", eager)
    return array, INIT(jax.random.key(32), SHAPE, jnp.float32), sharding


def all_cases():
    for axes in MESHES:
        for transform in (eager, jitted):
            where = f"{axes}, {transform.__name__}"
            yield f"kaiming_normal: {where}", partial(direct, INIT, axes, transform)
            yield f"linen, passed on: {where}", partial(linen, axes, transform, False)
            yield f"nnx, passed on: {where}", partial(of_nnx, axes, transform, False)
        for name, init in OTHERS.items():
            yield f"{name}: {axes}", partial(direct, init, axes, jitted)
        plain = partial(direct, INIT, axes, eager)
        yield f"NamedSharding: {axes}", partial(plain, named=True)
        yield f"one axis of two: {axes}", partial(plain, spec=P(None, "y"))
        yield f"two mesh axes on one: {axes}", partial(plain, spec=P(("x", "y"), None))
        yield f"bfloat16: {axes}", partial(plain, dtype=jnp.bfloat16)
        yield f"linen, as metadata: {axes}, jitted", partial(linen, axes, jitted, True)
        yield f"nnx, as metadata: {axes}, eager", partial(of_nnx, axes, eager, True)
        yield f"nnx, as metadata: {axes}, jitted", partial(of_nnx, axes, jitted, True)


CASES = dict(all_cases())
PLANTED = {"planted: another layout": another_layout, "planted: another key": another_key}


def verdict(array, expected, sharding):
    if not array.sharding.is_equivalent_to(sharding, array.ndim):
        return f"the sharding is {array.sharding}, not {sharding}"
    actual, expected = np.asarray(array), np.asarray(expected)
    if (actual.dtype, actual.shape) != (expected.dtype, expected.shape):
        return f"{actual.dtype}{actual.shape}, not {expected.dtype}{expected.shape}"
    if actual.tobytes() != expected.tobytes():
        return f"{np.sum(actual != expected)} of {actual.size} elements differ"
    return "as asked, and the same bits"


def judge(case):
    try:
        return verdict(*case())
    except Exception:
        return traceback.format_exc()


if __name__ == "__main__":
    if len(jax.devices()) != 8:
        sys.exit(f"expected eight devices, got {jax.devices()}")
    print(json.dumps({name: judge(case) for name, case in (CASES | PLANTED).items()}))
